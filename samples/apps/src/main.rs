//! Stand-ins of the sample applications.

fn main() {}
