//! The immutable mesh snapshot, its indices and what one proxy may see of it.
