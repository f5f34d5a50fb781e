//! Checks the property of `ferromesh_fuzz::property` for many configs: `fuzz-property --help`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ferromesh_fuzz::property::{Broken, Config, EnvoyCheck, check};

const HELP: &str = "\
usage: fuzz-property [--configs N] [--seed S] [--envoy PROGRAM] [--folder DIR]
       fuzz-property --show NUMBER
Config number I of seed S has the number S * 1000000 + I; --show prints it as YAML.";

struct Settings {
    configs: u64,
    seed: u64,
    envoy: Option<PathBuf>,
    folder: PathBuf,
}

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}\n{HELP}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<String>) -> Result<bool, String> {
    let mut settings = Settings {
        configs: 300,
        seed: 1,
        envoy: None,
        folder: std::env::temp_dir().join("ferromesh-property"),
    };
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{word}: {value:?} is no number"))
        };
        match word.as_str() {
            "--configs" => settings.configs = number()?,
            "--seed" => settings.seed = number()?,
            "--envoy" => settings.envoy = Some(value.into()),
            "--folder" => settings.folder = value.into(),
            "--show" => {
                println!("{}", Config::generate(number()?).text());
                return Ok(true);
            }
            _ => return Err(format!("unknown option {word}")),
        }
    }
    property(&settings)
}

/// Different reasons that are printed; more of them tell nothing new.
const SHOWN: usize = 30;

fn property(settings: &Settings) -> Result<bool, String> {
    let mut envoy = EnvoyCheck::new(settings.envoy.clone(), settings.folder.clone());
    let (mut objects, mut accepted, mut failed) = (0, 0, Vec::new());
    let mut told = Instant::now();
    for index in 0..settings.configs {
        let config = Config::generate(settings.seed * 1_000_000 + index);
        objects += config.documents.len();
        accepted += config.accepted();
        failed.extend(check(&config, &mut envoy));
        envoy.look()?;
        failed.extend(envoy.take_broken());
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            println!(
                "{} of {} configs, {} failed",
                index + 1,
                settings.configs,
                failed.len()
            );
        }
    }
    envoy.finish()?;
    failed.extend(envoy.take_broken());
    print(&failed);
    println!("{objects} objects, {accepted} accepted by validation");
    let by_envoy = match settings.envoy {
        Some(_) => format!(
            "{} different resources looked at by Envoy",
            envoy.resources()
        ),
        None => "no Envoy to look at them".to_owned(),
    };
    println!("{by_envoy}");
    let mut numbers: Vec<u64> = failed.iter().map(|each| each.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let bad = numbers.len() as u64;
    println!("{} passed, {bad} failed", settings.configs - bad);
    Ok(bad == 0)
}

fn print(failed: &[Broken]) {
    let mut reasons: Vec<&str> = Vec::new();
    for broken in failed {
        if reasons.len() < SHOWN && !reasons.contains(&broken.reason.as_str()) {
            reasons.push(&broken.reason);
            println!(
                "config {}: {}: {}",
                broken.number, broken.who, broken.reason
            );
        }
    }
}
