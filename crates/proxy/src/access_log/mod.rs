//! Access logs: one line per request or connection, formatted on the worker, written elsewhere.
//!
//! In: a [`LogRecord`] that the engine fills when something ends. Out: text or JSON lines in a file
//! or on the standard streams. A slow disk never slows a request: lines beyond a bound are dropped
//! and counted.

mod filter;
mod flags;
mod format;
mod json;
mod record;
mod requested;
mod sink;
mod time_format;
mod value;

use std::sync::Arc;

pub use filter::{Comparison, LogFilter};
pub use flags::ResponseFlags;
pub use format::{ENVOY_DEFAULT_FORMAT, LogFormat, render};
pub use json::JsonFormat;
pub use record::{HeaderLookup, LogRecord, TriedBefore};
pub use sink::{LogSink, LogSinks};
pub use time_format::{InvalidTimeFormat, check_template};

/// One access log of a listener, connection manager or TCP proxy.
#[derive(Debug)]
pub struct AccessLog {
    /// Which records are written; `None` writes all.
    pub filter: Option<LogFilter>,
    /// What a line looks like.
    pub format: LogFormat,
    /// Where lines go.
    pub sink: Arc<LogSink>,
}

impl AccessLog {
    /// Writes a line for `record`, if the filter wants it.
    pub fn log(&self, record: &LogRecord<'_>) {
        if self
            .filter
            .as_ref()
            .is_none_or(|filter| filter.wants(record))
        {
            self.sink.append(|line| self.format.write(record, line));
        }
    }
}

/// Writes `record` to all of `logs`.
pub fn log_all(logs: &[Arc<AccessLog>], record: &LogRecord<'_>) {
    for log in logs {
        log.log(record);
    }
}
