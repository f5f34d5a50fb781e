//! `cargo xtask bench instructions`: user-space instructions per request, counted by callgrind and
//! held against `bench/budgets.toml`. The count hardly differs between runs and machines.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use super::case::{CASES, Case};
use super::load::http_requests;
use super::peer::{self, Peer};
use super::setup::{self, Bench};
use crate::build::Measured;
use crate::shell;

/// Requests before the counted ones, which fill pools, buffers and tables.
const WARM_UP: u64 = 500;
/// Requests that are counted.
const COUNTED: u64 = 3000;

/// What is counted: the case that sets the proxy up, and the budget's name.
const COUNTS: [(&str, &str); 2] = [
    ("http1-64B", "http1_instructions_per_request"),
    ("h2-1x100", "http2_instructions_per_stream"),
];

/// Settings of `cargo xtask bench instructions`.
#[derive(clap::Args)]
pub struct Settings {
    /// Count this program instead of building one.
    #[arg(long)]
    program: Option<PathBuf>,
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    crate::setup::bench()?;
    crate::setup::callgrind()?;
    let measured = match &settings.program {
        Some(program) => Measured::Program(program.clone()),
        None => Measured::Profile("release".to_owned()),
    };
    let bench = setup::prepare(&measured)?;
    let (mut passed, mut failed) = (0, 0);
    println!("user-space instructions per request; some 20 seconds each");
    for (case, budget) in COUNTS {
        let case = CASES.iter().find(|known| known.name == case);
        let case = case.context("a case of this name")?;
        let (counted, most) = (count(&bench, case)?, limit(budget)?);
        let verdict = if counted <= most {
            passed += 1;
            "within the budget of"
        } else {
            failed += 1;
            "OVER the budget of"
        };
        println!("{:<12} {counted:>8}  {verdict} {most}", case.name);
    }
    println!("{passed} passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} counts are over their budgets in bench/budgets.toml");
    }
    Ok(())
}

fn limit(name: &str) -> anyhow::Result<u64> {
    let file = shell::root().join("bench/budgets.toml");
    let text = std::fs::read_to_string(file)?;
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let line = lines.find(|(key, _)| key.trim() == name);
    let (_, value) = line.with_context(|| format!("bench/budgets.toml has no number {name}"))?;
    Ok(value.trim().parse()?)
}

fn count(bench: &Bench, case: &Case) -> anyhow::Result<u64> {
    let counts = bench.folder.join("callgrind");
    for old in dumps(&bench.folder)? {
        std::fs::remove_file(old)?;
    }
    let file = format!("--callgrind-out-file={}", counts.display());
    let program = bench.meshproxy.display().to_string();
    let command = ["valgrind", "--tool=callgrind", &file, &program];
    let serving = peer::start_command(bench, Peer::Ferromesh, &command, case)?;
    let process = serving.first_process().context("a process")?.to_string();
    let control =
        |word: &str| shell::output(Command::new("callgrind_control").args([word, &process]));
    http_requests(case, serving.port, WARM_UP)?;
    control("--zero")?;
    http_requests(case, serving.port, COUNTED)?;
    control("--dump")?;
    let dumps = dumps(&bench.folder)?;
    let [dump] = dumps.as_slice() else {
        bail!("callgrind wrote {} files, not one", dumps.len());
    };
    let text = std::fs::read_to_string(dump)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: u64 = total.context("callgrind wrote no total")?.trim().parse()?;
    Ok(total / COUNTED)
}

/// What callgrind wrote while it ran: numbered files.
fn dumps(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("callgrind.") {
            found.push(path);
        }
    }
    Ok(found)
}
