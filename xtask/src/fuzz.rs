//! Fuzzing: a short deterministic run on the stable toolchain, or libFuzzer on a nightly one.
//!
//! The targets and both front ends are the workspace in `fuzz/`. What libFuzzer finds interesting
//! stays below `target/fuzz`; only small seeds are committed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::shell;

/// Settings of `cargo xtask fuzz`.
#[derive(clap::Args)]
#[command(after_help = "\
Without options, each target runs on mutated seeds, 60 s for all of them together. The input of a
failure is kept below target/fuzz/artifacts, and run again with --input. Put it into
fuzz/seeds/TARGET once it is fixed: seeds always run first.")]
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
    /// Guided by coverage, with address checks; needs a nightly toolchain.
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
        return libfuzzer(settings);
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

/// What `cargo fuzz` gives the compiler: coverage counters and traced comparisons for libFuzzer.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing -Zsanitizer=address -Ccodegen-units=16";

fn libfuzzer(settings: &Settings) -> anyhow::Result<()> {
    let Some(target) = &settings.target else {
        bail!("--libfuzzer runs one target: name it with --target (see --list)");
    };
    let program = instrumented()?;
    let corpus = folder().join("corpus").join(target);
    let artifacts = folder().join("artifacts");
    for path in [&corpus, &artifacts] {
        let failed = || format!("cannot make {}", path.display());
        std::fs::create_dir_all(path).with_context(failed)?;
    }
    let mut seeds = smoke_command()?;
    seeds.args(["--target", target, "--write-seeds"]);
    shell::run(seeds.arg(&corpus))?;
    let prefix = format!("-artifact_prefix={}/{target}-", artifacts.display());
    let mut command = Command::new(program);
    command.env("FERROMESH_FUZZ_TARGET", target).arg(&corpus);
    command.args([prefix.as_str(), "-timeout=10", "-rss_limit_mb=2048"]);
    match settings.runs {
        Some(runs) => command.arg(format!("-runs={runs}")),
        None => command.arg(format!(
            "-max_total_time={}",
            settings.seconds.unwrap_or(60)
        )),
    };
    shell::run(command.arg("-print_final_stats=1"))
}

/// Builds the program for libFuzzer, in a folder of its own: everything is compiled differently.
fn instrumented() -> anyhow::Result<PathBuf> {
    let host = host()?;
    println!("building the fuzz targets with instrumentation");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(shell::root())
        // What the outer cargo says about its own toolchain is not for the inner one.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env("RUSTFLAGS", INSTRUMENTATION)
        .args(["+nightly", "build", "--quiet", "--release", "--features"])
        .args(["libfuzzer", "--bin", "fuzz-libfuzzer", "--target", &host])
        .args(["--manifest-path".as_ref(), manifest().as_os_str()])
        .args(["--target-dir".as_ref(), folder().as_os_str()]);
    shell::run(&mut cargo)
        .context("libFuzzer needs a nightly toolchain: rustup toolchain install nightly")?;
    Ok(program_of(&folder(), &host))
}

fn program_of(folder: &Path, host: &str) -> PathBuf {
    folder.join(host).join("release/fuzz-libfuzzer")
}

/// The triple of this machine. Naming it keeps the instrumentation away from build scripts.
fn host() -> anyhow::Result<String> {
    let told = shell::output(Command::new("rustc").arg("-vV"))?;
    let line = told.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc -vV names no host")?.to_owned())
}
