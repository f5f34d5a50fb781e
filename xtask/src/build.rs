//! Building the product's programs.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context;

use crate::shell;

/// The packages whose programs make a running mesh.
const PRODUCT: [&str; 4] = [
    "ferromesh-meshd",
    "ferromesh-meshproxy",
    "ferromesh-meshctl",
    "ferromesh-apps",
];

/// The folder of the optimised programs, once they are built: steps of one run share them.
static RELEASE: OnceLock<PathBuf> = OnceLock::new();

/// Builds the optimised programs and returns their folder.
pub fn release() -> anyhow::Result<PathBuf> {
    if let Some(folder) = RELEASE.get() {
        return Ok(folder.clone());
    }
    println!("building meshd, meshproxy, meshctl and the sample applications (release)");
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--quiet"]);
    for package in PRODUCT {
        cargo.args(["--package", package]);
    }
    shell::run(&mut cargo)?;
    let folder = shell::target().join("release");
    let folder = folder
        .canonicalize()
        .with_context(|| format!("no folder {}", folder.display()))?;
    Ok(RELEASE.get_or_init(|| folder).clone())
}

/// Builds the proxy as `cargo build` makes it, and returns its path: for checks of what it does, not
/// of how fast. Where this process has built the optimised programs already, those serve.
pub fn meshproxy() -> anyhow::Result<PathBuf> {
    if let Some(folder) = RELEASE.get() {
        return Ok(folder.join("meshproxy"));
    }
    let mut cargo = shell::cargo();
    shell::run(cargo.args(["build", "--quiet", "--package", "ferromesh-meshproxy"]))?;
    Ok(shell::target().join("debug/meshproxy"))
}

/// Builds the optimised programs and returns the proxy's path: for checks of how it fares under load.
pub fn release_meshproxy() -> anyhow::Result<PathBuf> {
    Ok(release()?.join("meshproxy"))
}

/// The program or folder that was given; without, what `build` makes.
pub fn given_or(
    given: Option<&Path>,
    build: impl FnOnce() -> anyhow::Result<PathBuf>,
) -> anyhow::Result<PathBuf> {
    given.map_or_else(build, |given| Ok(given.to_owned()))
}

/// Which build of our proxy is measured.
#[derive(Clone, Debug)]
pub enum Measured {
    /// Built with this Cargo profile.
    Profile(String),
    /// A program that is there.
    Program(PathBuf),
}

/// Builds what `cargo xtask bench proxy` measures, and the drivers around it. Returns the proxy and
/// the drivers' program.
pub fn measured(measured: &Measured) -> anyhow::Result<(PathBuf, PathBuf)> {
    let built = |profile: &str, package: &str, program: &str| {
        println!("building {program} ({profile})");
        let arguments = [
            "build",
            "--quiet",
            "--profile",
            profile,
            "--package",
            package,
        ];
        shell::run(shell::cargo().args(arguments))?;
        found(&shell::target().join(profile).join(program))
    };
    let proxy = match measured {
        Measured::Profile(profile) => built(profile, "ferromesh-meshproxy", "meshproxy")?,
        Measured::Program(program) => found(program)?,
    };
    let driver = built("release", "ferromesh-bench", "ferromesh-bench")?;
    Ok((proxy, driver))
}

/// The whole path of a program that has to be there.
pub fn found(program: &Path) -> anyhow::Result<PathBuf> {
    let missing = || format!("no file {}", program.display());
    program.canonicalize().with_context(missing)
}
