//! A proxy in the process of the test, from a static bootstrap to a listening socket.

use std::net::SocketAddr;
use std::time::Duration;

use ferromesh_proto::yaml::bootstrap_from_yaml;
use ferromesh_proxy::{Proxy, ProxyHandle, ProxySettings, SocketState};

/// One worker, and nothing to tell of itself.
pub(crate) fn settings() -> ProxySettings {
    ProxySettings {
        workers: 1,
        log: None,
        version: "test".to_owned(),
        node: None,
    }
}

/// A proxy with this bootstrap.
pub(crate) fn started(yaml: &str) -> ProxyHandle {
    let proxy = Proxy::start(settings()).expect("started");
    let bootstrap = bootstrap_from_yaml(yaml).expect("valid");
    proxy.apply_bootstrap(bootstrap).expect("supported");
    proxy
}

/// The address of a listener, once it has a socket.
pub(crate) async fn listening(proxy: &ProxyHandle, listener: &str) -> SocketAddr {
    let mut config = proxy.config();
    loop {
        for (name, _, state) in proxy.sockets() {
            match state {
                _ if name.as_str() != listener => {}
                SocketState::Listening(address) => return address,
                SocketState::Failed(reason) => panic!("{listener} has no socket: {reason}"),
            }
        }
        // The sockets follow the published config.
        let _ = tokio::time::timeout(Duration::from_millis(20), config.changed()).await;
    }
}
