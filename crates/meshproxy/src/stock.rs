//! The agent with a stock Envoy.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use ferromesh_agent::Agent;
use ferromesh_agent::envoy::{EnvoyControl, EnvoyProcess};
use ferromesh_agent::settings::Settings;
use ferromesh_net::{SocketShelf, release_freed_memory_when_calm};
use ferromesh_runtime::{Supervisor, terminated_or_interrupted};
use ferromesh_tls::SecretStore;
use tracing::info;

pub(crate) async fn run(settings: Arc<Settings>, binary: &Path) -> anyhow::Result<()> {
    let mut supervisor = Supervisor::new();
    let tasks = supervisor.handle();
    tasks.spawn("freed memory", release_freed_memory_when_calm());
    let secrets = SecretStore::new();
    let agent = Agent::start(Arc::clone(&settings), secrets, tasks, SocketShelf::new())?;
    agent.serve_envoy()?;
    let control = Arc::new(EnvoyControl::new(settings.admin_port()));
    let quit = agent.serve_status(control, false)?;
    let mut envoy = EnvoyProcess::start(binary, &settings)?;
    tokio::select! {
        signal = terminated_or_interrupted() => signal?,
        () = quit.notified() => {}
        ended = envoy.ended() => return Err(ended.into()),
        failure = supervisor.failed() => return Err(anyhow!(failure)),
    }
    info!("leaving: draining first");
    envoy.shut_down(&settings).await;
    Ok(())
}
