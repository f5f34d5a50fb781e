//! Test programs that are written in Go, built into the target folder.

use std::path::PathBuf;
use std::process::Command;

use anyhow::bail;

use crate::{setup, shell};

/// The program that `package` (with its version) makes, built unless it was before. `None`, with a
/// line that says so, where there is no Go; under `CI=true` that is a failure.
pub fn program(package: &str) -> anyhow::Result<Option<PathBuf>> {
    let (path, version) = package.split_once('@').unwrap_or((package, "latest"));
    let name = path.rsplit('/').next().unwrap_or(path);
    let folder = format!("tools/{name}-{version}");
    let folder = shell::target().join(folder);
    let program = folder.join(name);
    if program.is_file() {
        return Ok(Some(program));
    }
    if setup::find("go").is_none() {
        let message = format!("{package} needs Go (https://go.dev/dl), which is not there");
        if shell::is_ci() {
            bail!(message);
        }
        println!("{message}; nothing was run");
        return Ok(None);
    }
    println!("building {package} into {}", folder.display());
    std::fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    shell::run(
        Command::new("go")
            .args(["install", package])
            .env("GOBIN", &folder),
    )?;
    Ok(Some(program))
}
