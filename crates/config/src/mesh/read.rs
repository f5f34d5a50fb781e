//! Reading the mesh config: what is not understood is named and left out, the rest counts.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{ExtensionProvider, MeshConfig, ProxyConfig};
use crate::check::Finding;
use crate::parse::typed;
use crate::problem::{Code, Problem, Severity};
use crate::yaml::{load, split};

/// More mistakes than this in one text are not told apart.
const MISTAKES: usize = 100;

impl MeshConfig {
    /// Reads the text of ConfigMap `istio`, key `mesh`, over the defaults.
    pub fn parse(text: &str) -> (Self, Vec<Problem>) {
        let (mut config, problems): (Self, _) = lenient(text);
        let built_in = ExtensionProvider::built_in();
        for provider in built_in {
            if !config
                .extension_providers
                .iter()
                .any(|own| own.name == provider.name)
            {
                config.extension_providers.push(provider);
            }
        }
        (config, problems)
    }
}

impl ProxyConfig {
    /// Reads the text of an annotation `proxy.istio.io/config`, over the defaults.
    pub fn parse(text: &str) -> (Self, Vec<Problem>) {
        lenient(text)
    }
}

/// The settings of `text` over `T`'s defaults.
fn lenient<T: DeserializeOwned + Default>(text: &str) -> (T, Vec<Problem>) {
    let mut value = match object(text) {
        Ok(value) => value,
        Err(problem) => return (T::default(), vec![problem]),
    };
    let mut problems = Vec::new();
    for _ in 0..MISTAKES {
        match typed::<T>(&value, "") {
            Ok(config) => return (config, problems),
            Err(finding) => {
                let removed = remove(&mut value, &finding.field);
                problems.push(problem(finding));
                if !removed {
                    break;
                }
            }
        }
    }
    (T::default(), problems)
}

fn object(text: &str) -> Result<Value, Problem> {
    let Some(segment) = split(text).first().copied() else {
        return Ok(Value::Object(Map::new()));
    };
    let documents = load(segment).map_err(|error| {
        Problem::error(
            Code::Syntax,
            format!("{} (line {})", error.message, error.line),
        )
    })?;
    match documents.first().map(|document| document.root.to_json()) {
        Some(Value::Object(map)) => Ok(Value::Object(map)),
        None | Some(Value::Null) => Ok(Value::Object(Map::new())),
        Some(_) => Err(Problem::error(
            Code::Syntax,
            "the text must be a map of settings",
        )),
    }
}

fn problem(finding: Finding) -> Problem {
    Problem {
        severity: Severity::Warning,
        field: finding.field.into(),
        ..Problem::error(
            finding.code,
            format!("{}; the setting is left out", finding.message),
        )
    }
}

/// Takes the value at `path` out. False when there is none.
fn remove(value: &mut Value, path: &str) -> bool {
    match value {
        Value::Object(map) => {
            let path = path.strip_prefix('.').unwrap_or(path);
            let fits = |key: &&String| {
                path.strip_prefix(key.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            let Some(key) = map.keys().filter(fits).max_by_key(|key| key.len()).cloned() else {
                return false;
            };
            let rest = &path[key.len()..];
            if !rest.is_empty() && map.get_mut(&key).is_some_and(|below| remove(below, rest)) {
                return true;
            }
            map.remove(&key).is_some()
        }
        Value::Array(items) => {
            let index = path.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let Some((Ok(index), rest)) = index.map(|(i, rest)| (i.parse::<usize>(), rest)) else {
                return false;
            };
            if !rest.is_empty()
                && items
                    .get_mut(index)
                    .is_some_and(|below| remove(below, rest))
            {
                return true;
            }
            index < items.len() && {
                items.remove(index);
                true
            }
        }
        _ => false,
    }
}
