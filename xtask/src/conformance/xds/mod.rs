//! Set `xds`: what Istio's control plane sent to real proxies.
//!
//! For every recorded state, `accept`: our proxy takes it, but for what [`table::REFUSED`] names; and
//! `behave`: from the same input our control plane makes a state in which generated calls end as
//! they do in the recorded one, but for what [`table::DIFFERENT`] names. A row of these tables that
//! explains nothing fails.

mod addresses;
mod aside;
mod calls;
mod outcome;
mod requests;
mod sample;
mod table;

use std::path::Path;

use anyhow::Context;
use ferromesh_model::Snapshot;
use ferromesh_simulate::recording::{RecordedCase, Recording};
use ferromesh_simulate::{Plane, Resources, proxy};
use serde_json::Value;

use super::Case;
use table::Explained;

/// Progress is told after this many cases.
const TOLD: usize = 20;

pub fn run(set: &Path) -> anyhow::Result<Vec<Case>> {
    let recording = Recording::open(set)?;
    let mut check = Check {
        refused: Explained::new(table::REFUSED),
        different: Explained::new(table::DIFFERENT),
        cases: Vec::new(),
        calls: 0,
    };
    for proxy in recording.proxies() {
        for stock in [true, false] {
            let state = recording.base(proxy, stock)?;
            let name = if stock { "base-stock" } else { "base" };
            check.state(&recording, None, &format!("{name} {proxy}"), proxy, &state)?;
        }
    }
    let cases = recording.cases()?;
    for (done, case) in cases.iter().enumerate() {
        for proxy in case.proxies() {
            let state = recording.state(case, proxy)?;
            let name = format!("{} {proxy}", case.name);
            check
                .state(&recording, Some(case), &name, proxy, &state)
                .with_context(|| format!("case {name}"))?;
        }
        if (done + 1) % TOLD == 0 {
            println!(
                "xds: {} of {} cases, {} calls",
                done + 1,
                cases.len(),
                check.calls
            );
        }
    }
    println!("xds: {} calls walked through both states", check.calls);
    check.cases.push(check.refused.stale("accept"));
    check.cases.push(check.different.stale("behave"));
    Ok(check.cases)
}

struct Check {
    refused: Explained,
    different: Explained,
    cases: Vec<Case>,
    calls: usize,
}

impl Check {
    fn state(
        &mut self,
        recording: &Recording,
        case: Option<&RecordedCase>,
        name: &str,
        proxy: &str,
        recorded: &Value,
    ) -> anyhow::Result<()> {
        let snapshot = recording.mesh(case)?.snapshot();
        let recorded = &addresses::ours(recorded, &snapshot);
        let (_, mut refusals) = compiled(recorded);
        self.forget_explained(name, &mut refusals);
        self.cases.push(Case {
            name: format!("accept {name}"),
            differences: refusals,
        });
        let mut comparable = recorded.clone();
        aside::lay_filters(&mut comparable);
        let (theirs, _) = compiled(&comparable);
        let mut node = recording.node(case, proxy);
        let mut state = generated(&snapshot, &mut node)?;
        let (_, mut differences) = compiled(&state);
        self.forget_explained(name, &mut differences);
        aside::lay_filters(&mut state);
        let (ours, _) = compiled(&state);
        let calls = calls::of([recorded, &state], &node);
        self.calls += calls.len();
        for call in &calls {
            let expected = theirs.walk(call, "default");
            let found = ours.walk(call, "default");
            if let Some(difference) = outcome::difference(&expected, &found) {
                differences.push(format!("{}: {difference}", calls::describe(call)));
            }
        }
        differences.retain(|line| !self.different.explains(&format!("{name}: {line}")));
        self.cases.push(Case {
            name: format!("behave {name}"),
            differences,
        });
        Ok(())
    }

    fn forget_explained(&mut self, name: &str, refusals: &mut Vec<String>) {
        refusals.retain(|refusal| !self.refused.explains(&format!("{name}: {refusal}")));
    }
}

/// A state in our proxy, and what that refuses of it.
fn compiled(state: &Value) -> (Plane, Vec<String>) {
    match Resources::from_json(state) {
        Ok(resources) => {
            let plane = Plane::compile(resources);
            let refusals = plane.refused().iter().map(ToString::to_string).collect();
            (plane, refusals)
        }
        Err(error) => (
            Plane::compile(Resources::default()),
            vec![error.to_string()],
        ),
    }
}

/// What our control plane makes of the same input, when this node is our proxy.
fn generated(snapshot: &Snapshot, node: &mut Value) -> anyhow::Result<Value> {
    node["metadata"]["FERROMESH_VERSION"] = "conformance".into();
    let view = snapshot.view_of(&proxy(node)?);
    Ok(Resources::generate(snapshot, &view)?.to_json()?)
}
