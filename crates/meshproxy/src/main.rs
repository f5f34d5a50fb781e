//! The data plane and its agent in one process.

fn main() {}
