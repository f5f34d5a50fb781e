//! Set `simulation`: configurations with calls, and where each call must end.
//!
//! Group by group: most hold calls that are walked through listeners and routes; `routes` compares
//! virtual hosts with the clusters that they lead to; `inbound-clusters` compares the clusters for
//! the services that a workload belongs to.

mod calls;
mod inbound;
mod routes;

use std::path::Path;

use anyhow::Context;
use ferromesh_model::{Proxy, Snapshot};
use ferromesh_simulate::{Mesh, Plane, Resources, proxy};
use serde_json::{Value, json};

use super::{Case, case_folders, read_json};

/// The groups, with what compares a case.
const GROUPS: &[(&str, Compare)] = &[
    ("gateway", calls::compare),
    ("inbound-clusters", inbound::compare),
    ("peer-authentication", calls::compare),
    ("routes", routes::compare),
    ("service-entry", calls::compare),
    ("sidecar", calls::compare),
];

type Compare = fn(&Path, &Value) -> anyhow::Result<Vec<String>>;

pub fn run(set: &Path) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (group, compare) in GROUPS {
        for (name, folder) in case_folders(&set.join(group))? {
            let case = read_json(&folder.join("case.json"))?;
            let differences =
                compare(&folder, &case).with_context(|| format!("case {group}/{name}"))?;
            cases.push(Case {
                name: format!("{group}/{name}"),
                differences,
            });
        }
    }
    Ok(cases)
}

/// The mesh of a case: its config, its Kubernetes objects and its mesh config.
fn mesh(folder: &Path, case: &Value) -> anyhow::Result<Mesh> {
    let mut mesh = Mesh::new();
    for file in ["config", "kube"] {
        if let Some(name) = case[file].as_str() {
            let text = std::fs::read_to_string(folder.join(name))?;
            mesh.add(&text, name);
        }
    }
    configure(&mut mesh, case);
    Ok(mesh)
}

fn configure(mesh: &mut Mesh, case: &Value) {
    if !case["meshConfig"].is_null() {
        mesh.configure(&case["meshConfig"].to_string());
    }
}

/// The proxy of a case.
fn proxy_of(case: &Value) -> anyhow::Result<Proxy> {
    let about = &case["proxy"];
    let addresses: Vec<&str> = about["ips"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let namespace = about["namespace"].as_str().unwrap_or("default");
    let id = format!(
        "{}~{}~app.{namespace}~{namespace}.svc.cluster.local",
        about["type"].as_str().context("no proxy type")?,
        addresses.first().context("no address")?,
    );
    let mut metadata = about["metadata"].clone();
    metadata["INSTANCE_IPS"] = addresses.join(",").into();
    Ok(proxy(&json!({"id": id, "metadata": metadata}))?)
}

/// The proxy with everything that it gets.
fn plane(snapshot: &Snapshot, proxy: &Proxy) -> anyhow::Result<Plane> {
    let resources = Resources::generate(snapshot, &snapshot.view_of(proxy))?;
    Ok(Plane::compile(resources))
}
