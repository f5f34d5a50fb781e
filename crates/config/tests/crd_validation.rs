//! The conformance set `crd-validation`: what the API server admits, our own code admits, and what
//! it refuses is refused at the same field.
//!
//! Runs where the data is: in the folder that `FERROMESH_CONFORMANCE` names, else beside the
//! workspace in `../shared/conformance`. The layout is described in the README there.

use std::fs;
use std::path::{Path, PathBuf};

use ferromesh_config::{Problem, parse_all};
use serde_json::Value;

fn data() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    let root = std::env::var_os("FERROMESH_CONFORMANCE").map_or_else(beside, PathBuf::from);
    Some(root.join("crd-validation")).filter(|set| set.is_dir())
}

/// Why a case fails; `None` when it holds.
fn failure(case: &Path) -> Option<String> {
    let read = |name: &str| fs::read_to_string(case.join(name)).expect("a file of the case");
    let settings: Value = serde_json::from_str(&read("case.json")).expect("JSON");
    let input = settings["input"].as_str().unwrap_or("input.yaml");
    let problems: Vec<Problem> = parse_all(&read(input), input)
        .into_iter()
        .filter_map(Result::err)
        .flat_map(|rejected| rejected.problems)
        .filter(Problem::is_error)
        .collect();
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    match (
        settings["valid"].as_bool().unwrap_or(true),
        settings["error"].as_str(),
    ) {
        (true, _) if text.is_empty() => None,
        (true, _) => Some(format!("refused: {}", text.join("; "))),
        (false, _) if text.is_empty() => Some("admitted".to_owned()),
        (false, Some(part)) if !text.iter().any(|message| message.contains(part)) => {
            Some(format!("expected {part:?}, found: {}", text.join("; ")))
        }
        (false, _) => None,
    }
}

#[test]
fn every_case_is_judged_as_the_api_server_judges_it() {
    let Some(set) = data() else { return };
    let mut cases: Vec<PathBuf> = fs::read_dir(set)
        .expect("the set")
        .flatten()
        .map(|entry| entry.path())
        .collect();
    cases.retain(|case| case.join("case.json").is_file());
    cases.sort();
    assert!(!cases.is_empty(), "the folder holds no cases");
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| failure(case).map(|why| format!("{}: {why}", case.display())))
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
