//! Logging whose level changes at run time, and the metric registry of the control processes.
//!
//! The request path of the data plane keeps its own sharded counters (`proxy::stats`).

mod logging;

pub use logging::{LogFormat, LogHandle, LogLevelError, init_logging};
pub use prometheus_client as metrics;
