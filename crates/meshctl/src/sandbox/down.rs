//! `meshctl sandbox down`: ends a running sandbox, or removes what a killed one left.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use ferromesh_sandbox::control;
use ferromesh_sandbox::supervisor::{SandboxError, clean_up};
use tokio::time::Instant;

use super::{LOOK_EVERY, is_running, state_of};
use crate::cli::DownArgs;
use crate::output::Output;

/// How long a sandbox that has ended its pods may take to go.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// Ends the sandbox.
pub(super) async fn run(arguments: DownArgs) -> anyhow::Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!(SandboxError::NotRoot);
    }
    let (name, state) = state_of(&arguments.which)?;
    if is_running(&state).await {
        let stopped = control::stop(&state.control_socket()).await;
        let deadline = Instant::now() + GONE_WITHIN;
        while state.is_running() {
            if Instant::now() > deadline {
                // The answer, if it was an error, says more than that it is still there.
                stopped?;
                let log = state.log();
                bail!("sandbox {name} does not go; see {}", log.display());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
    // Also after an orderly end: nothing may be left, whatever happened.
    clean_up(&arguments.which.state_dir, &name).await?;
    Output::line(&format!("sandbox {name} is gone"));
    Ok(ExitCode::SUCCESS)
}
