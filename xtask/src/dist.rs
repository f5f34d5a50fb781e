//! `cargo xtask dist`: the programs as they are shipped.
//!
//! `meshproxy` is inlined across crates, with a profile, so that what every request needs lies
//! together. `meshd` and `meshctl` have no such path.

use crate::{profile, shell};

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
    /// Make the profile anew first, under the benchmark's load; it is a file to commit.
    #[arg(long)]
    train: bool,
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    if settings.train {
        profile::train()?;
    }
    let proxy = profile::apply()?;
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
