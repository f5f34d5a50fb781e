//! What the checks found: a line each on the terminal, and every figure by name in a file.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::Path;

use serde::Serialize;

/// The report of one run.
#[derive(Serialize)]
pub struct Report {
    data_plane: String,
    check: bool,
    checks: Vec<Check>,
    figures: BTreeMap<String, f64>,
}

#[derive(Serialize)]
struct Check {
    name: String,
    held: bool,
    detail: String,
}

impl Report {
    pub fn new(data_plane: &str, check: bool) -> Self {
        Self {
            data_plane: data_plane.to_owned(),
            check,
            checks: Vec::new(),
            figures: BTreeMap::new(),
        }
    }

    /// A check held.
    pub fn held(&mut self, name: &str, figures: &[(&str, f64)]) {
        self.check(name, true, "", figures);
    }

    /// A check failed.
    pub fn failed(&mut self, name: &str, why: &str) {
        self.check(name, false, why, &[]);
    }

    /// A check held or failed, with its figures either way.
    pub fn check(&mut self, name: &str, held: bool, why: &str, figures: &[(&str, f64)]) {
        let shown: Vec<String> = figures
            .iter()
            .map(|(name, value)| format!("{name}={}", rounded(*value)))
            .collect();
        let detail = if held || why.is_empty() {
            shown.join(" ")
        } else {
            format!("{why} {}", shown.join(" "))
        };
        let colon = if detail.is_empty() { "" } else { ": " };
        println!("{} {name}{colon}{detail}", mark(held));
        for (figure, value) in figures {
            self.figures.insert((*figure).to_owned(), *value);
        }
        self.checks.push(Check {
            name: name.to_owned(),
            held,
            detail,
        });
    }

    pub fn checks(&self) -> usize {
        self.checks.len()
    }

    pub fn failures(&self) -> usize {
        self.checks.iter().filter(|check| !check.held).count()
    }

    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        Ok(std::fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn mark(held: bool) -> &'static str {
    match (held, std::io::stdout().is_terminal()) {
        (true, true) => "\x1b[32mok    \x1b[0m",
        (true, false) => "ok    ",
        (false, true) => "\x1b[31mFAILED\x1b[0m",
        (false, false) => "FAILED",
    }
}
