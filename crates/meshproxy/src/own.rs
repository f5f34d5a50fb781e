//! The agent and our own data plane in one process.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use ferromesh_agent::Agent;
use ferromesh_agent::data_plane::DataPlaneControl;
use ferromesh_agent::http_client::{Peer, request};
use ferromesh_agent::node::Node;
use ferromesh_agent::settings::Settings;
use ferromesh_agent::status::serve;
use ferromesh_net::{SocketShelf, release_freed_memory_when_calm};
use ferromesh_proxy::{Proxy, ProxyHandle, ProxySettings, ServerState};
use ferromesh_runtime::{Supervisor, SupervisorHandle, terminated_or_interrupted};
use ferromesh_telemetry::LogHandle;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tracing::info;

use crate::command_line::ProxyOptions;
use crate::leave::Leaving;
use crate::upgrade::Upgrade;

/// How long our own admin interface may take to list the metrics.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the node's description names as the program.
const USER_AGENT: &str = "ferromesh";

/// Runs until told to leave, then drains.
pub(crate) async fn run(
    settings: Arc<Settings>,
    log: LogHandle,
    options: &ProxyOptions,
) -> anyhow::Result<()> {
    let mut supervisor = Supervisor::new();
    let tasks = supervisor.handle();
    tasks.spawn("freed memory", release_freed_memory_when_calm());
    let meeting = settings.config_folder().join("hot-upgrade.sock");
    let limit = Duration::from_secs(options.upgrade.parent_shutdown_time_s);
    let meeting = options.hot_upgrade.then_some(meeting.as_path());
    let mut upgrade = Upgrade::begin(meeting, limit).await?;
    let proxy_settings = ProxySettings {
        workers: settings.concurrency as usize,
        log: Some(log),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: Some(Node::new(&settings.node).to_proto(USER_AGENT)),
    };
    let shelf = upgrade.shelf().clone();
    let proxy = Proxy::start_on(proxy_settings, shelf.clone())?;
    let secrets = proxy.secrets().clone();
    let agent = Agent::start(Arc::clone(&settings), secrets, tasks.clone(), shelf.clone())?;
    let admin = SocketAddr::from(([127, 0, 0, 1], settings.admin_port()));
    serve_admin(&proxy, admin, &tasks, &shelf)?;
    let control = Arc::new(OwnControl {
        proxy: proxy.clone(),
        admin_port: admin.port(),
    });
    let quit = agent.serve_status(control, true)?;

    let stream = agent.discover();
    let following = proxy.clone();
    tasks.spawn("discovery", async move {
        following.run_xds(stream.events, stream.commands).await;
        Err::<(), _>("the discovery client ended")
    });
    let leaving = if settings.exit_on_zero_connections {
        Leaving::without_limit(settings.minimum_drain)
    } else {
        Leaving::within(settings.termination_drain)
    };
    let replaced = tokio::select! {
        signal = terminated_or_interrupted() => { signal?; None }
        () = quit.notified() => None,
        () = proxy.quit_requested() => None,
        failure = supervisor.failed() => return Err(anyhow!(failure)),
        replaced = upgrade.run(&proxy) => Some(replaced?),
    };
    leaving.leave(&proxy, replaced).await;
    Ok(())
}

/// Serves the admin interface.
pub(crate) fn serve_admin(
    proxy: &ProxyHandle,
    address: SocketAddr,
    tasks: &SupervisorHandle,
    shelf: &SocketShelf,
) -> anyhow::Result<()> {
    let router = proxy.admin_router();
    let (bound, serving) =
        serve("admin", address, router, shelf).context("opening the admin interface")?;
    info!(address = %bound, "admin interface");
    tasks.spawn("admin", serving);
    Ok(())
}

/// The proxy in this process, as the agent's status server sees it.
struct OwnControl {
    proxy: ProxyHandle,
    admin_port: u16,
}

impl DataPlaneControl for OwnControl {
    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        let ready = match self.proxy.state() {
            ServerState::Live => Ok(()),
            ServerState::PreInitializing => {
                Err("waiting for configuration from the control plane".to_owned())
            }
            ServerState::Initializing => {
                Err("warming the first configuration: secrets or endpoints are missing".to_owned())
            }
            ServerState::Draining => Err("draining: about to leave".to_owned()),
        };
        std::future::ready(ready).boxed()
    }

    fn metrics(&self) -> BoxFuture<'_, Result<String, String>> {
        async {
            let peer = Peer::local(self.admin_port, SCRAPE_TIMEOUT);
            let answer = request(&peer, http::Method::GET, "/stats/prometheus").await;
            let answer = answer.map_err(|error| error.to_string())?;
            Ok(String::from_utf8_lossy(answer.body()).into_owned())
        }
        .boxed()
    }

    fn drain(&self) -> BoxFuture<'_, ()> {
        self.proxy.begin_drain();
        std::future::ready(()).boxed()
    }
}
