//! Set `crd-validation`: which objects the API server admits, and which field it objects to.

use std::fs;
use std::path::Path;

use ferromesh_config::{Problem, Severity, parse_all};

use super::{Case, case_folders, read_json};

pub fn run(set: &Path) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (name, folder) in case_folders(set)? {
        let case = read_json(&folder.join("case.json"))?;
        let input = case["input"].as_str().unwrap_or("input.yaml");
        let text = fs::read_to_string(folder.join(input))?;
        let errors = errors(&text, input);
        let differences = if case["valid"] == true {
            errors
                .iter()
                .map(|error| format!("refused, but valid: {error}"))
                .collect()
        } else {
            refusal(case["error"].as_str().unwrap_or_default(), &errors)
        };
        cases.push(Case { name, differences });
    }
    Ok(cases)
}

fn errors(text: &str, file: &str) -> Vec<Problem> {
    let rejected = parse_all(text, file).into_iter().filter_map(Result::err);
    let problems = rejected.flat_map(|rejected| rejected.problems);
    problems
        .filter(|problem| problem.severity == Severity::Error)
        .collect()
}

/// The object must be refused, and where the recorded message names a field, for that field: the
/// same one, its parent or its child, since a rule may be reported at either.
fn refusal(message: &str, errors: &[Problem]) -> Vec<String> {
    if errors.is_empty() {
        return vec![format!("admitted, expected: {message}")];
    }
    let Some(path) = field_path(message) else {
        return Vec::new();
    };
    let related = |field: &str| field.starts_with(&path) || path.starts_with(field);
    if errors
        .iter()
        .any(|error| !error.field.is_empty() && related(&error.field))
    {
        return Vec::new();
    }
    let found: Vec<String> = errors.iter().map(ToString::to_string).collect();
    vec![format!(
        "refused for another field than {path}: {}",
        found.join("; ")
    )]
}

fn field_path(message: &str) -> Option<String> {
    let start = message.find("spec.")?;
    let rest = &message[start..];
    let end = rest.find([':', ' ']).unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}
