//! `meshctl sandbox …`: one file per command.

mod down;
mod exec;
mod list;
mod logs;
mod progress;
pub(crate) mod status;
mod up;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use ferromesh_sandbox::control;
use ferromesh_sandbox::names::SandboxName;
use ferromesh_sandbox::state_dir::StateDir;
use ferromesh_sandbox::supervisor::StatusReport;

use crate::block_on;
use crate::cli::{SandboxCommand, Which};

/// How often, and in which distance, a sandbox that does not answer is looked at.
const LOOKS: usize = 100;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs one of the commands.
pub(crate) fn run(command: SandboxCommand) -> anyhow::Result<ExitCode> {
    match command {
        SandboxCommand::Up(arguments) => up::run(arguments),
        SandboxCommand::Status(arguments) => block_on(status::run(arguments)),
        SandboxCommand::Exec(arguments) => exec::run(&arguments),
        SandboxCommand::Logs(arguments) => block_on(logs::run(arguments)),
        SandboxCommand::Down(arguments) => block_on(down::run(arguments)),
        SandboxCommand::List(arguments) => list::run(&arguments),
    }
}

/// The directory of the sandbox that the user means.
pub(crate) fn state_of(which: &Which) -> anyhow::Result<(SandboxName, StateDir)> {
    let name = SandboxName::parse(&which.name)?;
    let state = StateDir::new(&which.state_dir, &name);
    Ok((name, state))
}

/// Asks the running sandbox how it stands.
pub(crate) async fn ask_status(which: &Which) -> anyhow::Result<StatusReport> {
    let (name, state) = state_of(which)?;
    need_access(state.root())?;
    if !state.is_running() {
        bail!("no sandbox {name} is running; see `meshctl sandbox list`");
    }
    Ok(control::status(&state.control_socket()).await?)
}

/// A directory that only root may enter looks as if it were not there.
fn need_access(dir: &Path) -> anyhow::Result<()> {
    match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            bail!("sandboxes belong to root: run this with sudo")
        }
        _ => Ok(()),
    }
}

/// Whether the sandbox runs. One that was killed a moment ago may still be on its way out: it holds
/// its lock and answers nothing.
pub(crate) async fn is_running(state: &StateDir) -> bool {
    for _ in 0..LOOKS {
        if !state.is_running() {
            return false;
        }
        if control::status(&state.control_socket()).await.is_ok() {
            return true;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}
