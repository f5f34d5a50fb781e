//! `cargo xtask bench`: figures that are compared, taken in one run on one machine.

mod control_plane;
mod proxy;

use clap::Subcommand;

pub use proxy::train;

/// Settings of `cargo xtask bench`.
#[derive(clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Settings {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// What simulated sidecars cost meshd, over delta ADS.
    ControlPlane(control_plane::Settings),
    /// What a request costs our proxy, beside a bare relay, Envoy, HAProxy and nginx.
    Proxy(proxy::Settings),
    /// The instructions that a request costs our proxy, held against `bench/budgets.toml`.
    Instructions(proxy::instructions::Settings),
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    match &settings.what {
        What::ControlPlane(settings) => control_plane::run(settings),
        What::Proxy(settings) => proxy::run(settings),
        What::Instructions(settings) => proxy::instructions::run(settings),
    }
}
