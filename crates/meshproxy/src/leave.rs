//! The end of a process that serves: no request may be lost by it.
//!
//! After SIGTERM, those who send us traffic learn of it only some time later. Listeners therefore
//! stay open while every answer says that the connection ends (`connection: close`, GOAWAY), until
//! nobody has connected for a while, or half of the time is over; then they close, and what is in
//! flight ends. A process that was replaced by a successor only has to finish what is open.

use std::time::Duration;

use ferromesh_proxy::ProxyHandle;
use ferromesh_runtime::terminated_or_interrupted;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

/// Listeners close when nobody has connected for this long: clients that look for endpoints anew
/// have heard by then that we are leaving.
const QUIET: Duration = Duration::from_secs(1);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// As good as for ever.
const NO_LIMIT: Duration = Duration::from_hours(365 * 24);

/// How long leaving may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    /// Listeners stay open for this long at least.
    minimum: Duration,
    /// Connections that are open after this are cut.
    limit: Duration,
}

impl Leaving {
    /// As soon as nothing is in flight, at most after `limit`.
    pub(crate) fn within(limit: Duration) -> Self {
        Self {
            minimum: Duration::ZERO,
            limit,
        }
    }

    /// When the last connection has ended, but not before `minimum`.
    pub(crate) fn without_limit(minimum: Duration) -> Self {
        Self {
            minimum,
            limit: NO_LIMIT,
        }
    }

    /// Leaves. `replaced` is the time that a successor gives us; it serves already. A second signal
    /// cuts it short.
    pub(crate) async fn leave(self, proxy: &ProxyHandle, replaced: Option<Duration>) {
        let limit = replaced.unwrap_or(self.limit);
        let (open, _) = proxy.connections();
        info!(?limit, open, "leaving: draining first");
        let end = Instant::now() + limit;
        proxy.begin_drain();
        let draining = async {
            if replaced.is_none() {
                // Clients that connect without end must not take the time of what is in flight.
                let half = end - limit / 2;
                let _ = timeout_at(half, self.quiet(proxy)).await;
            }
            proxy
                .drain(end.saturating_duration_since(Instant::now()))
                .await;
        };
        tokio::select! {
            () = draining => info!("drained"),
            _ = terminated_or_interrupted() => warn!("told to leave at once"),
        }
    }

    /// Resolves when nobody has connected for a while.
    async fn quiet(self, proxy: &ProxyHandle) {
        let begun = Instant::now();
        let (_, mut accepted) = proxy.connections();
        let mut since = begun;
        while since.elapsed() < QUIET || begun.elapsed() < self.minimum {
            sleep(LOOK).await;
            let (_, now) = proxy.connections();
            if now != accepted {
                (accepted, since) = (now, Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::pin::pin;

    use ferromesh_proto::yaml::bootstrap_from_yaml;
    use ferromesh_proxy::{Proxy, ProxySettings, SocketState};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A proxy that passes bytes on to `endpoint`, and where it listens.
    async fn relay(endpoint: SocketAddr) -> (ProxyHandle, SocketAddr) {
        let settings = ProxySettings {
            workers: 1,
            log: None,
            version: "test".to_owned(),
            node: None,
        };
        let (ip, port) = (endpoint.ip(), endpoint.port());
        let text = format!(
            "static_resources:
  listeners:
  - name: tcp
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: tcp
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: tcp
          cluster: backend
  clusters:
  - name: backend
    type: STATIC
    load_assignment: {{cluster_name: backend, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: {ip}, port_value: {port}}}}}}}}}]}}]}}
"
        );
        let proxy = Proxy::start(settings).expect("started");
        let bootstrap = bootstrap_from_yaml(&text).expect("valid");
        proxy.apply_bootstrap(bootstrap).expect("supported");
        let mut config = proxy.config();
        loop {
            let sockets = proxy.sockets();
            if let Some((_, _, SocketState::Listening(address))) = sockets.first() {
                return (proxy.clone(), *address);
            }
            // The sockets follow the published config.
            let _ = tokio::time::timeout(LOOK, config.changed()).await;
        }
    }

    #[tokio::test]
    async fn a_process_without_limit_stays_until_its_last_connection_has_ended() {
        let endpoint = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let (proxy, address) = relay(endpoint.local_addr().expect("bound")).await;
        let mut client = TcpStream::connect(address).await.expect("connected");
        let (mut server, _) = endpoint.accept().await.expect("relayed");
        let leaving = Leaving::without_limit(Duration::ZERO);
        let mut leaving = pin!(leaving.leave(&proxy, None));
        tokio::select! {
            () = &mut leaving => panic!("left with an open connection"),
            () = nobody_listens(&proxy) => {}
        }
        client.write_all(b"late").await.expect("open");
        let mut late = [0; 4];
        tokio::select! {
            () = &mut leaving => panic!("left with an open connection"),
            read = server.read_exact(&mut late) => assert_eq!(read.expect("relayed"), 4),
        }
        drop((client, server));
        leaving.await;
    }

    async fn nobody_listens(proxy: &ProxyHandle) {
        let listens = || {
            let sockets = proxy.sockets();
            let mut states = sockets.iter().map(|(_, _, state)| state);
            states.any(|state| matches!(state, SocketState::Listening(_)))
        };
        while listens() {
            sleep(LOOK).await;
        }
    }
}
