//! The rows of the table: raw bytes in, required outcome out. Kept in `tests/http1/*.yaml`.
//!
//! In texts that stand for bytes each character up to U+00FF is one byte.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::message::bytes;

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// What is shown, as a sentence.
    pub name: String,
    /// The section that requires it.
    pub rfc: String,
    /// The listener, from `listeners.yaml`.
    #[serde(default = "plain")]
    pub listener: String,
    /// What the client sends.
    pub send: Pieces,
    /// The methods of the requests, where they are not GET or POST.
    #[serde(default)]
    pub methods: Vec<String>,
    /// What the endpoint answers, request by request; `200` with the body `ok` where none is given.
    #[serde(default)]
    pub upstream: Vec<Pieces>,
    /// Whether the endpoint answers when it has the head, before the body.
    #[serde(default)]
    pub upstream_early: bool,
    /// Whether the endpoint closes after its answer.
    #[serde(default)]
    pub upstream_close: bool,
    /// The answers that the client must get.
    pub answers: Vec<Answer>,
    /// The requests that must reach the endpoint, whole.
    #[serde(default)]
    pub forwarded: Vec<Forwarded>,
    /// How the client goes on.
    #[serde(default)]
    pub finish: Finish,
    /// What must become of the connection; unless given, an error closes it.
    pub after: Option<After>,
    /// Why the stock Envoy does something else; it must, where this is given.
    pub differs: Option<String>,
}

fn plain() -> String {
    "plain".to_owned()
}

/// Bytes in one or several pieces.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Pieces {
    /// One text.
    One(String),
    /// Several.
    Several(Vec<Piece>),
}

/// A piece of what is sent.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Piece {
    /// A text.
    Text(String),
    /// A text many times over.
    Repeat {
        /// The text.
        repeat: String,
        /// How often.
        times: usize,
    },
    /// Nothing more is sent before so many answers came in all.
    Answers {
        /// How many.
        after_answers: usize,
    },
    /// Bytes of a tunnel, which the endpoint sends back.
    Echo {
        /// The bytes.
        echo: String,
    },
}

impl Pieces {
    /// The pieces.
    pub fn list(&self) -> Vec<Piece> {
        match self {
            Self::One(text) => vec![Piece::Text(text.clone())],
            Self::Several(list) => list.clone(),
        }
    }

    /// All bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.list().iter().flat_map(Piece::bytes).collect()
    }
}

impl Piece {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) | Self::Echo { echo: text } => bytes(text),
            Self::Repeat { repeat, times } => bytes(repeat).repeat(*times),
            Self::Answers { .. } => Vec::new(),
        }
    }
}

/// A required answer.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// Its status.
    Status(u16),
    /// More than that.
    Full(Expected),
}

/// A required request at the endpoint.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Forwarded {
    /// Method and target.
    Line(String),
    /// More than that.
    Full(Expected),
}

/// What a message must be like.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Method and target of a request.
    #[serde(default)]
    pub line: String,
    /// The status of an answer.
    #[serde(default)]
    pub status: u16,
    /// Fields that must be there, as `name: value`.
    #[serde(default)]
    pub has: Vec<String>,
    /// Names of fields that must not be there.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// The body.
    pub body: Option<String>,
    /// All trailers, as `name: value`.
    pub trailers: Option<Vec<String>>,
    /// Whether the body breaks off.
    #[serde(default)]
    pub broken: bool,
}

impl Answer {
    /// In full.
    pub fn expected(&self) -> Expected {
        match self {
            Self::Status(status) => Expected {
                status: *status,
                ..Expected::default()
            },
            Self::Full(expected) => expected.clone(),
        }
    }
}

impl Forwarded {
    /// In full.
    pub fn expected(&self) -> Expected {
        match self {
            Self::Line(line) => Expected {
                line: line.clone(),
                ..Expected::default()
            },
            Self::Full(expected) => expected.clone(),
        }
    }
}

/// How the client goes on when it has the answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// It sends one more request, whose answer shows that both sides are in step.
    #[default]
    Probe,
    /// It ends its sending and reads to the end.
    HalfClose,
    /// It reads to the end.
    Read,
    /// It goes away.
    Leave,
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// It carried the next request.
    Open,
    /// The proxy ended it.
    Closed,
    /// Neither, in the time that the check waits.
    Silent,
    /// It is a tunnel.
    Tunnel,
    /// The client left.
    Left,
}

/// Reads all rows below a folder.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    let listing = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<_> = listing.collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files.iter().map(fs::DirEntry::path) {
        let is_table = file.extension().is_some_and(|end| end == "yaml")
            && file
                .file_name()
                .is_some_and(|name| name != "listeners.yaml");
        if is_table {
            let text = fs::read_to_string(&file)?;
            let read: Vec<Row> = serde_yaml_ng::from_str(&text)
                .with_context(|| format!("{} is no table", file.display()))?;
            rows.extend(read);
        }
    }
    let mut names = BTreeSet::new();
    for row in &rows {
        if !names.insert(&row.name) {
            bail!("two rows are called {:?}", row.name);
        }
    }
    Ok(rows)
}
