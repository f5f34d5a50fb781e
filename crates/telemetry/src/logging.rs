//! Set-up of the process's log: to standard error, text or JSON, with a filter that can be changed
//! while the process runs.
//!
//! Filters are written as in `RUST_LOG`: `info`, `warn,ferromesh_xds=debug`.

use std::fmt;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt as format, reload};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// A level or filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot read the log filter {filter:?}: {reason}; write for example `info` or `warn,ferromesh_xds=debug`"
)]
pub struct LogLevelError {
    filter: String,
    reason: String,
}

/// Changes the filter of the running process.
#[derive(Clone)]
pub struct LogHandle {
    reload: reload::Handle<EnvFilter, Registry>,
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogHandle")
            .field("filter", &self.filter())
            .finish()
    }
}

impl LogHandle {
    /// Replaces the filter.
    ///
    /// # Errors
    /// When the filter cannot be read; the old one then stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogLevelError> {
        let parsed = parse(filter)?;
        self.reload.reload(parsed).map_err(|error| LogLevelError {
            filter: filter.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The filter in force.
    pub fn filter(&self) -> String {
        self.reload
            .with_current(ToString::to_string)
            .unwrap_or_default()
    }
}

/// Installs the process's log. Later calls in one process (tests) leave the first in place.
///
/// # Errors
/// When `filter` cannot be read.
pub fn init_logging(filter: &str, log_format: LogFormat) -> Result<LogHandle, LogLevelError> {
    let (layer, handle) = reload::Layer::new(parse(filter)?);
    let registry = tracing_subscriber::registry().with(layer);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A log that is already installed keeps working; ours then filters nothing.
    let _ = match log_format {
        LogFormat::Text => registry
            .with(
                format::layer()
                    .with_writer(std::io::stderr)
                    .with_ansi(colours),
            )
            .try_init(),
        LogFormat::Json => registry
            .with(format::layer().json().with_writer(std::io::stderr))
            .try_init(),
    };
    Ok(LogHandle { reload: handle })
}

fn parse(filter: &str) -> Result<EnvFilter, LogLevelError> {
    EnvFilter::try_new(filter).map_err(|error| LogLevelError {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_refused_with_what_to_write_instead() {
        let error = parse("proxy=loudest").expect_err("no such level");
        assert!(error.to_string().contains("proxy=loudest"), "{error}");
    }
}
