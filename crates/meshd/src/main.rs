//! `meshd`: the control plane of Ferromesh.
//!
//! In: directories of YAML. Out: xDS for proxies, certificates for workloads, pages for people.
//!
//! | module | concern |
//! |---|---|
//! | `settings` | flags and environment |
//! | `wire` | putting the process together |
//! | `control_plane` | what all parts share |
//! | `push` | from a change to bytes on streams |
//! | `xds` | streams: who is it, may it |
//! | `certs` | the authority and its service |
//! | `debug`, `metrics` | pages |
//! | `listen` | ports |

mod certs;
mod control_plane;
mod debug;
mod listen;
mod metrics;
mod push;
mod settings;
mod wire;
mod xds;

use std::process::ExitCode;

use clap::Parser;
use ferromesh_telemetry::{LogFormat, init_logging};

use settings::{Cli, Command, Discovery, Settings};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last word of a process that fails")]
            {
                eprintln!("meshd: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Version => {
            #[expect(clippy::print_stdout, reason = "this is what was asked for")]
            {
                println!("meshd {}", env!("CARGO_PKG_VERSION"));
            }
            Ok(())
        }
        Command::Discovery(flags) => discovery(*flags),
    }
}

fn discovery(flags: Discovery) -> anyhow::Result<()> {
    let format = if flags.log_as_json {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    let _log = init_logging(&flags.log, format)?;
    let settings = Settings::new(flags, &|name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let ports = wire::Ports::open(&settings.addresses).await?;
        let stop = ferromesh_runtime::terminated_or_interrupted();
        Box::pin(wire::run(settings, ports, stop)).await
    })
}
