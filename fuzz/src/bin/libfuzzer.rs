//! The targets for libFuzzer: `FERROMESH_FUZZ_TARGET` names the one to run.
//!
//! Seeds go to the folder that `FERROMESH_FUZZ_SEEDS` names, words to the file of
//! `FERROMESH_FUZZ_WORDS`; both before libFuzzer looks there. Without a target, all are listed.

#![no_main]

use std::io::{Error, Result};
use std::path::Path;
use std::sync::OnceLock;

use ferromesh_fuzz::{TARGETS, Target};

static CHOSEN: OnceLock<&'static Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(init: begin(), |bytes: &[u8]| {
    let target = CHOSEN.get().expect("libFuzzer initializes first");
    (target.run)(bytes);
});

fn begin() {
    let Some(name) = std::env::var_os("FERROMESH_FUZZ_TARGET") else {
        for target in TARGETS {
            println!("{}", target.name);
        }
        std::process::exit(0);
    };
    match prepared(&name.to_string_lossy()) {
        Ok(target) => CHOSEN.set(target).expect("libFuzzer initializes once"),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(2);
        }
    }
}

fn prepared(name: &str) -> Result<&'static Target> {
    let missing = || Error::other(format!("no target {name:?}; see `cargo xtask fuzz --list`"));
    let target = ferromesh_fuzz::find(name).ok_or_else(missing)?;
    if let Some(folder) = std::env::var_os("FERROMESH_FUZZ_SEEDS") {
        for (number, seed) in target.all_seeds()?.iter().enumerate() {
            std::fs::write(Path::new(&folder).join(format!("seed-{number:03}")), seed)?;
        }
    }
    if let Some(file) = std::env::var_os("FERROMESH_FUZZ_WORDS") {
        std::fs::write(file, target.dictionary())?;
    }
    Ok(target)
}
