//! Benchmarks and load drivers.

fn main() {}
