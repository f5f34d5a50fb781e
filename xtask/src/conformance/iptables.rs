//! Set `iptables`: recorded configurations to rules, and the builder's written forms.
//!
//! Rules are compared per table and chain, in order, since the order is the meaning.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use ferromesh_capture::{Config, Position, Rule, Ruleset, Table, plan};
use serde_json::Value;

use super::{Case, case_folders, read_json};

/// Rules by table and chain, chains that are created included as empty lists.
type Chains = BTreeMap<(String, String), Vec<String>>;

pub fn run(set: &Path) -> anyhow::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (name, folder) in case_folders(&set.join("iptables-capture"))? {
        let differences = capture(&folder).with_context(|| format!("case {name}"))?;
        cases.push(Case {
            name: format!("iptables-capture/{name}"),
            differences,
        });
    }
    for (name, folder) in case_folders(&set.join("iptables-builder"))? {
        let differences = builder(&folder).with_context(|| format!("case {name}"))?;
        cases.push(Case {
            name: format!("iptables-builder/{name}"),
            differences,
        });
    }
    Ok(cases)
}

fn capture(folder: &Path) -> anyhow::Result<Vec<String>> {
    let case = read_json(&folder.join("case.json"))?;
    let config: Config = serde_json::from_value(case["config"].clone())?;
    let expected = fs::read_to_string(folder.join(text(&case["expected"])?))?;
    let planned = plan(&config);
    // The recording holds the input for IPv4, then that for IPv6 if there is any.
    let mut found = vec![chains(&planned.v4.restore_text())];
    found.extend(planned.v6.iter().map(|rules| chains(&rules.restore_text())));
    let expected = families(&expected);
    if expected.len() != found.len() {
        return Ok(vec![format!(
            "expected {} families, found {}",
            expected.len(),
            found.len()
        )]);
    }
    let families = ["IPv4", "IPv6"]
        .into_iter()
        .zip(expected.iter().zip(&found));
    Ok(families
        .flat_map(|(family, (want, have))| differ(family, want, have))
        .collect())
}

/// Splits a recording where a table comes for the second time: there the next family begins.
fn families(recording: &str) -> Vec<Chains> {
    let mut parts: Vec<String> = vec![String::new()];
    let mut seen: Vec<&str> = Vec::new();
    for line in recording.lines() {
        if let Some(table) = line.strip_prefix("* ") {
            if seen.contains(&table) {
                parts.push(String::new());
                seen.clear();
            }
            seen.push(table);
        }
        let part = parts.last_mut().expect("begins with one part");
        part.push_str(line);
        part.push('\n');
    }
    parts.iter().map(|part| chains(part)).collect()
}

fn chains(restore: &str) -> Chains {
    let mut chains = Chains::new();
    let mut table = String::new();
    for line in restore.lines() {
        if let Some(name) = line.strip_prefix("* ") {
            table = name.to_owned();
            continue;
        }
        let mut words = line.splitn(3, ' ');
        let (verb, chain, rest) = (words.next(), words.next(), words.next().unwrap_or_default());
        let (Some(verb @ ("-N" | "-A" | "-I")), Some(chain)) = (verb, chain) else {
            continue;
        };
        let rules = chains.entry((table.clone(), chain.to_owned())).or_default();
        match verb {
            "-A" => rules.push(rest.to_owned()),
            "-I" => {
                let (number, rule) = rest.split_once(' ').unwrap_or(("1", rest));
                let at = number
                    .parse::<usize>()
                    .unwrap_or(1)
                    .saturating_sub(1)
                    .min(rules.len());
                rules.insert(at, rule.to_owned());
            }
            _ => {}
        }
    }
    chains
}

fn differ(family: &str, expected: &Chains, found: &Chains) -> Vec<String> {
    let mut list = Vec::new();
    for ((table, chain), rules) in expected {
        let have = found.get(&(table.clone(), chain.clone()));
        let Some(have) = have else {
            list.push(format!("{family} {table} {chain}: missing"));
            continue;
        };
        for index in 0..rules.len().max(have.len()) {
            let (want, have) = (rules.get(index), have.get(index));
            if want != have {
                list.push(format!(
                    "{family} {table} {chain} {index}: expected {want:?}, found {have:?}"
                ));
            }
        }
    }
    let more = found.keys().filter(|key| !expected.contains_key(*key));
    list.extend(more.map(|(table, chain)| format!("{family} {table} {chain}: not expected")));
    list
}

fn builder(folder: &Path) -> anyhow::Result<Vec<String>> {
    let case = read_json(&folder.join("case.json"))?;
    let mut differences = Vec::new();
    for family in ["v4", "v6"] {
        let rules = rules(&case["rules"], family)?;
        let expected = &case["expected"][family];
        if expected.is_null() {
            if !rules.is_empty() {
                differences.push(format!("{family}: no rules expected"));
            }
            continue;
        }
        let commands = fs::read_to_string(folder.join(text(&expected["commands"])?))?;
        let restore = fs::read_to_string(folder.join(text(&expected["restore"])?))?;
        for (form, want, have) in [
            ("commands", commands, rules.commands().join("\n")),
            ("restore", restore, rules.restore_text()),
        ] {
            if want.trim() != have.trim() {
                differences.push(format!(
                    "{family} {form}: expected {want:?}, found {have:?}"
                ));
            }
        }
    }
    Ok(differences)
}

fn rules(list: &Value, family: &str) -> anyhow::Result<Ruleset> {
    let mut rules = Ruleset::default();
    let operations = list.as_array().context("no list of rules")?;
    for operation in operations
        .iter()
        .filter(|operation| operation["family"] == family)
    {
        let words = operation["rule"].as_array().context("no rule")?;
        let arguments: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        let number = operation["position"].as_u64().unwrap_or(1);
        rules.push(Rule {
            table: Table(text(&operation["table"])?.to_owned()),
            chain: text(&operation["chain"])?.to_owned(),
            position: match text(&operation["op"])? {
                "insert" => Position::Insert(u32::try_from(number)?),
                _ => Position::Append,
            },
            arguments: arguments.join(" "),
        });
    }
    Ok(rules)
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value
        .as_str()
        .with_context(|| format!("{value} is no text"))
}
