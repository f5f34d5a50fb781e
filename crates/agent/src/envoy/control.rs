//! A stock Envoy through its admin port.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Method;
use tracing::warn;

use crate::data_plane::DataPlaneControl;
use crate::http_client::{Peer, request};

/// Envoy answers from its main thread, which may be compiling a large update.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The two numbers that readiness is read from.
const READINESS: &str =
    "/stats?usedonly&filter=^(server\\.state|listener_manager\\.workers_started)";

/// Envoy's admin interface.
#[derive(Clone, Debug)]
pub struct EnvoyControl {
    admin_port: u16,
}

impl EnvoyControl {
    /// The Envoy with this admin port on the loopback address.
    pub fn new(admin_port: u16) -> Self {
        Self { admin_port }
    }

    async fn call(&self, method: Method, path: &str) -> Result<String, String> {
        let peer = Peer::local(self.admin_port, TIMEOUT);
        let encoded = path
            .replace('^', "%5E")
            .replace('\\', "%5C")
            .replace('|', "%7C");
        let answer = request(&peer, method, &encoded)
            .await
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        if answer.status().is_success() {
            Ok(text)
        } else {
            Err(format!(
                "{path} answered {}: {}",
                answer.status(),
                text.trim()
            ))
        }
    }

    /// How many connections of clients are open, over all listeners but the agent's own.
    pub(super) async fn active_connections(&self) -> Result<u64, String> {
        let path = "/stats?usedonly&filter=downstream_cx_active$";
        let text = self.call(Method::GET, path).await?;
        let count = |line: &str| {
            let (name, value) = line.split_once(':')?;
            let own = name.starts_with("listener.admin") || name.contains("worker_");
            let own = own || name.contains("15021") || name.contains("15090");
            if own || !name.starts_with("listener.") {
                None
            } else {
                value.trim().parse::<u64>().ok()
            }
        };
        Ok(text.lines().filter_map(count).sum())
    }
}

/// Reads the two numbers.
fn readiness(stats: &str) -> Result<(), String> {
    let value = |name: &str| {
        let line = stats
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim)
    };
    match (
        value("server.state"),
        value("listener_manager.workers_started"),
    ) {
        (Some("0"), Some("1")) => Ok(()),
        (Some("0"), _) => {
            Err("Envoy has no listeners yet: its workers have not started".to_owned())
        }
        (Some(state), _) => Err(format!("Envoy is not live: server.state is {state}")),
        (None, _) => Err("Envoy does not say in which state it is".to_owned()),
    }
}

impl DataPlaneControl for EnvoyControl {
    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        async { readiness(&self.call(Method::GET, READINESS).await?) }.boxed()
    }

    fn metrics(&self) -> BoxFuture<'_, Result<String, String>> {
        async { self.call(Method::GET, "/stats/prometheus").await }.boxed()
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        async {
            let path = "/drain_listeners?graceful&skip_exit";
            if let Err(error) = self.call(Method::POST, path).await {
                warn!(error, "Envoy could not be told to drain");
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::readiness;

    #[test]
    fn ready_means_live_with_started_workers() {
        assert_eq!(
            readiness("listener_manager.workers_started: 1\nserver.state: 0\n"),
            Ok(())
        );
        let starting = readiness("server.state: 2\n").expect_err("initialising");
        assert!(starting.contains("server.state is 2"), "{starting}");
        assert!(readiness("server.state: 0\n").is_err());
        assert!(readiness("").is_err());
    }
}
