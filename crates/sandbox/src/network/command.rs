//! Running the system's network tools.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A tool that failed or could not be run.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The tool is not installed.
    #[error("{program} cannot be run: {reason}; install it (Debian packages iproute2, iptables)")]
    Missing {
        /// The program.
        program: String,
        /// Why.
        reason: String,
    },
    /// The tool said no.
    #[error("`{command}` failed: {message}")]
    Failed {
        /// What was run.
        command: String,
        /// What it printed.
        message: String,
    },
}

/// Runs `program` with `args` and `input`; returns what it printed.
///
/// # Errors
/// When it cannot be run or ends with an error.
pub async fn run(program: &str, args: &[&str], input: &str) -> Result<String, CommandError> {
    let missing = |error: std::io::Error| CommandError::Missing {
        program: program.to_owned(),
        reason: error.to_string(),
    };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A user's own path may lack the directories of the system's tools.
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .kill_on_drop(true)
        .spawn()
        .map_err(missing)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that ends early tells why on its standard error.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(missing)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    Err(CommandError::Failed {
        command: format!("{program} {}", args.join(" ")),
        message: printed.trim().replace('\n', "; "),
    })
}

/// Runs lines of `ip` commands in one process, in the network namespace `netns` if given.
pub(super) async fn ip_batch(netns: Option<&str>, lines: &[String]) -> Result<(), CommandError> {
    let mut args = Vec::new();
    if let Some(netns) = netns {
        args.extend(["-n", netns]);
    }
    args.extend(["-batch", "-"]);
    run("ip", &args, &(lines.join("\n") + "\n")).await.map(drop)
}
