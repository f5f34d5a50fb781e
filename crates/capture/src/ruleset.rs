//! Rules of one IP family, in the order in which they were added, and their two written forms:
//! commands of `iptables`, and the input of `iptables-restore`.

use std::fmt::Write as _;

/// Which protocol family a rule set is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// IPv4, `iptables`.
    V4,
    /// IPv6, `ip6tables`.
    V6,
}

/// The table that a rule lives in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Table(pub String);

impl Table {
    pub(crate) fn nat() -> Self {
        Self("nat".to_owned())
    }

    pub(crate) fn mangle() -> Self {
        Self("mangle".to_owned())
    }

    pub(crate) fn raw() -> Self {
        Self("raw".to_owned())
    }
}

/// Where in its chain a rule goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// At the end.
    Append,
    /// As number n, counted from 1.
    Insert(u32),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The table.
    pub table: Table,
    /// The chain.
    pub chain: String,
    /// Where in the chain.
    pub position: Position,
    /// Matches and target, as `iptables` writes them.
    pub arguments: String,
}

impl Rule {
    pub(crate) fn is_in_built_in_chain(&self) -> bool {
        BUILT_IN_CHAINS.contains(&self.chain.as_str())
    }
}

/// Chains that the kernel provides; all others must be created first.
const BUILT_IN_CHAINS: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// The rules of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    rules: Vec<Rule>,
}

impl Ruleset {
    /// Adds a rule.
    pub fn push(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(crate) fn append(&mut self, table: Table, chain: &str, arguments: impl Into<String>) {
        let (chain, position) = (chain.to_owned(), Position::Append);
        self.push(Rule {
            table,
            chain,
            position,
            arguments: arguments.into(),
        });
    }

    pub(crate) fn insert(
        &mut self,
        table: Table,
        chain: &str,
        number: u32,
        arguments: impl Into<String>,
    ) {
        let (chain, position) = (chain.to_owned(), Position::Insert(number));
        self.push(Rule {
            table,
            chain,
            position,
            arguments: arguments.into(),
        });
    }

    /// All rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The tables that have rules, in alphabetical order.
    pub fn tables(&self) -> Vec<&Table> {
        let mut tables: Vec<_> = self.rules.iter().map(|rule| &rule.table).collect();
        tables.sort();
        tables.dedup();
        tables
    }

    /// The chains of `table` that have to be created, in the order of their first rule.
    pub fn own_chains(&self, table: &Table) -> Vec<&str> {
        let mut chains: Vec<&str> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.table == *table) {
            let chain = rule.chain.as_str();
            if !BUILT_IN_CHAINS.contains(&chain) && !chains.contains(&chain) {
                chains.push(chain);
            }
        }
        chains
    }

    /// Arguments of one `iptables` call a line: first the chains, then the rules.
    pub fn commands(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut created: Vec<(&Table, &str)> = Vec::new();
        for rule in &self.rules {
            let key = (&rule.table, rule.chain.as_str());
            if !BUILT_IN_CHAINS.contains(&key.1) && !created.contains(&key) {
                created.push(key);
                lines.push(format!("-t {} -N {}", rule.table.0, rule.chain));
            }
        }
        lines.extend(
            self.rules
                .iter()
                .map(|rule| format!("-t {} {}", rule.table.0, line(rule))),
        );
        lines
    }

    /// The input of `iptables-restore --noflush`.
    pub fn restore_text(&self) -> String {
        self.restore_text_after(&[])
    }

    /// The same, with lines that are to run first in their table, all in one transaction.
    pub(crate) fn restore_text_after(&self, first: &[(Table, Vec<String>)]) -> String {
        let mut tables = self.tables();
        tables.extend(first.iter().map(|(table, _)| table));
        tables.sort();
        tables.dedup();
        let mut text = String::new();
        for table in tables {
            let _ = writeln!(text, "* {}", table.0);
            for before in first
                .iter()
                .filter(|(of, _)| of == table)
                .flat_map(|(_, lines)| lines)
            {
                let _ = writeln!(text, "{before}");
            }
            for chain in self.own_chains(table) {
                let _ = writeln!(text, "-N {chain}");
            }
            for rule in self.rules.iter().filter(|rule| rule.table == *table) {
                let _ = writeln!(text, "{}", line(rule));
            }
            text.push_str("COMMIT\n");
        }
        text
    }
}

fn line(rule: &Rule) -> String {
    match rule.position {
        Position::Append => format!("-A {} {}", rule.chain, rule.arguments),
        Position::Insert(number) => format!("-I {} {number} {}", rule.chain, rule.arguments),
    }
}
