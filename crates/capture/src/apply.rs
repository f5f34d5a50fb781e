//! Applying a plan in the network namespace of this process.
//!
//! What an earlier run left behind is removed and the new rules are added in one transaction of
//! `iptables-restore` per table, so that no packet escapes in between.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use thiserror::Error;

use crate::plan::Plan;
use crate::ruleset::{Ruleset, Table};

/// Why the rules are not in place.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The program could not be started.
    #[error("cannot run `{program}`: {source}; install the package iptables")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// The program refused.
    #[error("`{program}` failed ({status}): {message}")]
    Refused {
        /// The program with its arguments.
        program: String,
        /// Its exit status.
        status: String,
        /// What it printed.
        message: String,
    },
}

/// Puts the rules of `plan` in place; a second run changes nothing.
///
/// # Errors
/// When a program is missing or refuses; rules of the other family may then be in place already.
pub fn apply(plan: &Plan) -> Result<(), ApplyError> {
    replace("iptables", &plan.v4)?;
    if let Some(v6) = &plan.v6 {
        replace("ip6tables", v6)?;
    }
    if let Some((mark, table)) = plan.tproxy_route {
        route_marked_packets(mark, table, plan.v6.is_some())?;
    }
    Ok(())
}

/// Takes the rules of `plan` away again.
///
/// # Errors
/// As for [`apply`].
pub fn remove(plan: &Plan) -> Result<(), ApplyError> {
    clean("iptables", &plan.v4)?;
    plan.v6.as_ref().map_or(Ok(()), |v6| clean("ip6tables", v6))
}

fn replace(program: &str, rules: &Ruleset) -> Result<(), ApplyError> {
    let present = run(&format!("{program}-save"), &[], "")?;
    let text = rules.restore_text_after(&removal(&present, rules));
    run(&format!("{program}-restore"), &["--noflush"], &text).map(drop)
}

fn clean(program: &str, rules: &Ruleset) -> Result<(), ApplyError> {
    let present = run(&format!("{program}-save"), &[], "")?;
    let text = Ruleset::default().restore_text_after(&removal(&present, rules));
    run(&format!("{program}-restore"), &["--noflush"], &text).map(drop)
}

/// The lines that undo what `present` (the output of iptables-save) holds of our chains: jumps to
/// them first, then the rules of built-in chains that the plan itself would add, then the chains.
fn removal(present: &str, rules: &Ruleset) -> Vec<(Table, Vec<String>)> {
    let mut removals: Vec<(Table, Vec<String>)> = Vec::new();
    let mut table = Table(String::new());
    let mut chains: Vec<String> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for line in present.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = Table(name.trim().to_owned());
        } else if let Some(chain) = line.strip_prefix(":ISTIO_") {
            let name = chain.split(' ').next().unwrap_or_default();
            chains.push(format!("ISTIO_{name}"));
        } else if let Some(rule) = line.strip_prefix("-A ") {
            if !rule.starts_with("ISTIO_")
                && (rule.contains("-j ISTIO_") || ours(&table, rule, rules))
            {
                lines.push(format!("-D {rule}"));
            }
        } else if line == "COMMIT" {
            lines.extend(chains.iter().map(|chain| format!("-F {chain}")));
            lines.extend(chains.drain(..).map(|chain| format!("-X {chain}")));
            if !lines.is_empty() {
                removals.push((table.clone(), std::mem::take(&mut lines)));
            }
        }
    }
    removals
}

/// Whether a rule of a built-in chain is one that the plan adds, spelled as the kernel spells it.
fn ours(table: &Table, present: &str, rules: &Ruleset) -> bool {
    let normal = |text: &str| {
        let mut words: Vec<String> = text
            .split_whitespace()
            .map(|word| {
                word.parse::<u32>()
                    .map_or_else(|_| word.to_owned(), |n| format!("{n:#x}"))
            })
            .collect();
        words.sort();
        words
    };
    rules.rules().iter().any(|rule| {
        rule.table == *table
            && normal(present) == normal(&format!("{} {}", rule.chain, rule.arguments))
    })
}

fn route_marked_packets(mark: u32, table: u32, ipv6: bool) -> Result<(), ApplyError> {
    let (mark, table) = (mark.to_string(), table.to_string());
    let families: &[&str] = if ipv6 { &["-4", "-6"] } else { &["-4"] };
    for family in families {
        let rules = run("ip", &[family, "rule", "show", "fwmark", &mark], "")?;
        if rules.trim().is_empty() {
            run(
                "ip",
                &[family, "rule", "add", "fwmark", &mark, "lookup", &table],
                "",
            )?;
        }
        let route = [
            "route", "replace", "local", "default", "dev", "lo", "table", &table,
        ];
        run("ip", &[&[*family], &route[..]].concat(), "")?;
    }
    Ok(())
}

fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, ApplyError> {
    let start = |source| ApplyError::Start {
        program: program.to_owned(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(start)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that stops reading has failed; its status and message say why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(start)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(ApplyError::Refused {
        program: [&[program], arguments].concat().join(" "),
        status: output.status.to_string(),
        message: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::plan::plan;

    #[test]
    fn what_an_earlier_run_left_is_removed_and_other_rules_stay() {
        let present = "*nat\n:PREROUTING ACCEPT [0:0]\n:ISTIO_OUTPUT - [0:0]\n\
            -A PREROUTING -p tcp -j ISTIO_INBOUND\n-A PREROUTING -p udp -j ACCEPT\n\
            -A ISTIO_OUTPUT -j RETURN\nCOMMIT\n";
        let removed = removal(present, &plan(&Config::default()).v4);
        let expected = [
            "-D PREROUTING -p tcp -j ISTIO_INBOUND",
            "-F ISTIO_OUTPUT",
            "-X ISTIO_OUTPUT",
        ];
        assert_eq!(
            removed,
            [(
                Table("nat".to_owned()),
                expected.map(str::to_owned).to_vec()
            )]
        );
    }
}
