//! `sidecar` and `router`: agent and data plane together.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use ferromesh_agent::settings::{Arguments, DataPlane, Role, Settings};
use ferromesh_telemetry::{LogFormat, LogHandle, init_logging};

use crate::command_line::{ProxyOptions, ProxyRole};
use crate::{own, stock};

pub(crate) fn run_as(role: &ProxyRole) -> anyhow::Result<()> {
    match role {
        ProxyRole::Sidecar(options) => run_sidecar(options),
        ProxyRole::Router(options) => run_router(options),
    }
}

pub(crate) fn run_sidecar(options: &ProxyOptions) -> anyhow::Result<()> {
    run(Role::Sidecar, options)
}

pub(crate) fn run_router(options: &ProxyOptions) -> anyhow::Result<()> {
    run(Role::Router, options)
}

fn run(role: Role, options: &ProxyOptions) -> anyhow::Result<()> {
    let log = start_log(options)?;
    let arguments = Arguments {
        domain: options.domain.clone(),
        concurrency: options.concurrency,
        log_level: Some(options.proxy_log_level.clone()),
        component_log_level: Some(options.proxy_component_log_level.clone()),
        data_plane: options.data_plane.clone(),
        envoy_path: options.envoy_path.clone(),
    };
    let mut variables: std::collections::BTreeMap<String, String> = std::env::vars().collect();
    if let Some(path) = &options.outlier_log_path {
        variables.insert("ISTIO_META_OUTLIER_LOG_PATH".to_owned(), path.clone());
    }
    let settings = Arc::new(Settings::read(role, &arguments, variables)?);
    // Control work only: traffic has threads of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the control runtime")?;
    match settings.data_plane.clone() {
        DataPlane::Own => runtime.block_on(own::run(settings, log, options)),
        DataPlane::Envoy { .. } if options.hot_upgrade => {
            bail!(
                "--hot-upgrade is of our own data plane; a stock Envoy has hot restarts of its own"
            )
        }
        DataPlane::Envoy { path } => runtime.block_on(stock::run(settings, &path)),
    }
}

fn start_log(options: &ProxyOptions) -> anyhow::Result<LogHandle> {
    let filter = match std::env::var("FERROMESH_LOG") {
        Ok(filter) if !filter.is_empty() => filter,
        _ => filter(&options.log_output_level, &options.proxy_log_level),
    };
    let format = if options.log_as_json {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    init_logging(&filter, format).context("setting up the log")
}

/// From the two flags: scopes of the agent, and the level of the data plane.
pub(crate) fn filter(agent: &str, proxy: &str) -> String {
    let mut default = "info";
    let mut scopes = Vec::new();
    for part in agent.split(',').filter(|part| !part.is_empty()) {
        match part.split_once(':') {
            Some(("default" | "all", level)) => default = level_name(level),
            Some((scope, level)) => {
                scopes.push(format!("ferromesh_agent::{}={}", scope, level_name(level)));
            }
            None => default = level_name(part),
        }
    }
    let mut filter = format!("{default},ferromesh_proxy={}", level_name(proxy));
    for scope in scopes {
        filter.push(',');
        filter.push_str(&scope);
    }
    filter
}

/// Envoy's and Istio's names for levels.
pub(crate) fn level_name(level: &str) -> &str {
    match level {
        "warning" => "warn",
        "critical" | "fatal" => "error",
        "none" => "off",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn both_flags_become_one_filter() {
        assert_eq!(
            filter("default:info", "warning"),
            "info,ferromesh_proxy=warn"
        );
        assert_eq!(
            filter("default:none,dns:debug", "critical"),
            "off,ferromesh_proxy=error,ferromesh_agent::dns=debug"
        );
    }
}
