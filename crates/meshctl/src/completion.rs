//! `meshctl completion`.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::{Cli, CompletionArgs};
use crate::output::write_out;

/// Prints the script.
pub(crate) fn run(arguments: &CompletionArgs) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "meshctl", &mut script);
    write_out(&String::from_utf8_lossy(&script));
    Ok(ExitCode::SUCCESS)
}
