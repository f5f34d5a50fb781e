//! What is on the machine that a sandbox could leave behind: network namespaces, interfaces,
//! rules, mounts and processes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell;

/// Everything found at one moment, a line each.
pub struct Machine(BTreeSet<String>);

impl Machine {
    /// Looks around; processes are those that run one of `programs`.
    pub fn look(programs: &[PathBuf]) -> anyhow::Result<Self> {
        let mut found = BTreeSet::new();
        let mut add = |what: &str, text: &str, part: fn(&str) -> &str| {
            found.extend(
                text.lines()
                    .map(|line| format!("{what} {}", part(line).trim())),
            );
        };
        // `fm.x (id: 3)`, `7: veth0@if6: <…>`: the names are what counts.
        add(
            "netns",
            &shell::output(Command::new("ip").args(["netns", "list"]))?,
            |line| line.split(' ').next().unwrap_or_default(),
        );
        add(
            "link",
            &shell::output(Command::new("ip").args(["-o", "link"]))?,
            |line| line.split(' ').nth(1).unwrap_or_default(),
        );
        add("mount", &fs::read_to_string("/proc/self/mounts")?, |line| {
            line
        });
        let rules = shell::output(&mut Command::new("iptables-save")).unwrap_or_default();
        let rules: Vec<&str> = rules
            .lines()
            .filter(|line| line.starts_with("-A"))
            .collect();
        add("rule", &rules.join("\n"), |line| line);
        found.extend(
            processes(programs)?
                .iter()
                .map(|pid| format!("process {pid}")),
        );
        Ok(Self(found))
    }

    /// What is here and was not there `before`.
    pub fn since(&self, before: &Self) -> Vec<String> {
        self.0.difference(&before.0).cloned().collect()
    }
}

/// Processes that run one of these programs, recognised by the file itself: inside of a pod its
/// path is another one.
pub fn processes(programs: &[PathBuf]) -> anyhow::Result<Vec<u32>> {
    let identity = |path: &Path| {
        let file = fs::metadata(path).ok()?;
        Some((file.dev(), file.ino()))
    };
    let wanted: Vec<_> = programs.iter().filter_map(|path| identity(path)).collect();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let program = identity(&entry.path().join("exe"));
        if program.is_some_and(|program| wanted.contains(&program)) {
            found.push(pid);
        }
    }
    Ok(found)
}
