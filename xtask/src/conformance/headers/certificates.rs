//! `x-forwarded-client-cert`: what the endpoint is told about the client's certificate, in the five
//! modes, without TLS, over TLS without a certificate, and over mutual TLS.

use serde_json::{Value, json};

use crate::conformance::beside::{Row, Way, row};

const CLAIM: &str = "x-forwarded-client-cert: By=spiffe://a;URI=spiffe://b";
const CLAIMED: &str = "By=spiffe://a;URI=spiffe://b";
const PLACE: &str = "upstream[0].x-forwarded-client-cert";

/// Modes with names for rows on each way, with a claim and, over mutual TLS, without one.
const MODES: [(&str, [&str; 4]); 5] = [
    (
        "SANITIZE",
        [
            "a claim in the clear, sanitize",
            "a claim over TLS, sanitize",
            "a claim over mutual TLS, sanitize",
            "no claim over mutual TLS, sanitize",
        ],
    ),
    (
        "FORWARD_ONLY",
        [
            "a claim in the clear, forward only",
            "a claim over TLS, forward only",
            "a claim over mutual TLS, forward only",
            "no claim over mutual TLS, forward only",
        ],
    ),
    (
        "APPEND_FORWARD",
        [
            "a claim in the clear, append",
            "a claim over TLS, append",
            "a claim over mutual TLS, append",
            "no claim over mutual TLS, append",
        ],
    ),
    (
        "SANITIZE_SET",
        [
            "a claim in the clear, set",
            "a claim over TLS, set",
            "a claim over mutual TLS, set",
            "no claim over mutual TLS, set",
        ],
    ),
    (
        "ALWAYS_FORWARD_ONLY",
        [
            "a claim in the clear, always forward",
            "a claim over TLS, always forward",
            "a claim over mutual TLS, always forward",
            "no claim over mutual TLS, always forward",
        ],
    ),
];

pub fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = MODES
        .iter()
        .flat_map(|(mode, names)| ways(mode, *names))
        .collect();
    rows.push(
        row("a claimed certificate is removed by default")
            .get("/", &[CLAIM])
            .shows(PLACE, ""),
    );
    rows.extend(details());
    rows
}

/// A row for each way to the listener.
fn ways(mode: &str, names: [&'static str; 4]) -> [Row; 4] {
    let fields = json!({"forward_client_cert_details": mode});
    let on = |name, way, claim: bool| {
        let row = row(name).way(way).manager(fields.clone());
        let expected = shown(mode, way, claim);
        let row = row.get("/", if claim { &[CLAIM] } else { &[] });
        match expected {
            Some(expected) => row.shows(PLACE, expected),
            // The hash of a certificate that is made for this run: both must show the same.
            None => row.shows("log[0].code", "200"),
        }
    };
    [
        on(names[0], Way::Plain, true),
        on(names[1], Way::Tls, true),
        on(names[2], Way::MutualTls, true),
        on(names[3], Way::MutualTls, false),
    ]
}

/// What the endpoint sees, where that does not depend on the certificate.
fn shown(mode: &str, way: Way, claim: bool) -> Option<&'static str> {
    let claimed = if claim { CLAIMED } else { "" };
    match (mode, way) {
        ("ALWAYS_FORWARD_ONLY", _) | ("FORWARD_ONLY", Way::MutualTls) => Some(claimed),
        ("APPEND_FORWARD" | "SANITIZE_SET", Way::MutualTls) => None,
        _ => Some(""),
    }
}

/// Which parts of the certificate are told, and how they are written.
fn details() -> Vec<Row> {
    let set = |details: Value| {
        json!({
            "forward_client_cert_details": "SANITIZE_SET",
            "set_current_client_cert_details": details,
        })
    };
    let told = |name, details| {
        let row = row(name).way(Way::MutualTls).manager(set(details));
        row.get("/", &[CLAIM]).shows("log[0].code", "200")
    };
    vec![
        told("the subject of a certificate", json!({"subject": true})),
        told("the URI names of a certificate", json!({"uri": true})),
        told("the DNS names of a certificate", json!({"dns": true})),
        told("a certificate as a whole", json!({"cert": true})),
        told("a certificate with its chain", json!({"chain": true})),
        told(
            "everything about a certificate",
            json!({"subject": true, "cert": true, "chain": true, "dns": true, "uri": true}),
        ),
        row("a certificate behind a claim of several elements")
            .way(Way::MutualTls)
            .manager(json!({
                "forward_client_cert_details": "APPEND_FORWARD",
                "set_current_client_cert_details": {"uri": true},
            }))
            .get("/", &[CLAIM, "x-forwarded-client-cert: Hash=1,Hash=2"])
            .shows("log[0].code", "200"),
    ]
}
