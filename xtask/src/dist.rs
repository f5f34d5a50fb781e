//! `cargo xtask dist`: the programs as they are shipped.
//!
//! `meshproxy` is compiled twice: first so that it counts which way its branches go, under the load of
//! `cargo xtask bench proxy`; then, inlined across crates, with those counts, so that what every
//! request needs lies together. `meshd` and `meshctl` have no such path and are built once.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::build::found;
use crate::{bench, setup, shell};

/// The programs without a profile, with their packages.
const OTHERS: [(&str, &str); 2] = [
    ("ferromesh-meshd", "meshd"),
    ("ferromesh-meshctl", "meshctl"),
];

/// Settings of `cargo xtask dist`.
#[derive(clap::Args)]
pub struct Settings {
    /// Only `meshproxy`.
    #[arg(long)]
    proxy_only: bool,
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let proxy = meshproxy()?;
    println!("{}", proxy.display());
    if settings.proxy_only {
        return Ok(());
    }
    for (package, program) in OTHERS {
        println!("building {program}");
        let words = [
            "build",
            "--quiet",
            "--profile",
            "dist",
            "--package",
            package,
        ];
        shell::run(shell::cargo().args(words))?;
        println!("{}", shell::target().join("dist").join(program).display());
    }
    Ok(())
}

/// Builds `meshproxy` as it is shipped and returns its path.
pub fn meshproxy() -> anyhow::Result<PathBuf> {
    let host = host()?;
    let merge = profdata(&host)?;
    let folder = shell::target().join("profiled");
    let counts = folder.join("counts");
    // Counts of another build do not fit this one.
    let _ = std::fs::remove_dir_all(&counts);
    std::fs::create_dir_all(&counts)?;
    let counts = counts.canonicalize()?;
    println!("1 of 3: building meshproxy with counters (some minutes)");
    let generate = format!("-Cprofile-generate={}", counts.display());
    let counting = build(&host, &folder.join("counting"), &generate)?;
    println!("2 of 3: serving the benchmark's load");
    bench::train(&counting)?;
    let profile = merged(&merge, &counts)?;
    println!("3 of 3: building meshproxy with the profile (some minutes)");
    let apply = format!("-Cprofile-use={}", profile.display());
    build(&host, &folder.join("final"), &apply)
}

/// Builds with `flags` for the host's triple, so that build scripts are spared the flags. Counts are
/// found again by the names of functions, which differ between Cargo's profiles: both times the same.
fn build(host: &str, target: &Path, flags: &str) -> anyhow::Result<PathBuf> {
    let mut cargo = shell::cargo();
    cargo
        .args(["build", "--quiet", "--package", "ferromesh-meshproxy"])
        .args(["--profile", "dist", "--target", host, "--target-dir"])
        .arg(target)
        .env("RUSTFLAGS", flags);
    shell::run(&mut cargo)?;
    let program = target.join(host).join("dist").join("meshproxy");
    found(&program)
}

/// One profile out of the counts of all processes.
fn merged(merge: &Path, counts: &Path) -> anyhow::Result<PathBuf> {
    let entries = std::fs::read_dir(counts)?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|end| end == "profraw"));
    if files.is_empty() {
        bail!(
            "the proxy with counters wrote none into {}",
            counts.display()
        );
    }
    let profile = counts.join("meshproxy.profdata");
    let mut command = Command::new(merge);
    command.arg("merge").arg("-o").arg(&profile).args(files);
    shell::run(&mut command)?;
    Ok(profile)
}

/// The triple of this machine.
fn host() -> anyhow::Result<String> {
    let said = shell::output(Command::new("rustc").arg("-vV"))?;
    let line = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc does not name its host")?.to_owned())
}

/// The program that merges counts: rustup's component `llvm-tools`, of the compiler's own version.
fn profdata(host: &str) -> anyhow::Result<PathBuf> {
    let said = shell::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let tools = Path::new(said.trim()).join("lib/rustlib").join(host);
    let program = tools.join("bin/llvm-profdata");
    if !program.exists() {
        setup::llvm_tools()?;
    }
    if !program.exists() {
        bail!("no {}: install the component llvm-tools", program.display());
    }
    Ok(program)
}
