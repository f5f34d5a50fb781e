//! `-c` and `--config-yaml`: a static Envoy bootstrap, without an agent.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use ferromesh_net::release_freed_memory_when_calm;
use ferromesh_proto::envoy::config::bootstrap::v3::Bootstrap;
use ferromesh_proto::yaml;
use ferromesh_proxy::{Proxy, ProxySettings};
use ferromesh_runtime::{Supervisor, terminated_or_interrupted};
use ferromesh_telemetry::{LogFormat, LogHandle, init_logging};

use crate::command_line::StaticOptions;
use crate::leave::Leaving;
use crate::own::serve_admin;
use crate::proxy_command::level_name;
use crate::upgrade::Upgrade;

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
    tasks.spawn("freed memory", release_freed_memory_when_calm());
    let limit = Duration::from_secs(options.upgrade.parent_shutdown_time_s);
    let mut upgrade = Upgrade::begin(options.hot_upgrade.as_deref(), limit).await?;
    let settings = ProxySettings {
        workers: options.concurrency as usize,
        log: Some(log),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        node: None,
    };
    let proxy = Proxy::start_on(settings, upgrade.shelf().clone())?;
    let settings = proxy
        .apply_bootstrap(bootstrap)
        .context("the configuration")?;
    if let Some(address) = &settings.admin {
        let address = address
            .ip()
            .context("admin.address: a Unix socket is not supported")?;
        serve_admin(&proxy, address, &tasks, upgrade.shelf())?;
    }
    if let Some(ads) = settings.ads {
        let following = proxy.clone();
        tasks.spawn("discovery", async move {
            following.run_bootstrap_ads(&ads).await;
            Err::<(), _>("the discovery client ended")
        });
    }
    let leaving = Leaving::within(Duration::from_secs(options.drain_time_s));
    let replaced = tokio::select! {
        signal = terminated_or_interrupted() => { signal?; None }
        () = proxy.quit_requested() => None,
        failure = supervisor.failed() => return Err(anyhow!(failure)),
        replaced = upgrade.run(&proxy) => Some(replaced?),
    };
    leaving.leave(&proxy, replaced).await;
    Ok(())
}
