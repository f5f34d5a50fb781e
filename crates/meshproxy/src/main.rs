//! The data plane and its agent in one process.
//!
//! Wiring only: the command line chooses what runs. `sidecar` and `router` start the agent with our
//! own data plane or a stock Envoy; `-c` runs a static configuration without an agent.

mod command_line;
mod leave;
mod own;
mod probe_commands;
mod proxy_command;
mod redirection;
mod static_command;
mod stock;
mod upgrade;

use std::process::ExitCode;

use clap::Parser as _;
use command_line::{Command, CommandLine};

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    match run(command_line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may not be set up yet; this is the last thing that the process says.
            #[allow(clippy::print_stderr)]
            {
                eprintln!("meshproxy: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command_line: CommandLine) -> anyhow::Result<()> {
    match command_line.command {
        None => static_command::run(&command_line.fixed),
        Some(Command::Sidecar(options)) => proxy_command::run_sidecar(&options),
        Some(Command::Router(options)) => proxy_command::run_router(&options),
        Some(Command::Proxy { role }) => proxy_command::run_as(&role),
        Some(Command::IstioIptables(options)) => redirection::run(&options),
        Some(Command::Request(options)) => probe_commands::request(&options),
        Some(Command::Wait(options)) => probe_commands::wait(&options),
        Some(Command::Version) => probe_commands::version(),
    }
}
