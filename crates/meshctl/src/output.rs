//! What commands print: lines, tables, JSON and YAML. Colours only on a terminal, and never when
//! `NO_COLOR` is set.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::cli::Format;

/// Writes to standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    coloured: bool,
}

/// How a text stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// All is well.
    Good,
    /// Worth a look.
    Doubtful,
    /// Wrong.
    Bad,
    /// Less important.
    Quiet,
}

impl Output {
    pub(crate) fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self {
            coloured: wanted && io::stdout().is_terminal(),
        }
    }

    /// Prints a line.
    pub(crate) fn line(text: &str) {
        write_out(&format!("{text}\n"));
    }

    /// `text` in `tone`, where that can be shown.
    pub(crate) fn tone(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Good => "32",
            Tone::Doubtful => "33",
            Tone::Bad => "31",
            Tone::Quiet => "2",
        };
        if self.coloured {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Prints `value` in a machine's format; false when a table is wanted.
    pub(crate) fn machine<T: Serialize>(format: Format, value: &T) -> anyhow::Result<bool> {
        match format {
            Format::Table => return Ok(false),
            Format::Json => Self::line(&serde_json::to_string_pretty(value)?),
            Format::Yaml => write_out(&serde_yaml_ng::to_string(value)?),
        }
        Ok(true)
    }

    /// Prints a table with aligned columns.
    pub(crate) fn table(self, header: &[&str], rows: &[Vec<Cell>]) {
        let mut widths: Vec<usize> = header.iter().map(|title| title.chars().count()).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        let titles: Vec<Cell> = header.iter().map(|title| Cell::from(*title)).collect();
        for row in std::iter::once(&titles).chain(rows) {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                let room = width - cell.text.chars().count() + 3;
                line.push_str(&self.tone(cell.tone, &cell.text));
                line.push_str(&" ".repeat(room));
            }
            Self::line(line.trim_end());
        }
    }

    /// Prints an error to standard error.
    pub(crate) fn error(message: &str) {
        Self::remark(Tone::Bad, "error", message);
    }

    /// Prints `word: message` to standard error.
    pub(crate) fn remark(tone: Tone, word: &str, message: &str) {
        let coloured = Self {
            coloured: io::stderr().is_terminal(),
        };
        let word = coloured.tone(tone, &format!("{word}:"));
        // Nothing is left to tell it to when standard error is closed.
        let _ = writeln!(io::stderr(), "{word} {message}");
    }
}

/// One cell of a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// A reader that has seen enough (`| head`) is no error.
pub(crate) fn write_out(text: &str) {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    if let Err(error) = written {
        std::process::exit(i32::from(error.kind() != io::ErrorKind::BrokenPipe));
    }
}
