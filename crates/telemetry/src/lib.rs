//! Logging with levels that change at run time and the metric registry.
