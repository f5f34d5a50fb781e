//! Runs the targets on mutated seeds for a while: `fuzz-smoke --help`.
//!
//! Deterministic for a given `--seed` and `--runs`. The input of a failure is written to a file,
//! and `fuzz-smoke --target T --input FILE` runs it again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ferromesh_fuzz::{Mutator, Random, TARGETS, Target};

const HELP: &str = "\
usage: fuzz-smoke [--target NAME] [--seconds N | --runs N] [--seed N] [--artifacts DIR]
       fuzz-smoke --target NAME --input FILE
       fuzz-smoke --list
--seconds is shared by the targets; --runs is for each of them.";

/// How long one input may take before it counts as a failure (a debug build on a busy machine).
const SLOW: Duration = Duration::from_secs(10);

struct Settings {
    targets: Vec<&'static Target>,
    limit: Limit,
    seed: u64,
    artifacts: PathBuf,
}

#[derive(Clone, Copy)]
enum Limit {
    Time(Duration),
    Runs(u64),
}

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("error: {message}\n{HELP}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<String>) -> Result<ExitCode, String> {
    let mut settings = Settings {
        targets: TARGETS.iter().collect(),
        limit: Limit::Time(Duration::from_secs(60)),
        seed: 1,
        artifacts: PathBuf::from("artifacts"),
    };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--list" {
            for target in TARGETS {
                println!("{:<23}{}", target.name, target.about);
            }
            return Ok(ExitCode::SUCCESS);
        }
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{word}: {value:?} is no number"))
        };
        match word.as_str() {
            "--target" => {
                let found = ferromesh_fuzz::find(&value);
                settings.targets = vec![found.ok_or_else(|| format!("no target {value:?}"))?];
            }
            "--seconds" => settings.limit = Limit::Time(Duration::from_secs(number()?)),
            "--runs" => settings.limit = Limit::Runs(number()?),
            "--seed" => settings.seed = number()?,
            "--artifacts" => settings.artifacts = value.into(),
            "--input" => {
                let bytes = std::fs::read(&value).map_err(|error| format!("{value}: {error}"))?;
                settings
                    .targets
                    .iter()
                    .for_each(|target| (target.run)(&bytes));
                return Ok(ExitCode::SUCCESS);
            }
            _ => return Err(format!("unknown option {word}")),
        }
    }
    Ok(smoke(&settings))
}

fn smoke(settings: &Settings) -> ExitCode {
    println!("{:<23}{:>10}{:>8}  result", "target", "runs", "seconds");
    let (mut passed, mut failed) = (0, 0);
    for target in &settings.targets {
        let began = Instant::now();
        let limit = match settings.limit {
            Limit::Time(all) => Limit::Time(all / settings.targets.len() as u32),
            runs @ Limit::Runs(_) => runs,
        };
        let (runs, result) = one(target, limit, settings);
        let told = match &result {
            Ok(()) => "passed".to_owned(),
            Err(why) => format!("FAILED: {why}"),
        };
        let seconds = began.elapsed().as_secs_f64();
        println!("{:<23}{runs:>10}{seconds:>8.1}  {told}", target.name);
        if result.is_ok() {
            passed += 1
        } else {
            failed += 1
        }
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

fn one(target: &Target, limit: Limit, settings: &Settings) -> (u64, Result<(), String>) {
    let seeds = match target.all_seeds() {
        Ok(seeds) => seeds,
        Err(why) => return (0, Err(why.to_string())),
    };
    let began = Instant::now();
    let mut runs = 0;
    // First as they are: seeds of old failures are regression tests.
    for seed in &seeds {
        runs += 1;
        if let Err(why) = attempt(target, seed, settings) {
            return (runs, Err(why));
        }
    }
    let mut mutator = Mutator::new(Random::new(settings.seed), &seeds, target.words);
    while match limit {
        Limit::Time(limit) => began.elapsed() < limit,
        Limit::Runs(limit) => runs < limit,
    } {
        runs += 1;
        if let Err(why) = attempt(target, &mutator.input(), settings) {
            return (runs, Err(why));
        }
    }
    (runs, Ok(()))
}

fn attempt(target: &Target, input: &[u8], settings: &Settings) -> Result<(), String> {
    let began = Instant::now();
    // The panic's own message with its place is on standard error.
    let panicked = std::panic::catch_unwind(|| (target.run)(input)).is_err();
    let slow = began.elapsed() > SLOW;
    if !panicked && !slow {
        return Ok(());
    }
    let file = settings.artifacts.join(format!("{}-failure", target.name));
    let written = std::fs::create_dir_all(&settings.artifacts)
        .and_then(|()| std::fs::write(&file, input))
        .map_or_else(
            |error| format!("not written: {error}"),
            |()| file.display().to_string(),
        );
    let what = if slow {
        "too slow"
    } else {
        "an invariant broke"
    };
    Err(format!(
        "{what}; the input ({} bytes) is {written}",
        input.len()
    ))
}
