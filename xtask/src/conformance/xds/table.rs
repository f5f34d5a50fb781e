//! What our proxy refuses of the recorded states, and where our control plane's differ: by the
//! beginning of the line, each with its reason.

use crate::conformance::Case;

/// A part of the line that it explains, and why that is so.
pub(super) type Row = (&'static str, &'static str, &'static str);

/// What our proxy does not take: beginning, part of the message, reason.
pub(super) const REFUSED: &[Row] = &[
    ("ap-custom-http ", ".ExtAuthz is not supported", FOREIGN),
    ("ra-inline ", ".JwtAuthentication is not supported", JWT),
    (
        "ra-claim-routing ",
        ".JwtAuthentication is not supported",
        JWT,
    ),
    (
        "ra-claim-routing ",
        "dynamic_metadata: is not supported",
        JWT,
    ),
    ("dr-tls-modes ", "/etc/certs/ca.crl cannot be read", FILE),
    ("ef-http-filter ", ".LocalRateLimit is not supported", RATE),
    ("proxy-tproxy ", ".OriginalSrc is not supported", TPROXY),
    ("trafficextension-lua ", ".Lua is not supported", EXTENSION),
    (
        "wasm-http ",
        "config_discovery: is not supported",
        EXTENSION,
    ),
];

const FOREIGN: &str = "our proxy does not ask other servers about requests yet";
const JWT: &str = "our proxy does not check tokens yet, so there are no claims to route by";
const FILE: &str = "the file is not here; a stock Envoy refuses it as well";
const RATE: &str = "our proxy has no limits of this kind yet";
const TPROXY: &str = "our proxy does not take over the client's address yet";
const EXTENSION: &str = "our proxy runs no foreign code yet";

/// Where calls end elsewhere: beginning, part of the line, reason.
pub(super) const DIFFERENT: &[Row] = &[
    ("gwapi-http ", "/r/a", REGEX_ORDER),
    ("ef-cluster ", "", ENVOY_FILTER),
    ("ef-listener ", "10.96.1.80:8200", ENVOY_FILTER),
];

const REGEX_ORDER: &str =
    "D28: we try a regular expression before the rule for everything, which hides it in Istio";
const ENVOY_FILTER: &str = "EnvoyFilter has no effect in this version";

/// A table of which every row has to explain something.
pub(super) struct Explained {
    rows: &'static [Row],
    used: Vec<bool>,
}

impl Explained {
    pub(super) fn new(rows: &'static [Row]) -> Self {
        Self {
            rows,
            used: vec![false; rows.len()],
        }
    }

    /// Whether a row explains the line.
    pub(super) fn explains(&mut self, line: &str) -> bool {
        let mut found = false;
        for ((begin, part, _), used) in self.rows.iter().zip(&mut self.used) {
            if line.starts_with(begin) && line.contains(part) {
                *used = true;
                found = true;
            }
        }
        found
    }

    /// The rows that explained nothing, as a case that fails.
    pub(super) fn stale(&self, table: &str) -> Case {
        let rows = self.rows.iter().zip(&self.used).filter(|(_, used)| !**used);
        Case {
            name: format!("{table} table"),
            differences: rows
                .map(|((begin, part, reason), _)| {
                    format!("the row {begin:?} {part:?} ({reason}) explains nothing: take it out")
                })
                .collect(),
        }
    }
}
