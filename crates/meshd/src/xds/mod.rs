//! Streams of proxies: who is it, may it, and then its life in `push::connection`.

pub(crate) mod authenticate;
pub(crate) mod streams;
