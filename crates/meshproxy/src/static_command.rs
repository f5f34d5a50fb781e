//! `-c` and `--config-yaml`: a static Envoy bootstrap, without an agent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use ferromesh_proto::envoy::config::bootstrap::v3::Bootstrap;
use ferromesh_proto::envoy::config::cluster::v3::Cluster;
use ferromesh_proto::envoy::config::core::v3::address::Address;
use ferromesh_proto::envoy::config::core::v3::socket_address::PortSpecifier;
use ferromesh_proto::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use ferromesh_proto::yaml;
use ferromesh_proxy::bootstrap::{AdsSettings, BootstrapSettings};
use ferromesh_proxy::{Proxy, ProxyHandle, ProxySettings};
use ferromesh_runtime::{Supervisor, SupervisorHandle, terminated_or_interrupted};
use ferromesh_telemetry::{LogFormat, LogHandle, init_logging};
use ferromesh_xds::Variant;
use ferromesh_xds::client::{AdsClient, AdsClientSettings};
use ferromesh_xds::transport::client::{BoxedStream, Connector};
use futures_util::FutureExt as _;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tracing::info;

use crate::command_line::StaticOptions;
use crate::own::{leave, serve_admin};
use crate::proxy_command::level_name;

/// Commands and events that may wait.
const WAITING: usize = 64;

pub(crate) fn run(options: &StaticOptions) -> anyhow::Result<()> {
    let filter = match std::env::var("FERROMESH_LOG") {
        Ok(filter) if !filter.is_empty() => filter,
        _ => level_name(&options.log_level).to_owned(),
    };
    let log = init_logging(&filter, LogFormat::Text)?;
    let bootstrap = read(options)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the control runtime")?;
    runtime.block_on(serve(bootstrap, options, log))
}

fn read(options: &StaticOptions) -> anyhow::Result<Bootstrap> {
    let overlay = options.config_yaml.as_deref();
    let Some(path) = &options.config_path else {
        let text = overlay.context("give a configuration with -c FILE or --config-yaml YAML")?;
        return yaml::bootstrap_from_yaml(text).context("--config-yaml");
    };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {name}"))?;
    match overlay {
        Some(overlay) => yaml::merged_bootstrap(&text, overlay),
        None => yaml::bootstrap_from_yaml(&text),
    }
    .context(name)
}

async fn serve(
    bootstrap: Bootstrap,
    options: &StaticOptions,
    log: LogHandle,
) -> anyhow::Result<()> {
    let mut supervisor = Supervisor::new();
    let tasks = supervisor.handle();
    let proxy = Proxy::start(ProxySettings {
        workers: options.concurrency as usize,
        log: Some(log),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: None,
    })?;
    let kept = bootstrap.clone();
    let settings = proxy
        .apply_bootstrap(bootstrap)
        .context("the configuration")?;
    if let Some(address) = &settings.admin {
        let address = address
            .ip()
            .context("admin.address: a Unix socket is not supported")?;
        serve_admin(&proxy, address, &tasks).await?;
    }
    if let Some(ads) = &settings.ads {
        follow(&proxy, &kept, &settings, ads, &tasks)?;
    }
    info!("running a static configuration");
    tokio::select! {
        signal = terminated_or_interrupted() => signal?,
        () = proxy.quit_requested() => {}
        failure = supervisor.failed() => return Err(anyhow!(failure)),
    }
    leave(&proxy, Duration::from_secs(options.drain_time_s)).await;
    Ok(())
}

/// Follows the control plane that the bootstrap names.
fn follow(
    proxy: &ProxyHandle,
    bootstrap: &Bootstrap,
    settings: &BootstrapSettings,
    ads: &AdsSettings,
    tasks: &SupervisorHandle,
) -> anyhow::Result<()> {
    let name = ads.cluster.as_str();
    let clusters = bootstrap
        .static_resources
        .iter()
        .flat_map(|resources| &resources.clusters);
    let cluster = clusters
        .into_iter()
        .find(|cluster| cluster.name == name)
        .with_context(|| {
            format!("dynamic_resources.ads_config names the cluster {name:?}, which is not static")
        })?;
    let connector = connector(cluster).with_context(|| format!("cluster {name:?}"))?;
    let authority = if ads.authority.is_empty() {
        name
    } else {
        ads.authority.as_str()
    };
    let node = settings.node.clone().unwrap_or_default();
    let mut client_settings = AdsClientSettings::new(node, authority);
    if !ads.delta {
        client_settings.variant = Variant::StateOfTheWorld;
    }
    let client = AdsClient::new(
        client_settings,
        connector,
        Arc::new(|| Ok(http::HeaderMap::new())),
    );
    let (commands, client_commands) = mpsc::channel(WAITING);
    let (client_events, events) = mpsc::channel(WAITING);
    tokio::spawn(client.run(client_commands, client_events));
    let proxy = proxy.clone();
    tasks.spawn("discovery", async move {
        proxy.run_xds(events, commands).await;
        Err::<(), _>("the discovery client ended")
    });
    Ok(())
}

/// Connects to the first endpoint of a static cluster.
fn connector(cluster: &Cluster) -> anyhow::Result<Arc<dyn Connector>> {
    if cluster.transport_socket.is_some() {
        bail!(
            "transport_socket: TLS to the control plane of a static bootstrap is not supported; \
             run `meshproxy sidecar` or `meshproxy router` instead"
        );
    }
    let endpoints = cluster
        .load_assignment
        .iter()
        .flat_map(|assignment| &assignment.endpoints);
    let identifiers = endpoints
        .flat_map(|locality| &locality.lb_endpoints)
        .filter_map(|endpoint| endpoint.host_identifier.as_ref());
    let mut addresses = identifiers.filter_map(|identifier| match identifier {
        HostIdentifier::Endpoint(endpoint) => endpoint.address.as_ref()?.address.clone(),
        HostIdentifier::EndpointName(_) => None,
    });
    match addresses.next() {
        Some(Address::SocketAddress(socket)) => {
            let Some(PortSpecifier::PortValue(port)) = socket.port_specifier else {
                bail!("the endpoint's address needs a port_value");
            };
            let port = u16::try_from(port).context("the endpoint's port_value")?;
            let host = socket.address;
            Ok(Arc::new(move || {
                let host = host.clone();
                async move {
                    let stream = TcpStream::connect((host.as_str(), port)).await?;
                    stream.set_nodelay(true)?;
                    Ok::<_, io::Error>(Box::new(stream) as BoxedStream)
                }
                .boxed()
            }))
        }
        Some(Address::Pipe(pipe)) => Ok(Arc::new(move || {
            let path = pipe.path.clone();
            async move { Ok(Box::new(UnixStream::connect(path).await?) as BoxedStream) }.boxed()
        })),
        _ => bail!("load_assignment: the control plane needs one endpoint with an address"),
    }
}
