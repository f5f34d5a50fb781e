//! Snapshot and proxy view to xDS resources.
