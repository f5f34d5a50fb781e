//! The targets under libFuzzer, one after the other, and a table of what came of them.
//!
//! Everything is below `target/fuzz`: `corpus/TARGET`, the inputs of failures in `artifacts`, what
//! libFuzzer printed in `logs`.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

use super::{Settings, folder, manifest};
use crate::shell;

/// What one target came to.
#[derive(Default)]
struct Outcome {
    target: String,
    seconds: u64,
    runs: u64,
    /// Inputs that are kept.
    corpus: u64,
    /// Counters that some input reached, and all there are.
    covered: u64,
    counters: u64,
    failed: bool,
}

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let program = instrumented()?;
    let targets = match &settings.target {
        Some(target) => vec![target.clone()],
        None => {
            let listed = shell::output(&mut Command::new(&program))?;
            listed.lines().map(str::to_owned).collect()
        }
    };
    let mut outcomes = Vec::new();
    for target in &targets {
        if targets.len() > 1 {
            println!("{target}");
        }
        outcomes.push(one(&program, target, targets.len() == 1, settings)?);
    }
    print_table(&outcomes);
    let failed = outcomes.iter().filter(|outcome| outcome.failed).count();
    if failed > 0 {
        let folder = folder().join("artifacts");
        bail!(
            "{failed} of {} targets failed; the inputs are in {}",
            targets.len(),
            folder.display()
        );
    }
    Ok(())
}

/// Builds the program, in a folder of its own: the same crates are compiled differently.
/// `fuzz/instrument.sh` chooses what gets coverage counters.
fn instrumented() -> anyhow::Result<PathBuf> {
    println!("building the fuzz targets for libFuzzer");
    let mut cargo = shell::cargo();
    cargo
        .env("RUSTC_WRAPPER", shell::root().join("fuzz/instrument.sh"))
        .env("CARGO_INCREMENTAL", "0")
        .args(["build", "--quiet", "--no-default-features"])
        .args(["--features", "libfuzzer", "--bin", "fuzz-libfuzzer"])
        .arg("--manifest-path")
        .arg(manifest())
        .arg("--target-dir")
        .arg(folder());
    shell::run(&mut cargo)?;
    Ok(folder().join("debug/fuzz-libfuzzer"))
}

fn one(program: &Path, target: &str, loud: bool, settings: &Settings) -> anyhow::Result<Outcome> {
    let corpus = made(folder().join("corpus").join(target))?;
    let artifacts = made(folder().join("artifacts"))?;
    let words = made(folder().join("words"))?.join(target);
    let mut command = Command::new(program);
    command.env("FERROMESH_FUZZ_TARGET", target);
    command.env("FERROMESH_FUZZ_SEEDS", &corpus);
    command.env("FERROMESH_FUZZ_WORDS", &words);
    let limit = match settings.runs {
        Some(runs) => format!("-runs={runs}"),
        None => format!("-max_total_time={}", settings.seconds.unwrap_or(60)),
    };
    command.arg(limit).arg(&corpus);
    command.arg(format!("-dict={}", words.display()));
    command.arg(format!(
        "-artifact_prefix={}/{target}-",
        artifacts.display()
    ));
    // Seconds: more than a busy machine needs for any input, so that it is a loop without end.
    command.args(["-timeout=300", "-rss_limit_mb=2048"]);
    command.arg("-print_final_stats=1");
    let log = made(folder().join("logs"))?.join(format!("{target}.log"));
    watch(&mut command, target, loud, &log)
}

fn made(folder: PathBuf) -> anyhow::Result<PathBuf> {
    let failed = || format!("cannot make {}", folder.display());
    std::fs::create_dir_all(&folder).with_context(failed)?;
    Ok(folder)
}

/// Runs libFuzzer and reads what it says.
fn watch(command: &mut Command, target: &str, loud: bool, log: &Path) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let mut log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start fuzz-libfuzzer")?;
    let stderr = child.stderr.take().expect("it is piped");
    let mut outcome = Outcome {
        target: target.to_owned(),
        ..Outcome::default()
    };
    for line in BufReader::new(stderr).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        writeln!(log, "{line}")?;
        if loud {
            println!("{line}");
        }
        outcome.read(&line);
    }
    outcome.failed = !child.wait()?.success();
    outcome.seconds = began.elapsed().as_secs();
    Ok(outcome)
}

impl Outcome {
    /// Takes up a line like `#4096 pulse cov: 77 ft: 90 corp: 15/80b lim: 43 exec/s: 2048`, or
    /// `INFO: Loaded 1 modules   (1234 inline 8-bit counters): ...`.
    fn read(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            let digits = words.get(at + 1)?.split('/').next()?;
            digits.parse::<u64>().ok()
        };
        if let Some(runs) = line.strip_prefix('#') {
            let digits = runs.split(|c: char| !c.is_ascii_digit()).next();
            self.runs = digits.and_then(|it| it.parse().ok()).unwrap_or(self.runs);
            self.covered = after("cov:").unwrap_or(self.covered);
            self.corpus = after("corp:").unwrap_or(self.corpus);
        } else if let Some(runs) = after("stat::number_of_executed_units:") {
            self.runs = runs;
        } else if let Some((_, counters)) = line.split_once(" modules ") {
            let digits = counters.trim_start().trim_start_matches('(');
            let digits = digits.split(' ').next().unwrap_or_default();
            self.counters = digits.parse().unwrap_or(self.counters);
        }
    }
}

fn print_table(outcomes: &[Outcome]) {
    println!(
        "{:<23}{:>8}{:>12}{:>9}{:>8}{:>16}  result",
        "target", "seconds", "runs", "runs/s", "corpus", "counters"
    );
    for outcome in outcomes {
        let rate = outcome.runs / outcome.seconds.max(1);
        let covered = format!("{} of {}", outcome.covered, outcome.counters);
        let result = if outcome.failed { "FAILED" } else { "passed" };
        println!(
            "{:<23}{:>8}{:>12}{rate:>9}{:>8}{covered:>16}  {result}",
            outcome.target, outcome.seconds, outcome.runs, outcome.corpus
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_is_read() {
        let mut outcome = Outcome::default();
        for line in [
            "INFO: Loaded 1 modules   (81234 inline 8-bit counters): 81234 [0x1, 0x2), ",
            "INFO: -max_len is not provided; libFuzzer will not generate inputs larger than 4096",
            "#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 30Mb",
            "#524288\tpulse  cov: 512 ft: 99 corp: 44/1205b lim: 4096 exec/s: 262144 rss: 99Mb",
            "stat::number_of_executed_units: 600000",
        ] {
            outcome.read(line);
        }
        let read = (outcome.runs, outcome.corpus, outcome.covered);
        assert_eq!((read, outcome.counters), ((600_000, 44, 512), 81_234));
    }
}
