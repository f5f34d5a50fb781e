//! The project's own commands: `cargo xtask <COMMAND>`.

mod bench;
mod build;
mod conformance;
mod control_plane;
mod cores;
mod demo;
mod dist;
mod fuzz;
mod golden;
mod hitless;
mod layers;
mod ports;
mod profile;
mod property;
mod scenarios;
mod setup;
mod shell;
mod size;
mod slowloris;
mod soak;
mod spread;
mod suite;
mod traffic;

use clap::{Parser, Subcommand};

/// Build, test, measure and show Ferromesh.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring a sample mesh up on this machine and show on real traffic what it does.
    Demo(demo::Settings),
    /// Everything that has to hold: format, lints, layers, size, tests, conformance, demo, docs.
    Test(suite::Settings),
    /// Check that crates depend only on lower layers.
    Layers,
    /// Check the length of files and functions.
    Size,
    /// Measure: what a request costs the proxy, what proxies cost the control plane.
    Bench(bench::Settings),
    /// Build the programs as they are shipped: laid out by a profile of the benchmark's load.
    Dist(dist::Settings),
    /// Run recorded cases of Istio's behaviour, and public test programs, against our code.
    Conformance(conformance::Settings),
    /// Run decoders on mutated input: a short check, or libFuzzer for as long as wanted.
    Fuzz(fuzz::Settings),
    /// Check that no data plane refuses what validation accepts, with random configs.
    Property(property::Settings),
    /// Replace and end proxies under load, and count the requests that fail: none may.
    Hitless(hitless::Settings),
    /// Mixed traffic with changing config for minutes: memory, descriptors, failures.
    Soak(soak::Settings),
    /// Thousands of clients that send a byte a second: what others feel of it, and what it costs.
    Slowloris(slowloris::Settings),
    /// Refresh the expected outputs of the translation's golden tests.
    Golden,
    /// Show behaviours, each a small config with requests, on data planes that have to agree.
    Scenarios(scenarios::Settings),
    /// Count what becomes of requests under load: weights, localities, ejection, breakers, flips.
    Traffic(traffic::Settings),
    /// Install or fetch what demo and test need: Debian packages, Envoy.
    Setup(setup::Settings),
}

fn main() -> std::process::ExitCode {
    match run() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            // Without the stack of calls: the chain of reasons says where and why.
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Demo(settings) => demo::run(&settings),
        Command::Test(settings) => suite::run(&settings),
        Command::Layers => layers::run(),
        Command::Size => size::run(),
        Command::Bench(settings) => bench::run(&settings),
        Command::Dist(settings) => dist::run(&settings),
        Command::Conformance(settings) => conformance::run(&settings),
        Command::Fuzz(settings) => fuzz::run(&settings),
        Command::Property(settings) => property::run(&settings),
        Command::Hitless(settings) => hitless::run(&settings),
        Command::Soak(settings) => soak::run(&settings),
        Command::Slowloris(settings) => slowloris::run(&settings),
        Command::Golden => golden::run(),
        Command::Scenarios(settings) => scenarios::run(&settings),
        Command::Traffic(settings) => traffic::run(&settings),
        Command::Setup(settings) => setup::run(&settings),
    }
}
