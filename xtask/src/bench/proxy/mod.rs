//! `cargo xtask bench proxy`: CPU time per request of our proxy and of others, in one run.
//!
//! The measured process has one core, load and upstream the other. The rounds are interleaved, so
//! that what else the machine does hits all alike; ratios are taken within a round. The figure is
//! the CPU time of the proxy's processes divided by the requests that were answered.

mod case;
mod envoy_config;
pub mod instructions;
mod load;
mod peer;
mod peer_config;
mod report;
mod setup;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ferromesh_bench::traffic::rate::Latencies;

use crate::build::Measured;
use crate::cores::Awake;
use crate::spread::Spread;
use crate::{profile, shell};
use case::{CASES, Case, Load};
use peer::{Peer, Serving};
use report::{Figures, Latency, Report, Row};
use setup::Bench;

/// Settings of `cargo xtask bench proxy`.
#[derive(clap::Args)]
pub struct Settings {
    /// Rounds per case; every peer is measured once in each.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of load per peer and round.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Only cases whose name contains this; may be repeated.
    #[arg(long)]
    case: Vec<String>,
    /// Only these peers.
    #[arg(long, value_enum, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// How our proxy is built: `shipped`, as by `cargo xtask dist`, or by a profile of Cargo; `release`
    /// is quicker to build, and slower.
    #[arg(long, default_value = SHIPPED)]
    profile: String,
    /// Measure this program as our proxy instead of building one.
    #[arg(long, conflicts_with = "profile")]
    program: Option<PathBuf>,
    /// Two short rounds: whether everything runs, no figures to quote.
    #[arg(long)]
    quick: bool,
}

/// The name of the build that `cargo xtask dist` makes, where profiles of Cargo are named.
const SHIPPED: &str = "shipped";

/// Serves the load of all cases with `program` and measures nothing.
pub fn train(program: &Path) -> anyhow::Result<()> {
    crate::setup::bench()?;
    let bench = setup::prepare(&Measured::Program(program.to_owned()))?;
    for case in &CASES {
        println!("  {}", case.name);
        let serving = peer::start(&bench, Peer::Ferromesh, &bench.meshproxy, case)?;
        load::cpu_micros(&bench, case, &serving, 2.0)
            .with_context(|| format!("case {}", case.name))?;
    }
    Ok(())
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    crate::setup::bench()?;
    let (rounds, seconds) = match settings.quick {
        true => (2, 1.0),
        false => (settings.rounds.max(1), settings.seconds),
    };
    let measured = match &settings.program {
        Some(program) => Measured::Program(program.clone()),
        None if settings.profile == SHIPPED => Measured::Program(profile::apply()?),
        None => Measured::Profile(settings.profile.clone()),
    };
    let bench = setup::prepare(&measured)?;
    println!("CPU µs per request (tcp-1MiB: per MiB) of the proxy's processes, {rounds} rounds");
    println!(
        "{:<14}{:>7} {:>8} {:>8}   {:>7} {:>7} {:>8} {:>8}",
        "", "min", "median", "max", "p50 ms", "p99 ms", "all p99", "RSS MiB"
    );
    let mut report = Report::default();
    let (mut met, mut missed) = (0, 0);
    for case in &CASES {
        let wanted = &settings.case;
        if !wanted.is_empty() && !wanted.iter().any(|part| case.name.contains(part.as_str())) {
            continue;
        }
        let row = measure(&bench, case, &settings.peers, rounds, seconds)
            .with_context(|| format!("case {}", case.name))?;
        let (ok, not) = report::print(case, &row);
        met += ok;
        missed += not;
        report.rows.push(row);
    }
    let file = shell::target().join("bench").join("proxy.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&report)?)?;
    println!("written to {}", file.display());
    println!("{met} targets met, {missed} missed");
    Ok(())
}

fn measure(
    bench: &Bench,
    case: &Case,
    only: &[Peer],
    rounds: usize,
    seconds: f64,
) -> anyhow::Result<Row> {
    let serving = start_all(bench, case, only)?;
    let mut micros: Vec<(Peer, Vec<f64>)> = Vec::new();
    for serving in &serving {
        // The first load fills pools and caches and is not counted.
        load::cpu_micros(bench, case, serving, 1.0)
            .with_context(|| serving.peer.name().to_owned())?;
        micros.push((serving.peer, Vec::new()));
    }
    let mut waits: Vec<Vec<Latencies>> = vec![Vec::new(); serving.len()];
    let mut direct = Vec::new();
    for _ in 0..rounds {
        for (serving, (_, micros)) in serving.iter().zip(&mut micros) {
            let value = load::cpu_micros(bench, case, serving, seconds);
            micros.push(value.with_context(|| serving.peer.name().to_owned())?);
        }
        let awake = matches!(case.load, Load::Wrk { .. }).then(|| Awake::keep_both(&bench.driver));
        let _awake = awake.transpose()?;
        for _ in 0..(seconds / PART).ceil() as u32 {
            for (serving, waits) in serving.iter().zip(&mut waits) {
                waits.extend(latency(bench, case, serving.port)?);
            }
            direct.extend(latency(bench, case, bench.upstream.http1)?);
        }
    }
    let mut peers = BTreeMap::new();
    for ((serving, (_, micros)), waits) in serving.iter().zip(&micros).zip(&waits) {
        let latency = Latency::of(waits);
        let rss_mib = if case.name == "http1-1000c" {
            load::idle_mib(bench, serving)?
        } else {
            serving.resident_mib()
        };
        let figures = Figures {
            cpu_us: Spread::of(micros.iter().copied()).context("no rounds")?,
            latency,
            rss_mib,
        };
        peers.insert(serving.peer.name(), figures);
    }
    Ok(Row {
        case: case.name,
        peers,
        ratios: report::ratios(&micros),
        direct: Latency::of(&direct),
    })
}

fn start_all(bench: &Bench, case: &Case, only: &[Peer]) -> anyhow::Result<Vec<Serving>> {
    let mut serving = Vec::new();
    for peer in case.peers.iter().copied() {
        if !only.is_empty() && !only.contains(&peer) {
            continue;
        }
        match peer.program(bench) {
            Some(program) => serving.push(peer::start(bench, peer, &program, case)?),
            None => println!(
                "{}: {} is not installed and left out",
                case.name,
                peer.name()
            ),
        }
    }
    Ok(serving)
}

/// Seconds of each look at latencies: peers take turns, so that an interruption hits few looks.
const PART: f64 = 0.5;

/// Latencies at a fixed rate; only for cases of kept HTTP/1.1 connections.
fn latency(bench: &Bench, case: &Case, port: u16) -> anyhow::Result<Option<Latencies>> {
    let Load::Wrk { path, .. } = case.load else {
        return Ok(None);
    };
    load::latencies(bench, port, path, PART).map(Some)
}
