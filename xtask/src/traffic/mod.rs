//! `cargo xtask traffic`: figures of load balancing and resilience under load, on real planes.
//!
//! A sandbox with endpoints that are near, far, slow and ill; load on its ingress gateway. What can
//! be counted is counted, not timed.

mod breakers;
mod figures;
mod load;

use std::path::PathBuf;

use anyhow::bail;

use crate::scenarios::Sandbox;
use crate::{build, setup, shell};
use figures::FIGURES;

/// Settings of `cargo xtask traffic`.
#[derive(clap::Args)]
pub struct Settings {
    /// Only figures whose name contains this: weights, locality, least-request, ejection, breaker,
    /// flips.
    #[arg(long, default_value = "")]
    filter: String,
    /// The data planes.
    #[arg(long = "data-plane", value_parser = ["meshproxy", "envoy"],
          default_values_t = ["meshproxy".to_owned()])]
    data_planes: Vec<String>,
    /// A folder with meshd, meshproxy, meshctl and mesh-apps; built when absent.
    #[arg(long)]
    programs: Option<PathBuf>,
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let file = shell::root().join("tests/traffic/environment.yaml");
    let environment = std::fs::read_to_string(file)?;
    setup::sandbox()?;
    let programs = build::given_or(settings.programs.as_deref(), build::release)?;
    let wanted = |name: &str| name.contains(&settings.filter);
    let (mut passed, mut failed) = (0, 0);
    println!("{:14} {:10} expectation: figure", "name", "data plane");
    for plane in &settings.data_planes {
        let envoy = (plane == "envoy").then(setup::envoy).transpose()?;
        let mut sandbox = Sandbox::up(&programs, &environment, plane, envoy.as_deref())?;
        for figure in FIGURES.iter().filter(|figure| wanted(figure.name)) {
            let (text, holds) = match (figure.measure)(&mut sandbox) {
                Ok(verdict) => (verdict.text, verdict.holds),
                Err(error) => (format!("{error:#}"), false),
            };
            let state = if holds { "" } else { "FAILED: " };
            println!(
                "{:14} {plane:10} {}: {state}{text}",
                figure.name, figure.expected
            );
            if holds {
                passed += 1;
            } else {
                failed += 1;
            }
        }
        sandbox.down()?;
    }
    println!("traffic: {passed} passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} figures are not as expected");
    }
    Ok(())
}
