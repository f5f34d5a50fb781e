//! The command line: sandbox, config and analysis.
//!
//! One file per command; this one only tells them apart. Exit codes: 0 all well, 1 something
//! failed, 2 wrong usage, 79 the analysis found errors (as `istioctl analyze`).

mod analyze;
mod cli;
mod completion;
mod convert;
mod objects;
mod output;
mod pod_exec;
mod sandbox;
mod version;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::output::Output;

fn main() -> ExitCode {
    // Inside a pod the program must stay with one thread, and start fast.
    if let Some(code) = pod_exec::run_if_asked(std::env::args_os().skip(1)) {
        return code;
    }
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            Output::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Sandbox(command) => sandbox::run(command),
        Command::Apply(arguments) => objects::apply(&arguments),
        Command::Delete(arguments) => objects::delete(&arguments),
        Command::Get(arguments) => objects::get(&arguments),
        Command::Analyze(arguments) => analyze::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Version(arguments) => version::run(&arguments),
        Command::Completion(arguments) => completion::run(&arguments),
    }
}

/// A runtime for the commands that talk to a sandbox.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(work)
}
