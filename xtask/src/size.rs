//! The house's limits: a file of more than 350 lines or a function of more than 60 is worth a
//! question; above 600 or 100 the check fails. Tests at the end of a file do not count.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;

/// Above these the check fails.
const LONGEST_FILE: usize = 600;
const LONGEST_FUNCTION: usize = 100;
/// Above these a file or function is listed.
const LONG_FILE: usize = 350;
const LONG_FUNCTION: usize = 60;

/// Files that may be longer, with the reason.
const ALLOWED: &[(&str, &str)] = &[];

pub fn run() -> anyhow::Result<()> {
    let root = crate::shell::root();
    let mut files = Vec::new();
    for folder in ["crates", "samples", "bench", "xtask", "fuzz"] {
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    let (mut failures, mut questions) = (Vec::new(), 0);
    for path in &files {
        let text = fs::read_to_string(path)?;
        let name = path
            .strip_prefix(&root)
            .unwrap_or(path)
            .display()
            .to_string();
        if name.contains("/tests/") || name.ends_with("tests.rs") {
            continue;
        }
        let lines = product_lines(&text);
        let allowed = ALLOWED.iter().any(|(allowed, _)| *allowed == name);
        if lines.len() > LONGEST_FILE && !allowed {
            failures.push(format!("{name}: {} lines", lines.len()));
        }
        questions += usize::from(lines.len() > LONG_FILE);
        for (at, length) in functions(&lines) {
            if length > LONGEST_FUNCTION && !allowed {
                failures.push(format!("{name}:{}: a function of {length} lines", at + 1));
            }
            questions += usize::from(length > LONG_FUNCTION);
        }
    }
    if !failures.is_empty() {
        bail!(
            "size: too long, split by concept:\n  {}",
            failures.join("\n  ")
        );
    }
    println!(
        "size: {} files within the limits, {questions} long ones",
        files.len()
    );
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn product_lines(text: &str) -> Vec<&str> {
    text.lines()
        .take_while(|line| *line != "#[cfg(test)]")
        .collect()
}

/// Where functions begin and how many lines they have. Formatted code closes a function with a
/// brace at the indentation of its first line.
fn functions(lines: &[&str]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let body = line.trim_start();
        let starts = [
            "fn ",
            "pub fn ",
            "async fn ",
            "pub async fn ",
            "pub(crate) fn ",
            "pub(super) fn ",
            "pub(crate) async fn ",
            "pub(super) async fn ",
            "const fn ",
            "pub const fn ",
        ];
        if !starts.iter().any(|start| body.starts_with(start)) {
            continue;
        }
        let closing = format!("{}}}", &line[..line.len() - body.len()]);
        if let Some(length) = lines[at..].iter().position(|line| *line == closing) {
            let declared_only = lines[at..=at + length]
                .iter()
                .any(|line| line.ends_with(';') && line.starts_with(body));
            if !declared_only {
                found.push((at, length + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_to_their_closing_brace() {
        let lines: Vec<&str> = "impl X {\n    fn a() {\n        b();\n    }\n}\nfn c() {\n}\n"
            .lines()
            .collect();
        assert_eq!(functions(&lines), [(1, 3), (5, 2)]);
    }
}
