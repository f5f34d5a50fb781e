//! One file: read, told apart from its last version, parsed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use ferromesh_config::{Code, Object, Origin, Problem, parse_all};
use ferromesh_types::{ResourceKey, Str};

use crate::scan::{Rank, Stamp};

/// No config file is larger; more is a mistake that must not take the memory.
const LARGEST: u64 = 64 << 20;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct FileState {
    /// Which sort of root it is below.
    pub(crate) rank: Rank,
    /// The objects that it puts in force: those of its text, and last good versions of those whose
    /// text is broken.
    pub(crate) objects: HashMap<ResourceKey, Arc<Object>>,
    /// What is wrong with it.
    pub(crate) problems: Vec<Problem>,
    stamp: Option<Stamp>,
    digest: Option<u64>,
}

/// What makes one look at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is known to be written.
    Written,
    /// Everything is looked at.
    Routine,
}

/// The outcome of a look at a file.
#[derive(Debug)]
pub(crate) enum Look {
    /// As before.
    Same,
    /// Not there.
    Gone,
    /// A new state.
    Changed(FileState),
}

impl FileState {
    /// Looks at a file whose last state is `before`. A stamp that did not change proves nothing
    /// when the file is known to be written: two writes can fall into one tick of the clock.
    pub(crate) fn look(path: &Path, rank: Rank, before: Option<&Self>, why: Why) -> Look {
        let stamp = match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Stamp::of(&metadata),
            Ok(_) => return Look::Gone,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Look::Gone,
            Err(error) => return Self::unreadable(path, rank, before, &error),
        };
        if why == Why::Routine && before.is_some_and(|before| before.stamp == Some(stamp)) {
            return Look::Same;
        }
        match read(path) {
            Ok(text) => {
                let digest = digest(&text);
                let unchanged = |before: &&Self| before.digest == Some(digest);
                if let Some(before) = before.filter(unchanged)
                    && before.stamp == Some(stamp)
                {
                    return Look::Same;
                }
                let state = match before {
                    Some(before) if before.digest == Some(digest) => Self {
                        rank,
                        objects: before.objects.clone(),
                        problems: before.problems.clone(),
                        stamp: Some(stamp),
                        digest: Some(digest),
                    },
                    before => Self {
                        stamp: Some(stamp),
                        digest: Some(digest),
                        ..Self::parse(&text, path, rank, before)
                    },
                };
                Look::Changed(state)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Look::Gone,
            Err(error) => Self::unreadable(path, rank, before, &error),
        }
    }

    fn parse(text: &str, path: &Path, rank: Rank, before: Option<&Self>) -> Self {
        let file = path.to_string_lossy();
        let mut objects: HashMap<ResourceKey, Arc<Object>> = HashMap::new();
        let mut problems = Vec::new();
        let (mut broken, mut nameless) = (Vec::new(), false);
        for parsed in parse_all(text, &file) {
            match parsed {
                Ok(object) => match objects.get(&object.key) {
                    Some(first) => problems.push(duplicate(&object, first)),
                    None => {
                        objects.insert(object.key.clone(), Arc::new(object));
                    }
                },
                Err(rejected) => {
                    nameless |= rejected.is_error() && rejected.key.is_none();
                    if rejected.is_error() {
                        broken.extend(rejected.key);
                    }
                    problems.extend(rejected.problems);
                }
            }
        }
        // Broken text that does not say which object it was may have been any of those that are
        // missing now; with a broken kind it still says the name.
        let same_name = |key: &ResourceKey, broken: &ResourceKey| {
            key.name == broken.name
                && (key.namespace == broken.namespace || key.namespace.is_empty())
        };
        for (key, last_good) in before.into_iter().flat_map(|before| &before.objects) {
            if !objects.contains_key(key)
                && (nameless || broken.iter().any(|broken| same_name(key, broken)))
            {
                objects.insert(key.clone(), Arc::clone(last_good));
            }
        }
        Self {
            rank,
            objects,
            problems,
            stamp: None,
            digest: None,
        }
    }

    fn unreadable(path: &Path, rank: Rank, before: Option<&Self>, error: &io::Error) -> Look {
        let problem = Problem {
            origin: Some(Origin {
                file: Str::from(path.to_string_lossy().as_ref()),
                line: 0,
            }),
            ..Problem::error(Code::Unreadable, format!("cannot be read: {error}"))
        };
        Look::Changed(Self {
            rank,
            objects: before
                .map(|before| before.objects.clone())
                .unwrap_or_default(),
            problems: vec![problem],
            stamp: None,
            digest: None,
        })
    }
}

/// The problem of an object that is there twice.
pub(crate) fn duplicate(second: &Object, first: &Object) -> Problem {
    let place = first
        .origin
        .as_ref()
        .map_or_else(String::new, |origin| format!(" at {origin}"));
    Problem {
        key: Some(second.key.clone()),
        origin: second.origin.clone(),
        ..Problem::error(
            Code::Duplicate,
            format!(
                "this object exists twice: the one{place} is in force, this one is not; remove one"
            ),
        )
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!(
            "larger than {} MiB",
            LARGEST >> 20
        )));
    }
    String::from_utf8(bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("not UTF-8: {error}")))
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
