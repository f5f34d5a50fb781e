//! `meshctl apply`, `delete` and `get`: the objects of a sandbox.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use ferromesh_config::{Kind, Object, parse_all};
use ferromesh_ingest::load_paths;
use ferromesh_sandbox::edit::{self, Edited};
use ferromesh_sandbox::state_dir::StateDir;
use ferromesh_sandbox::supervisor::StatusReport;
use ferromesh_types::ResourceKey;
use serde_json::{Value, json};

use crate::block_on;
use crate::cli::{ApplyArgs, DeleteArgs, GetArgs, Which};
use crate::output::{Cell, Output};
use crate::sandbox::status::{pods, services};
use crate::sandbox::{ask_status, state_of};

/// `meshctl apply`.
pub(crate) fn apply(arguments: &ApplyArgs) -> anyhow::Result<ExitCode> {
    let dirs = config_dirs(&arguments.which)?;
    for (label, text) in inputs(&arguments.files)? {
        edit::apply(&dirs[0], &text, &label)?.iter().for_each(tell);
    }
    Ok(ExitCode::SUCCESS)
}

/// `meshctl delete`.
pub(crate) fn delete(arguments: &DeleteArgs) -> anyhow::Result<ExitCode> {
    let dirs = config_dirs(&arguments.which)?;
    let mut keys = Vec::new();
    if let Some(word) = &arguments.kind {
        let kind = kind_of(word)?;
        let namespace = if kind.is_namespaced() {
            arguments.namespace.as_str()
        } else {
            ""
        };
        let names = arguments.names.iter();
        keys.extend(names.map(|name| ResourceKey::new(kind.as_str(), namespace, name)));
    }
    for (label, text) in inputs(&arguments.files)? {
        for parsed in parse_all(&text, &label) {
            let key = match parsed {
                Ok(object) => Some(object.key),
                Err(rejected) => rejected.key,
            };
            keys.push(key.ok_or_else(|| anyhow!("{label}: a document does not say what it is"))?);
        }
    }
    for key in keys {
        let found = dirs
            .iter()
            .map(|dir| edit::delete(dir, &key))
            .find(|result| !matches!(result, Err(edit::EditError::NotFound(..))));
        match found {
            Some(result) => tell(&result?),
            None => bail!("{key} is not in the config of the sandbox"),
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `meshctl get`.
pub(crate) fn get(arguments: &GetArgs) -> anyhow::Result<ExitCode> {
    let kind = kind_of(&arguments.kind)?;
    let (_, state) = state_of(&arguments.which)?;
    let wanted = |namespace: &str, name: &str| {
        let here =
            arguments.all_namespaces || !kind.is_namespaced() || namespace == arguments.namespace;
        here && arguments
            .object
            .as_deref()
            .is_none_or(|object| object == name)
    };
    let mut paths = config_dirs(&arguments.which)?;
    // The machine's version of an object is the complete one.
    let told = load_paths(&[state.status()]).objects;
    paths.retain(|path| path.is_dir());
    let mut objects = load_paths(&paths).objects;
    objects.retain(|object| !told.iter().any(|other| other.key == object.key));
    objects.extend(told);
    objects.retain(|object| {
        object.kind == kind && wanted(object.key.namespace.as_str(), &object.key.name)
    });
    objects.sort_by(|a, b| a.key.cmp(&b.key));
    if objects.is_empty() {
        match &arguments.object {
            Some(name) => bail!(
                "there is no {kind} {name:?} in namespace {}",
                arguments.namespace
            ),
            None => Output::error(&format!("there is no {kind}")),
        }
        return Ok(ExitCode::SUCCESS);
    }
    let output = Output::new();
    if Output::machine(
        arguments.output,
        &as_list(&objects, arguments.object.is_some()),
    )? {
        return Ok(ExitCode::SUCCESS);
    }
    match kind {
        Kind::Pod | Kind::Service => {
            let report = block_on(ask_status(&arguments.which))?;
            table_of(kind, output, &report, wanted);
        }
        _ => plain_table(output, &objects),
    }
    Ok(ExitCode::SUCCESS)
}

fn table_of(
    kind: Kind,
    output: Output,
    report: &StatusReport,
    wanted: impl Fn(&str, &str) -> bool,
) {
    if kind == Kind::Pod {
        pods(
            output,
            report
                .pods
                .iter()
                .filter(|pod| wanted(&pod.namespace, &pod.name)),
        );
    } else {
        let listed = report.services.iter();
        services(
            output,
            listed.filter(|service| wanted(&service.namespace, &service.name)),
        );
    }
}

fn plain_table(output: Output, objects: &[Arc<Object>]) {
    let rows: Vec<Vec<Cell>> = objects
        .iter()
        .map(|object| {
            let origin = object
                .origin
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            let namespace = object.key.namespace.to_string();
            vec![
                namespace.into(),
                object.key.name.to_string().into(),
                origin.into(),
            ]
        })
        .collect();
    output.table(&["NAMESPACE", "NAME", "FROM"], &rows);
}

fn as_list(objects: &[Arc<Object>], single: bool) -> Value {
    let mut values: Vec<Value> = objects.iter().map(|object| object.raw.to_value()).collect();
    match values.pop() {
        Some(only) if single && values.is_empty() => only,
        last => {
            values.extend(last);
            json!({"apiVersion": "v1", "kind": "List", "items": values})
        }
    }
}

fn tell(edited: &Edited) {
    let ResourceKey { kind, name, .. } = &edited.key;
    let kind = kind.to_ascii_lowercase();
    let file = edited.file.display();
    Output::line(&format!(
        "{kind}/{name} {} ({file})",
        edited.outcome.as_str()
    ));
}

fn kind_of(word: &str) -> anyhow::Result<Kind> {
    Kind::from_word(word).ok_or_else(|| {
        let known: Vec<_> = Kind::ALL.iter().map(|kind| kind.row().plural).collect();
        anyhow!("{word:?} is no kind; there are {}", known.join(", "))
    })
}

/// The directories of config of the sandbox that is meant.
fn config_dirs(which: &Which) -> anyhow::Result<Vec<PathBuf>> {
    let (name, state): (_, StateDir) = state_of(which)?;
    match state.read_record() {
        Some(record) if !record.config_dirs.is_empty() => Ok(record.config_dirs),
        _ => bail!(
            "there is no sandbox {name} (or it is root's: try sudo); see `meshctl sandbox list`"
        ),
    }
}

/// The texts behind `-f`, with what to call them.
pub(crate) fn inputs(files: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let mut inputs = Vec::new();
    for file in files {
        if file.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            inputs.push(("standard input".to_owned(), text));
        } else if file.is_dir() {
            let mut inside = yaml_files(file)?;
            inside.sort();
            inputs.extend(self::inputs(&inside)?);
        } else {
            let name = file.display().to_string();
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
            inputs.push((name, text));
        }
    }
    Ok(inputs)
}

fn yaml_files(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let is_config = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        path.is_dir() || matches!(extension, Some("yaml" | "yml" | "json"))
    };
    Ok(entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_config)
        .collect())
}
