//! The aggregated stream of a bootstrap: a gRPC connection to the control plane through one of the
//! bootstrap's own clusters.
//!
//! In a mesh the agent holds the stream instead, with its token and its own settings.

use std::io;
use std::sync::Arc;

use ferromesh_net::{ConnectSettings, connect, proxy_header};
use ferromesh_xds::Variant;
use ferromesh_xds::client::{AdsClient, AdsClientSettings};
use ferromesh_xds::transport::client::BoxedStream;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::bootstrap::AdsSettings;
use crate::cluster::PickContext;
use crate::compiled::Cluster;
use crate::proxy::ProxyHandle;

/// Commands and events in flight between the stream and the compiler.
const QUEUE: usize = 64;

impl ProxyHandle {
    /// Follows the aggregated stream of a bootstrap. Runs until the process ends.
    pub async fn run_bootstrap_ads(&self, ads: &AdsSettings) {
        let authority = if ads.authority.is_empty() {
            ads.cluster.to_string()
        } else {
            ads.authority.to_string()
        };
        let node = self.node().unwrap_or_default();
        let mut settings = AdsClientSettings::new(node, authority);
        settings.variant = if ads.delta {
            Variant::Delta
        } else {
            Variant::StateOfTheWorld
        };
        let proxy = self.clone();
        let cluster = ads.cluster.clone();
        let connector =
            move || -> futures_util::future::BoxFuture<'static, io::Result<BoxedStream>> {
                let (proxy, cluster) = (proxy.clone(), cluster.clone());
                Box::pin(async move { proxy.connect_cluster(&cluster).await })
            };
        let (command_sender, commands) = mpsc::channel(QUEUE);
        let (event_sender, events) = mpsc::channel(QUEUE);
        let no_headers = Arc::new(|| Ok(http::HeaderMap::new()));
        let client = AdsClient::new(settings, Arc::new(connector), no_headers);
        tokio::join!(
            client.run(commands, event_sender),
            self.run_xds(events, command_sender),
        );
    }

    /// Opens a byte stream to an endpoint of a cluster.
    async fn connect_cluster(&self, name: &str) -> io::Result<BoxedStream> {
        let config = self.config().current();
        let cluster = config
            .cluster(name)
            .cloned()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no cluster {name}")))?;
        let opening = open(&cluster);
        match tokio::time::timeout(cluster.connect_timeout, opening).await {
            Ok(stream) => stream,
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "cluster {name}: no connection within {:?}",
                    cluster.connect_timeout
                ),
            )),
        }
    }
}

async fn open(cluster: &Cluster) -> io::Result<BoxedStream> {
    let mut random = fastrand::Rng::new();
    let endpoint = cluster.pick(&mut PickContext::new(&mut random));
    let endpoint = endpoint.ok_or_else(|| {
        let reason = format!("cluster {} has no endpoint", cluster.name);
        io::Error::new(io::ErrorKind::NotConnected, reason)
    })?;
    let stream = connect(&endpoint.address, &ConnectSettings::default()).await?;
    let mut stream = stream;
    if let Some(version) = endpoint.transport.proxy_header() {
        stream.write_all(&proxy_header(version, None)).await?;
    }
    match endpoint.transport.tls() {
        None => Ok(Box::new(stream)),
        Some(tls) => {
            let secured = tls.client.connect(stream, None, None).await;
            Ok(Box::new(secured.map_err(io::Error::other)?))
        }
    }
}
