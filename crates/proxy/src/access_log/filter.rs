//! Which records an access log takes.

use std::borrow::Cow;

use ferromesh_route::{HeaderMatch, RequestView};

use super::{LogRecord, ResponseFlags};

/// A condition on a record.
#[derive(Clone, Debug)]
pub enum LogFilter {
    /// On the status.
    Status(Comparison),
    /// On the duration in milliseconds.
    Duration(Comparison),
    /// One of the flags is set; an empty set wants any flag at all.
    Flags(ResponseFlags),
    /// On a request header.
    Header(Box<HeaderMatch>),
    /// All of them hold.
    And(Vec<LogFilter>),
    /// One of them holds.
    Or(Vec<LogFilter>),
}

/// A comparison with a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Equal(u64),
    /// Greater or equal.
    AtLeast(u64),
    /// Less or equal.
    AtMost(u64),
    /// Not equal.
    NotEqual(u64),
}

impl Comparison {
    fn holds(self, value: u64) -> bool {
        match self {
            Self::Equal(wanted) => value == wanted,
            Self::AtLeast(wanted) => value >= wanted,
            Self::AtMost(wanted) => value <= wanted,
            Self::NotEqual(wanted) => value != wanted,
        }
    }
}

impl LogFilter {
    /// Whether the record is written.
    pub fn wants(&self, record: &LogRecord<'_>) -> bool {
        match self {
            Self::Status(comparison) => comparison.holds(u64::from(record.status)),
            Self::Duration(comparison) => {
                let millis = record.duration.map_or(0, |span| span.as_millis());
                comparison.holds(u64::try_from(millis).unwrap_or(u64::MAX))
            }
            Self::Flags(wanted) if wanted.is_empty() => !record.flags.is_empty(),
            Self::Flags(wanted) => record.flags.intersects(*wanted),
            Self::Header(matcher) => matcher.is_match(&Headers::new(record)),
            Self::And(all) => all.iter().all(|each| each.wants(record)),
            Self::Or(all) => all.iter().any(|each| each.wants(record)),
        }
    }
}

/// A record as the header matchers see it.
struct Headers<'a> {
    record: &'a LogRecord<'a>,
    method: Cow<'a, str>,
    scheme: Cow<'a, str>,
    authority: Cow<'a, str>,
    path: Cow<'a, str>,
}

impl<'a> Headers<'a> {
    fn new(record: &'a LogRecord<'a>) -> Self {
        let pseudo = |name| {
            let found = record.request.and_then(|request| request.header(name));
            found.unwrap_or_default()
        };
        Self {
            record,
            method: pseudo(":method"),
            scheme: pseudo(":scheme"),
            authority: pseudo(":authority"),
            path: pseudo(":path"),
        }
    }
}

impl RequestView for Headers<'_> {
    fn method(&self) -> &str {
        &self.method
    }

    fn scheme(&self) -> &str {
        &self.scheme
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.record.request?.header(name)
    }
}
