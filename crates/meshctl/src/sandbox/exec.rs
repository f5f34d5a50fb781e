//! `meshctl sandbox exec`: a command in a container, with the container's files, network,
//! environment and user.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, anyhow, bail};
use ferromesh_sandbox::launch::POD_COMMAND;
use ferromesh_sandbox::pod::ContainerStatus;
use ferromesh_sandbox::supervisor::PodReportRow;

use super::ask_status;
use crate::block_on;
use crate::cli::ExecArgs;

/// Runs the command and passes its exit code on.
pub(super) fn run(arguments: &ExecArgs) -> anyhow::Result<ExitCode> {
    let report = block_on(ask_status(&arguments.which))?;
    let pod = report
        .find_pod(&arguments.pod)
        .map_err(|reason| anyhow!(reason))?;
    let container = container_of(pod, arguments.container.as_deref())?;
    let name = &container.name;
    let pid = container
        .pid
        .ok_or_else(|| anyhow!("container {name} is not running"))?;
    let plan: PathBuf = pod.dir.join(format!("{name}.plan"));
    let program = std::env::current_exe().context("cannot find our own program")?;
    // A process of its own: only one with a single thread can change its mount namespace.
    let status = Command::new(program)
        .args([POD_COMMAND, "attach"])
        .arg(plan)
        .arg(pid.to_string())
        .arg("--")
        .args(&arguments.command)
        .status()
        .context("cannot start the command")?;
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    let code = status
        .code()
        .or_else(|| signal.map(|signal| 128 + signal))
        .unwrap_or(1);
    Ok(ExitCode::from(code as u8))
}

/// The container that is meant: the named one, else the first that is no sidecar.
pub(super) fn container_of<'a>(
    pod: &'a PodReportRow,
    name: Option<&str>,
) -> anyhow::Result<&'a ContainerStatus> {
    let found = match name {
        Some(name) => pod
            .containers
            .iter()
            .find(|container| container.name == name),
        None => pod
            .containers
            .iter()
            .filter(|container| !container.init)
            .min_by_key(|container| container.name == "istio-proxy"),
    };
    let names = || {
        let names: Vec<_> = pod.containers.iter().map(|c| c.name.as_str()).collect();
        names.join(", ")
    };
    match found {
        Some(container) => Ok(container),
        None => bail!(
            "pod {} has no such container; it has: {}",
            pod.name,
            names()
        ),
    }
}
