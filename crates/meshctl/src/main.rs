//! The command line: sandbox, config and analysis.

fn main() {}
