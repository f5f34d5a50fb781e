//! `meshctl analyze`: what is wrong with config files.

use std::process::ExitCode;

use anyhow::bail;
use ferromesh_config::{Problem, Severity};
use ferromesh_ingest::load_paths;

use crate::cli::{AnalyzeArgs, Level};
use crate::output::{Output, Tone};

/// The exit code of `istioctl analyze` when it found something.
const FOUND: u8 = 79;

/// Prints the problems.
pub(crate) fn run(arguments: &AnalyzeArgs) -> anyhow::Result<ExitCode> {
    if let Some(missing) = arguments.paths.iter().find(|path| !path.exists()) {
        bail!("{} does not exist", missing.display());
    }
    let loaded = load_paths(&arguments.paths);
    let at_least = |level: Level| move |problem: &&Problem| severity(problem) >= level;
    let shown: Vec<&Problem> = loaded
        .problems
        .iter()
        .filter(at_least(arguments.output_threshold))
        .collect();
    let output = Output::new();
    if !Output::machine(arguments.output, &shown)? {
        for problem in &shown {
            let (tone, word) = match problem.severity {
                Severity::Error => (Tone::Bad, "Error"),
                Severity::Warning => (Tone::Doubtful, "Warning"),
                Severity::Info => (Tone::Quiet, "Info"),
            };
            let word = output.tone(tone, &format!("{word} [{}]", problem.code));
            Output::line(&format!("{word} {problem}"));
        }
        if shown.is_empty() {
            let count = loaded.objects.len();
            Output::line(&output.tone(Tone::Good, &format!("{count} objects, no problems found")));
        }
    }
    let failed = loaded
        .problems
        .iter()
        .any(|p| at_least(arguments.failure_threshold)(&p));
    Ok(if failed {
        ExitCode::from(FOUND)
    } else {
        ExitCode::SUCCESS
    })
}

fn severity(problem: &Problem) -> Level {
    match problem.severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
        Severity::Info => Level::Info,
    }
}
