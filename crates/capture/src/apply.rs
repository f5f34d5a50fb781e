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
    let text = rules.restore_text_after(&removal_in_force(program, rules)?);
    run(&format!("{program}-restore"), &["--noflush"], &text).map(drop)
}

fn clean(program: &str, rules: &Ruleset) -> Result<(), ApplyError> {
    let text = Ruleset::default().restore_text_after(&removal_in_force(program, rules)?);
    run(&format!("{program}-restore"), &["--noflush"], &text).map(drop)
}

/// The lines of each table that undo what is in force of an earlier run.
type Removal = Vec<(Table, Vec<String>)>;

fn removal_in_force(program: &str, rules: &Ruleset) -> Result<Removal, ApplyError> {
    let present = run(&format!("{program}-save"), &[], "")?;
    let mut removals = removal(&present);
    if removals.is_empty() {
        return Ok(removals);
    }
    // Rules of built-in chains that do not lead to one of ours are printed in another spelling
    // than they were given; only the program itself can tell whether they are there.
    for rule in rules
        .rules()
        .iter()
        .filter(|rule| rule.is_in_built_in_chain() && !leads_to_ours(&rule.arguments))
    {
        let words = format!("-t {} -C {} {}", rule.table.0, rule.chain, rule.arguments);
        let words: Vec<&str> = words.split_whitespace().collect();
        if run(program, &words, "").is_ok() {
            let line = format!("-D {} {}", rule.chain, rule.arguments);
            match removals.iter_mut().find(|(table, _)| *table == rule.table) {
                Some((_, lines)) => lines.insert(0, line),
                None => removals.push((rule.table.clone(), vec![line])),
            }
        }
    }
    Ok(removals)
}

fn leads_to_ours(rule: &str) -> bool {
    rule.contains("-j ISTIO_")
}

/// What `present` (the output of iptables-save) holds of our chains: the jumps to them go first,
/// then the chains.
fn removal(present: &str) -> Removal {
    let mut removals = Removal::new();
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
            if !rule.starts_with("ISTIO_") && leads_to_ours(rule) {
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

    #[test]
    fn what_an_earlier_run_left_is_removed_and_other_rules_stay() {
        let present = "*nat\n:PREROUTING ACCEPT [0:0]\n:ISTIO_OUTPUT - [0:0]\n\
            -A PREROUTING -p tcp -j ISTIO_INBOUND\n-A PREROUTING -p udp -j ACCEPT\n\
            -A ISTIO_OUTPUT -j RETURN\nCOMMIT\n";
        let removed = removal(present);
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
