//! Scenario files: one YAML document with requests and expectations, then the objects that it is
//! about.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    /// Its path below the folder of scenarios, without extension.
    pub name: String,
    /// What it shows, and with what.
    pub plan: Plan,
    /// The objects, as YAML.
    pub objects: String,
}

/// The first document of a scenario file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The behaviour, as a sentence.
    pub scenario: String,
    /// The data planes that can show it; all when absent.
    #[serde(default)]
    pub planes: Vec<String>,
    /// What is asked, in order.
    pub requests: Vec<Ask>,
}

/// A request with what must come of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ask {
    /// Who asks: `client` (a pod with a sidecar, in namespace `east`) or `gateway` (someone outside,
    /// through the ingress gateway).
    #[serde(default = "client")]
    pub from: String,
    /// What is asked for.
    pub url: String,
    /// Where the connection goes, `host:port`, when not where the URL says.
    pub to: Option<String>,
    /// The method.
    #[serde(default = "get")]
    pub method: String,
    /// Request headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How often.
    #[serde(default = "once")]
    pub times: u32,
    /// What must come of it.
    pub expect: Expectation,
}

/// What must come of a request. What is absent is not checked.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expectation {
    /// The status.
    pub status: Option<u16>,
    /// The deployment that answers.
    pub by: Option<String>,
    /// Several that answer, each with its share of the requests.
    pub shares: BTreeMap<String, f64>,
    /// The path that it sees.
    pub path: Option<String>,
    /// The authority that it sees.
    pub host: Option<String>,
    /// The headers that it sees; null for those that it must not see.
    pub sees: BTreeMap<String, Option<String>>,
    /// The headers of the answer.
    pub gets: BTreeMap<String, Option<String>>,
    /// The body of an answer that the proxy itself gives.
    pub body: Option<String>,
    /// The response flags in the access log of the client's proxy.
    pub flags: Option<String>,
    /// What workloads receive of it, copies and further tries included.
    pub receives: Vec<Receipt>,
}

/// What a workload must have received of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The deployment.
    pub by: String,
    /// How often.
    pub times: u32,
    /// The path that it sees.
    pub path: Option<String>,
    /// The authority that it sees.
    pub host: Option<String>,
    /// The headers that it sees; null for those that it must not see.
    #[serde(default)]
    pub sees: BTreeMap<String, Option<String>>,
}

fn client() -> String {
    "client".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

fn once() -> u32 {
    1
}

/// All scenarios below `folder` whose names contain `filter`, by name.
pub fn read_all(folder: &Path, filter: &str) -> anyhow::Result<Vec<Scenario>> {
    let mut files = Vec::new();
    find(folder, &mut files)?;
    files.sort();
    let mut scenarios = Vec::new();
    for path in files {
        let below = path.strip_prefix(folder)?.with_extension("");
        let name = below.to_string_lossy().into_owned();
        if name != super::ENVIRONMENT && name.contains(filter) {
            let text = fs::read_to_string(&path)?;
            scenarios.push(read(name, &text).with_context(|| path.display().to_string())?);
        }
    }
    Ok(scenarios)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let listing =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in listing {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            files.push(path);
        }
    }
    Ok(())
}

fn read(name: String, text: &str) -> anyhow::Result<Scenario> {
    let (plan, objects) = text.split_once("\n---\n").unwrap_or((text, ""));
    let plan: Plan = serde_yaml_ng::from_str(plan)?;
    if plan.requests.is_empty() {
        bail!("a scenario without requests shows nothing");
    }
    Ok(Scenario {
        name,
        plan,
        objects: objects.to_owned(),
    })
}
