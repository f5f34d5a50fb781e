//! The profile of `meshproxy`: which way its branches go under the benchmark's load, counted once and kept
//! in the repository, so that every build of what is shipped is the same and needs no load.
//!
//! Counts are found again by the names of functions. Names contain what the crate is made of: the
//! compiler, and the versions and features of all crates below it. That is kept beside the counts, and
//! where it differs, the build says so. A function whose body changed since loses its own counts only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::build::found;
use crate::{bench, setup, shell};

/// The counts.
const COUNTS: &str = "bench/profile/meshproxy.profdata";
/// What the counted program was made of: a line per piece.
const MADE_OF: &str = "bench/profile/made-of.txt";

/// Builds `meshproxy` with the kept counts and returns its path.
pub fn apply() -> anyhow::Result<PathBuf> {
    let counts = found(&shell::root().join(COUNTS))?;
    if let Some(difference) = difference()? {
        println!("the profile does not fit, so that the program will be slower: {difference}");
        println!("`cargo xtask dist --train` makes another");
    }
    println!("building meshproxy with its profile (some minutes)");
    let flag = format!("-Cprofile-use={}", counts.display());
    build(&shell::target().join("shipped"), &flag)
}

/// Counts anew, under the benchmark's load.
pub fn train() -> anyhow::Result<()> {
    let merge = profdata()?;
    let folder = shell::target().join("profiled");
    let counts = folder.join("counts");
    // Counts of another build do not fit this one.
    let _ = std::fs::remove_dir_all(&counts);
    std::fs::create_dir_all(&counts)?;
    let counts = counts.canonicalize()?;
    println!("building meshproxy with counters (some minutes)");
    let flag = format!("-Cprofile-generate={}", counts.display());
    let counting = build(&folder.join("counting"), &flag)?;
    println!("serving the benchmark's load");
    bench::train(&counting)?;
    keep(&merge, &counts)?;
    let made_of = made_of()?.into_iter().collect::<Vec<_>>().join("\n");
    std::fs::write(shell::root().join(MADE_OF), made_of + "\n")?;
    println!("written to {COUNTS}");
    Ok(())
}

/// Builds with `flag` for the host's triple, so that build scripts are spared the flag. Names of
/// functions differ between Cargo's profiles: counting and applying use the same one.
fn build(target: &Path, flag: &str) -> anyhow::Result<PathBuf> {
    let host = host()?;
    let mut cargo = shell::cargo();
    cargo
        .args(["build", "--quiet", "--package", "ferromesh-meshproxy"])
        .args(["--profile", "dist", "--target", &host, "--target-dir"])
        .arg(target)
        .env("RUSTFLAGS", flag);
    shell::run(&mut cargo)?;
    found(&target.join(host).join("dist").join("meshproxy"))
}

/// Merges the counts of all processes into the kept ones, without functions that never ran.
fn keep(merge: &Path, counts: &Path) -> anyhow::Result<()> {
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
    let kept = shell::root().join(COUNTS);
    std::fs::create_dir_all(kept.parent().context("the counts are in a folder")?)?;
    let mut command = Command::new(merge);
    command.args(["merge", "--sparse", "-o"]).arg(kept);
    shell::run(command.args(files))
}

/// What this build is made of and the counted one was not, or the other way round.
fn difference() -> anyhow::Result<Option<String>> {
    let path = shell::root().join(MADE_OF);
    let kept = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let kept = kept.lines().map(str::to_owned).collect();
    Ok(compare(&kept, &made_of()?))
}

/// The pieces that differ; the first three by name.
fn compare(kept: &BTreeSet<String>, present: &BTreeSet<String>) -> Option<String> {
    let new = present.difference(kept).map(|piece| format!("now {piece}"));
    let gone = kept
        .difference(present)
        .map(|piece| format!("counted with {piece}"));
    let all: Vec<String> = new.chain(gone).collect();
    let more = match all.len() {
        0 => return None,
        count @ ..=3 => return Some(all[..count].join(", ")),
        count => count - 3,
    };
    Some(format!("{}, and {more} more", all[..3].join(", ")))
}

/// The compiler, and each crate below `meshproxy` with its version and features.
fn made_of() -> anyhow::Result<BTreeSet<String>> {
    let mut cargo = shell::cargo();
    cargo
        .args(["tree", "--package", "ferromesh-meshproxy", "--locked"])
        .args(["--edges", "normal,build", "--prefix", "none"])
        .args(["--target", &host()?, "--format", "{p}|{f}"]);
    let crates = shell::output(&mut cargo)?;
    let mut pieces: BTreeSet<String> = crates.lines().map(piece).collect();
    let compiler = shell::output(Command::new("rustc").arg("--version"))?;
    pieces.insert(compiler.trim().to_owned());
    Ok(pieces)
}

/// A crate, from Cargo's line: without the folder that it is in, and without remarks.
fn piece(line: &str) -> String {
    let (package, features) = line.split_once('|').unwrap_or((line, ""));
    let package: Vec<&str> = package.split(' ').take(2).collect();
    let features = features.trim_end_matches("(*)").trim();
    format!("{} {features}", package.join(" "))
        .trim_end()
        .to_owned()
}

/// The triple of this machine.
fn host() -> anyhow::Result<String> {
    let said = shell::output(Command::new("rustc").arg("-vV"))?;
    let line = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc does not name its host")?.to_owned())
}

/// The program that merges counts: rustup's component `llvm-tools`, of the compiler's own version.
fn profdata() -> anyhow::Result<PathBuf> {
    let said = shell::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let tools = Path::new(said.trim()).join("lib/rustlib").join(host()?);
    let program = tools.join("bin/llvm-profdata");
    if !program.exists() {
        setup::llvm_tools()?;
    }
    if !program.exists() {
        bail!("no {}: install the component llvm-tools", program.display());
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pieces: &[&str]) -> BTreeSet<String> {
        pieces.iter().map(|piece| (*piece).to_owned()).collect()
    }

    #[test]
    fn a_crate_is_named_without_its_folder() {
        let line = "ferromesh-http v0.1.0 (/home/of/somebody)|default,tls (*)";
        assert_eq!(piece(line), "ferromesh-http v0.1.0 default,tls");
        assert_eq!(piece("bytes v1.0.0|"), "bytes v1.0.0");
        assert_eq!(
            piece("serde_derive v1.0.0 (proc-macro)|"),
            "serde_derive v1.0.0"
        );
    }

    #[test]
    fn what_differs_is_named() {
        let kept = set(&["a v1", "b v1", "rustc 1"]);
        assert_eq!(compare(&kept, &kept), None);
        let other = set(&["a v2", "b v1", "rustc 1"]);
        let said = compare(&kept, &other).unwrap_or_default();
        assert_eq!(said, "now a v2, counted with a v1");
        let other = set(&["a v2", "b v2", "rustc 2"]);
        let said = compare(&kept, &other).unwrap_or_default();
        assert_eq!(said, "now a v2, now b v2, now rustc 2, and 3 more");
    }
}
