//! Fuzzing: a short deterministic run (here), or libFuzzer (`libfuzzer`).
//!
//! The targets and both front ends are the workspace in `fuzz/`. What libFuzzer finds interesting
//! stays below `target/fuzz`; only small seeds are committed.

mod libfuzzer;

use std::path::PathBuf;
use std::process::Command;

use crate::shell;

/// Settings of `cargo xtask fuzz`.
#[derive(clap::Args)]
#[command(after_help = "\
Without options, each target runs on mutated seeds, 60 s for all of them together. The input of a
failure is kept below target/fuzz/artifacts, and run again with --input. Put it into
fuzz/seeds/TARGET once it is fixed: seeds always run first.

With --libfuzzer, inputs follow from what was covered before. Each target in turn runs for
--seconds, or until its first failure; a table at the end says what came of it. What was found
interesting stays in target/fuzz/corpus and is begun with the next time, so that the time of
several runs adds up. Needs a C++ compiler; any Rust toolchain that builds the rest will do.")]
pub struct Settings {
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
    /// How long: for all targets together, with --libfuzzer for each. [default: 60]
    #[arg(long, conflicts_with = "runs")]
    seconds: Option<u64>,
    /// How many inputs for each target, instead of a time.
    #[arg(long)]
    runs: Option<u64>,
    /// Number that the inputs follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run one input and nothing else; needs --target.
    #[arg(long, requires = "target")]
    input: Option<PathBuf>,
    /// Guided by coverage: for hours, not for minutes.
    #[arg(long)]
    libfuzzer: bool,
    /// Name the targets and what they check.
    #[arg(long)]
    list: bool,
}

impl Settings {
    /// What `cargo xtask test` runs.
    pub fn check() -> Self {
        Self {
            target: None,
            seconds: Some(60),
            runs: None,
            seed: 1,
            input: None,
            libfuzzer: false,
            list: false,
        }
    }
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    if settings.libfuzzer {
        return libfuzzer::run(settings);
    }
    let mut command = smoke_command()?;
    if settings.list {
        return shell::run(command.arg("--list"));
    }
    if let Some(target) = &settings.target {
        command.args(["--target", target]);
    }
    if let Some(input) = &settings.input {
        return shell::run(command.arg("--input").arg(input));
    }
    match settings.runs {
        Some(runs) => command.args(["--runs", &runs.to_string()]),
        None => command.args(["--seconds", &settings.seconds.unwrap_or(60).to_string()]),
    };
    shell::run(command.args(["--seed", &settings.seed.to_string()]))
}

fn smoke_command() -> anyhow::Result<Command> {
    let mut command = program("fuzz-smoke")?;
    command.arg("--artifacts").arg(folder().join("artifacts"));
    Ok(command)
}

/// A program of the `fuzz` workspace, built for the stable toolchain. It shares the folder of the
/// main workspace, and with it what both need of other people's crates.
pub fn program(name: &str) -> anyhow::Result<Command> {
    println!("building the fuzz targets");
    let mut cargo = shell::cargo();
    let arguments = ["build", "--quiet", "--bins", "--manifest-path"];
    cargo.args(arguments).arg(manifest()).arg("--target-dir");
    shell::run(cargo.arg(shell::target()))?;
    Ok(Command::new(shell::target().join("debug").join(name)))
}

fn manifest() -> PathBuf {
    shell::root().join("fuzz/Cargo.toml")
}

fn folder() -> PathBuf {
    shell::target().join("fuzz")
}
