//! The layers of the workspace: an edge goes to a strictly lower layer only.

use std::collections::BTreeMap;

use anyhow::bail;
use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// Crate and layer. Tools and samples are above everything and may use all of it.
const LAYERS: &[(&str, u8)] = &[
    ("proto", 0),
    ("types", 0),
    ("identity", 1),
    ("runtime", 1),
    ("telemetry", 1),
    ("net", 1),
    ("tls", 2),
    ("xds", 2),
    ("route", 2),
    ("config", 2),
    ("authz", 3),
    ("http", 3),
    ("gateway-api", 3),
    ("ingest", 3),
    ("registry", 3),
    ("ca", 3),
    ("inject", 3),
    ("capture", 3),
    ("model", 4),
    ("translate", 5),
    ("proxy", 5),
    ("agent", 5),
    ("sandbox", 5),
    ("simulate", 6),
    ("meshd", 6),
    ("meshproxy", 6),
    ("meshctl", 6),
    ("apps", 7),
    ("bench", 7),
    ("xtask", 8),
];

/// Crates that must not use some others, whatever the layers say.
const FORBIDDEN: &[(&[&str], &[&str])] = &[
    (
        &["proxy"],
        &[
            "ferromesh-config",
            "ferromesh-registry",
            "ferromesh-model",
            "ferromesh-translate",
        ],
    ),
    (
        &[
            "translate",
            "model",
            "route",
            "authz",
            "config",
            "gateway-api",
            "inject",
            "simulate",
        ],
        &["tokio", "tonic", "hyper"],
    ),
];

/// Packages that only some crates may use directly.
const RESERVED: &[(&str, &[&str])] = &[
    ("rustls", &["tls"]),
    ("tokio-rustls", &["tls"]),
    ("kube", &["ingest"]),
    (
        "anyhow",
        &["meshd", "meshproxy", "meshctl", "apps", "bench", "xtask"],
    ),
];

pub fn run() -> anyhow::Result<()> {
    let metadata = MetadataCommand::new()
        .no_deps()
        .current_dir(crate::shell::root())
        .exec()?;
    let layers: BTreeMap<&str, u8> = LAYERS.iter().copied().collect();
    let mut problems = Vec::new();
    for package in metadata.workspace_packages() {
        let name = short(package);
        if !layers.contains_key(name) {
            problems.push(format!(
                "{name} has no layer: add it to the table in xtask/src/layers.rs"
            ));
        }
        check(package, &layers, &mut problems);
    }
    if !problems.is_empty() {
        bail!(
            "layers: {} problems\n  {}",
            problems.len(),
            problems.join("\n  ")
        );
    }
    println!(
        "layers: {} crates, every edge goes down",
        metadata.workspace_packages().len()
    );
    Ok(())
}

fn short(package: &Package) -> &str {
    package
        .name
        .strip_prefix("ferromesh-")
        .unwrap_or(&package.name)
}

fn check(package: &Package, layers: &BTreeMap<&str, u8>, problems: &mut Vec<String>) {
    let name = short(package);
    let layer = layers.get(name).copied().unwrap_or(0);
    for dependency in &package.dependencies {
        let target = dependency.name.as_str();
        if let Some(lower) = target.strip_prefix("ferromesh-") {
            let for_tests = dependency.kind == DependencyKind::Development;
            if !for_tests && layers.get(lower).is_some_and(|below| *below >= layer) {
                problems.push(format!(
                    "{name} (layer {layer}) → {lower}: not a lower layer"
                ));
            }
        }
        for (crates, banned) in FORBIDDEN {
            if crates.contains(&name)
                && banned.contains(&target)
                && dependency.kind == DependencyKind::Normal
            {
                problems.push(format!("{name} → {target}: forbidden"));
            }
        }
        for (reserved, users) in RESERVED {
            if target == *reserved && !users.contains(&name) {
                problems.push(format!(
                    "{name} → {target}: only {} may use it",
                    users.join(", ")
                ));
            }
        }
    }
}
