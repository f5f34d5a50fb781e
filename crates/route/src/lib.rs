//! Filter chain, virtual host and route matching as pure functions.
