//! `cargo xtask scenarios`: behaviours, each a small config with requests and what must come of
//! them, shown on up to three data planes that have to agree.
//!
//! `simulate` walks the requests through the generated config without a socket; `meshproxy` and
//! `envoy` send them through a sandbox. A scenario that one data plane cannot show names the others.

mod answer;
mod console;
mod curl;
mod file;
mod pods;
mod sandboxed;
mod simulated;
mod witness;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::bail;

use crate::{build, setup, shell};
use answer::judge;
use file::{Scenario, read_all};
pub use sandboxed::Sandbox;
use simulated::Simulation;
pub use witness::pause;

/// The namespace of the client and of most workloads.
const NAMESPACE: &str = "east";
/// The label `istio` of the ingress gateway.
const GATEWAY_LABEL: &str = "ingressgateway";
/// The shared workloads.
const ENVIRONMENT: &str = "environment";

/// Settings of `cargo xtask scenarios`.
#[derive(clap::Args)]
pub struct Settings {
    /// Only scenarios whose name contains this.
    #[arg(long, default_value = "")]
    filter: String,
    /// The data planes; without root and network namespaces only `simulate` works.
    #[arg(long = "data-plane", value_parser = ["simulate", "meshproxy", "envoy"],
          default_values_t = ["simulate".to_owned()])]
    data_planes: Vec<String>,
    /// A folder with meshd, meshproxy, meshctl and mesh-apps; built when absent.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Show the way of each request through the simulation.
    #[arg(long)]
    explain: bool,
}

impl Settings {
    /// All scenarios on one data plane.
    pub fn on(data_plane: &str) -> Self {
        Self {
            filter: String::new(),
            data_planes: vec![data_plane.to_owned()],
            programs: None,
            explain: false,
        }
    }
}

/// What one data plane showed of one scenario.
struct Verdict {
    /// What is wrong; `None` if it was not asked.
    wrong: Option<Vec<String>>,
    milliseconds: u128,
}

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let folder = shell::root().join("tests/scenarios");
    let environment = std::fs::read_to_string(folder.join(format!("{ENVIRONMENT}.yaml")))?;
    let scenarios = read_all(&folder, &settings.filter)?;
    if scenarios.is_empty() {
        bail!("no scenario's name contains {:?}", settings.filter);
    }
    let mut columns = Vec::new();
    for plane in &settings.data_planes {
        let verdicts = match plane.as_str() {
            "simulate" => simulate(settings, &environment, &scenarios)?,
            plane => in_sandbox(settings, plane, &environment, &scenarios)?,
        };
        columns.push(verdicts);
    }
    report(&settings.data_planes, &scenarios, &columns)
}

fn simulate(
    settings: &Settings,
    environment: &str,
    scenarios: &[Scenario],
) -> anyhow::Result<Vec<Verdict>> {
    let simulation = Simulation::new(environment)?;
    let mut verdicts = Vec::new();
    for scenario in scenarios {
        verdicts.push(shown("simulate", scenario, || {
            let answers = simulation.run(scenario)?;
            let mut wrong = Vec::new();
            for (ask, (outcome, way)) in scenario.plan.requests.iter().zip(&answers) {
                if settings.explain {
                    println!("{} {}\n{way}", ask.method, ask.url);
                }
                let found = judge(&ask.expect, outcome);
                wrong.extend(found.into_iter().map(|each| format!("{}: {each}", ask.url)));
            }
            Ok(wrong)
        }));
    }
    Ok(verdicts)
}

fn in_sandbox(
    settings: &Settings,
    plane: &str,
    environment: &str,
    scenarios: &[Scenario],
) -> anyhow::Result<Vec<Verdict>> {
    setup::sandbox()?;
    let envoy = (plane == "envoy").then(setup::envoy).transpose()?;
    let programs = build::given_or(settings.programs.as_deref(), build::release)?;
    let mut sandbox = Sandbox::up(&programs, environment, plane, envoy.as_deref())?;
    let mut verdicts = Vec::new();
    for scenario in scenarios {
        let verdict = shown(plane, scenario, || {
            let mut wrong = sandbox.run(scenario)?;
            if wrong.iter().any(|each| !each.is_empty()) {
                // Times are counted on a machine that others may use: once more, and said so.
                println!("  {plane} {}: differs, and is run again", scenario.name);
                wrong = sandbox.run(scenario)?;
            }
            let each = scenario.plan.requests.iter().zip(wrong);
            Ok(each
                .flat_map(|(ask, wrong)| {
                    let url = &ask.url;
                    wrong.into_iter().map(move |each| format!("{url}: {each}"))
                })
                .collect())
        });
        if let Some(wrong) = &verdict.wrong
            && !wrong.is_empty()
        {
            println!("  {plane} {}: {}", scenario.name, wrong.join("; "));
        }
        verdicts.push(verdict);
    }
    sandbox.down()?;
    Ok(verdicts)
}

fn shown(
    plane: &str,
    scenario: &Scenario,
    show: impl FnOnce() -> anyhow::Result<Vec<String>>,
) -> Verdict {
    let planes = &scenario.plan.planes;
    if !planes.is_empty() && !planes.iter().any(|each| each == plane) {
        return Verdict {
            wrong: None,
            milliseconds: 0,
        };
    }
    let began = Instant::now();
    let wrong = show().unwrap_or_else(|error| vec![format!("{error:#}")]);
    Verdict {
        wrong: Some(wrong),
        milliseconds: began.elapsed().as_millis(),
    }
}

/// Prints the table; fails if a scenario failed on some data plane.
fn report(
    planes: &[String],
    scenarios: &[Scenario],
    columns: &[Vec<Verdict>],
) -> anyhow::Result<()> {
    let (mut passed, mut failed) = (0, 0);
    println!("{:60} {}", "scenario", planes.join("  "));
    for (row, scenario) in scenarios.iter().enumerate() {
        let mut cells = Vec::new();
        let mut details = Vec::new();
        for (plane, column) in planes.iter().zip(columns) {
            let verdict = &column[row];
            let cell = match &verdict.wrong {
                None => "–".to_owned(),
                Some(wrong) if wrong.is_empty() => {
                    passed += 1;
                    format!("ok {} ms", verdict.milliseconds)
                }
                Some(wrong) => {
                    failed += 1;
                    details.extend(wrong.iter().map(|each| format!("    {plane}: {each}")));
                    "FAILED".to_owned()
                }
            };
            cells.push(format!("{cell:12}"));
        }
        println!("{:60} {}", scenario.name, cells.join(" ").trim_end());
        if !details.is_empty() {
            println!("    {}", scenario.plan.scenario);
            println!("{}", details.join("\n"));
        }
    }
    println!("scenarios: {passed} passed, {failed} failed");
    if failed > 0 {
        bail!("{failed} scenarios failed");
    }
    Ok(())
}
