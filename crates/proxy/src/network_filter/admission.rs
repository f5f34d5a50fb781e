//! The filters that look at a connection before one takes it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{rbac, server_names};
use crate::access_log::{LogRecord, log_all};
use crate::compiled::{ConnectionSlot, NetworkFilter, TerminalFilter};
use crate::listener::Connection;

/// What a connection holds as long as it is open.
pub(crate) type Admitted = Vec<ConnectionSlot>;

/// Why a connection is closed, and after how long.
pub(crate) struct Refused {
    pub(super) delay: Duration,
    /// Empty where access logs give no reason.
    pub(super) details: String,
}

impl Refused {
    /// Keeps the connection waiting, so that who tries again at once is slowed down, and logs it.
    pub(crate) async fn see_off(self, connection: &Connection) {
        tokio::time::sleep(self.delay).await;
        log(connection, &self);
    }
}

/// Lets the filters of its chain look at a connection.
pub(crate) async fn admit(connection: &mut Connection) -> Result<Admitted, Refused> {
    let mut slots = Vec::new();
    let chain = Arc::clone(&connection.chain);
    for filter in &chain.filters {
        match filter {
            NetworkFilter::Rbac(filter) => {
                rbac::decide(filter, connection).map_err(|details| Refused {
                    delay: filter.delay,
                    details,
                })?;
            }
            NetworkFilter::ServerNames(filter) => {
                Box::pin(server_names::look_up(filter, connection)).await?;
            }
            NetworkFilter::ConnectionLimit(limit) => {
                let slot = limit.take().ok_or_else(|| Refused {
                    delay: limit.delay,
                    details: String::new(),
                })?;
                slots.push(slot);
            }
        }
    }
    Ok(slots)
}

/// A connection that was relayed would have a line in the access log: so has one that was not.
fn log(connection: &Connection, refused: &Refused) {
    let TerminalFilter::TcpProxy(settings) = &connection.chain.terminal else {
        return;
    };
    let record = LogRecord {
        kind: "TcpConnectionEnd",
        start: Some(SystemTime::now()),
        duration: Some(Duration::ZERO),
        termination_details: &refused.details,
        ..connection.record()
    };
    log_all(&settings.access_logs, &record);
}
