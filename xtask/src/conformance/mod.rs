//! Cases of how Istio, Envoy and the protocols behave, run against our own code.
//!
//! One row of the table per set; a set reads its cases from its folder, or leaves them to a public
//! test program that it fetches, and returns what each case said. Recordings of others are not part
//! of this repository: where they are absent, one line says so.

mod access_log;
mod beside;
mod bootstrap;
mod certificates;
mod crd_validation;
mod endpoint;
mod go;
mod grpc;
mod h2spec;
mod headers;
mod http1;
mod iptables;
mod local_replies;
mod proxy;
mod simulation;
mod smuggling;
mod xds;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::shell;

const EXAMPLES: &str =
    "Sets that compare with a stock Envoy, side by side in one run (the one that \
FERROMESH_ENVOY names, else `cargo xtask setup` fetches it):
  http1           raw HTTP/1.1 messages
  headers         what the endpoint sees of a request, and the client of its answer
  access-log      what the operators of access logs show, and what a TCP proxy logs
  local-replies   answers of the proxy's own: status, body, fields, response flags, details

A row fails when the two proxies differ in anything that the row does not note, when a note has no
difference, and when a place does not show what the row says. target/conformance/<set> keeps what
was seen and the access logs of headers and local-replies.

xds walks calls through what Istio's control plane sent and through what ours makes of the same
input. Its table (xtask/src/conformance/xds/table.rs) holds what our proxy refuses of the former and
where the two differ, each row with its reason; a row that explains nothing fails.";

/// Settings of `cargo xtask conformance`.
#[derive(clap::Args, Default)]
#[command(after_help = EXAMPLES)]
pub struct Settings {
    /// The sets to run; when none is named, all.
    sets: Vec<String>,
    /// Only rows whose name contains this (headers, local-replies).
    #[arg(long, default_value = "")]
    only: String,
    /// The folder with the data [default: ../shared/conformance].
    #[arg(long)]
    data: Option<PathBuf>,
}

/// What one case showed.
pub struct Case {
    /// Its name.
    pub name: String,
    /// What differs; empty when nothing does.
    pub differences: Vec<String>,
}

type Run = fn(&Path) -> anyhow::Result<Vec<Case>>;
type Rows = fn() -> Vec<beside::Row>;

/// Where the cases of a set are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cases {
    /// `<data>/<set>`: recordings, which are not part of this repository.
    Recorded,
    /// `tests/<set>` of this repository.
    Own,
    /// A program has them; it gets an empty folder for its files.
    Program,
}

/// The sets that the project supports so far.
const SETS: &[(&str, Cases, Run)] = &[
    ("bootstrap", Cases::Recorded, bootstrap::run),
    ("crd-validation", Cases::Recorded, crd_validation::run),
    ("iptables", Cases::Recorded, iptables::run),
    ("http1", Cases::Own, http1::run),
    ("simulation", Cases::Recorded, simulation::run),
    ("smuggling", Cases::Own, smuggling::run),
    ("h2spec", Cases::Program, h2spec::run),
    ("grpc", Cases::Program, grpc::run),
    ("xds", Cases::Recorded, xds::run),
];

/// Sets that are tables of rows for our proxy and a stock Envoy.
const TABLES: &[(&str, Rows)] = &[
    ("access-log", access_log::rows),
    ("headers", headers::rows),
    ("local-replies", local_replies::rows),
];

/// Differences that are shown of a failing case.
const SHOWN: usize = 8;

pub fn run(settings: &Settings) -> anyhow::Result<()> {
    let tables = TABLES.iter().map(|(name, _)| *name);
    let known: Vec<&str> = SETS.iter().map(|(name, ..)| *name).chain(tables).collect();
    for wanted in &settings.sets {
        if !known.contains(&wanted.as_str()) {
            let known = known.join(", ");
            bail!("there is no set {wanted:?}; the sets are: {known}");
        }
    }
    let unwanted = |name: &str| {
        let mut wanted = settings.sets.iter();
        !settings.sets.is_empty() && !wanted.any(|wanted| wanted == name)
    };
    let recordings = settings
        .data
        .clone()
        .unwrap_or_else(|| shell::root().join("../shared/conformance"));
    let mut failed = 0;
    for (name, cases, set) in SETS {
        if unwanted(name) {
            continue;
        }
        let folder = match cases {
            Cases::Recorded => recordings.join(name),
            Cases::Own => shell::root().join("tests").join(name),
            Cases::Program => empty_folder(name)?,
        };
        if *cases == Cases::Recorded && !folder.is_dir() {
            println!("{name}: no data in {}; not run", folder.display());
            continue;
        }
        failed += report(name, &set(&folder).with_context(|| format!("set {name}"))?);
    }
    for (name, rows) in TABLES.iter().filter(|(name, _)| !unwanted(name)) {
        let mut rows = rows();
        rows.retain(|row| row.name.contains(&settings.only));
        failed += report(name, &side_by_side(name, rows)?);
    }
    if failed > 0 {
        bail!("conformance: {failed} cases failed");
    }
    Ok(())
}

fn empty_folder(set: &str) -> anyhow::Result<PathBuf> {
    let folder = shell::target().join("conformance").join(set);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder.canonicalize()?)
}

/// How often rows that differ are run again: what differs each time is a difference.
const REPEATS: u32 = 2;

/// Runs a table. A connection that is closed while it is used may be found closed or not, so rows that
/// differ are run again by themselves.
fn side_by_side(name: &str, mut rows: Vec<beside::Row>) -> anyhow::Result<Vec<Case>> {
    let mut cases = beside::run(name, &rows)?;
    for _ in 0..REPEATS {
        rows.retain(|row| {
            let mut cases = cases.iter();
            cases.any(|case| case.name == row.name && !case.differences.is_empty())
        });
        if rows.is_empty() {
            break;
        }
        println!("{name}: {} rows differ; running these again", rows.len());
        for case in cases.iter().filter(|case| !case.differences.is_empty()) {
            println!("  {}: {}", case.name, case.differences.join("; "));
        }
        for case in beside::run(name, &rows)? {
            if let Some(first) = cases.iter_mut().find(|first| first.name == case.name) {
                *first = case;
            }
        }
    }
    Ok(cases)
}

fn report(set: &str, cases: &[Case]) -> usize {
    let mut failed = 0;
    for case in cases.iter().filter(|case| !case.differences.is_empty()) {
        failed += 1;
        println!("  {set}/{}", case.name);
        for difference in case.differences.iter().take(SHOWN) {
            println!("    {difference}");
        }
        if case.differences.len() > SHOWN {
            println!("    … {} more", case.differences.len() - SHOWN);
        }
    }
    println!("{set}: {} passed, {failed} failed", cases.len() - failed);
    failed
}

/// The folders below `set` that hold a case, by name.
pub fn case_folders(set: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut folders = Vec::new();
    let listing = fs::read_dir(set).with_context(|| format!("cannot read {}", set.display()))?;
    for entry in listing {
        let path = entry?.path();
        if path.join("case.json").is_file() {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            folders.push((name, path));
        }
    }
    folders.sort();
    Ok(folders)
}

/// Reads a JSON file.
pub fn read_json(path: &Path) -> anyhow::Result<Value> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
}

/// What differs between two JSON values, each with its path. Maps are compared by key.
pub fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut list = Vec::new();
    compare(String::new(), expected, found, &mut list);
    list
}

fn compare(path: String, expected: &Value, found: &Value, list: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                let path = format!("{path}/{key}");
                match found.get(key) {
                    Some(other) => compare(path, value, other, list),
                    None => list.push(format!("{path}: missing, expected {value}")),
                }
            }
            for (key, value) in found.iter().filter(|(key, _)| !expected.contains_key(*key)) {
                list.push(format!("{path}/{key}: not expected, found {value}"));
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (index, (value, other)) in expected.iter().zip(found).enumerate() {
                compare(format!("{path}/{index}"), value, other, list);
            }
        }
        (expected, found) if expected == found => {}
        (expected, found) => list.push(format!("{path}: expected {expected}, found {found}")),
    }
}
