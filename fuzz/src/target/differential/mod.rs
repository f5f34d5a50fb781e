//! Our HTTP/1 parser against other readings of the same bytes: the rules of RFC 9112 written down
//! naively, `httparse` alone, and hyper. Those readings, and the list of what we refuse although
//! hyper accepts it, belong to the test `differential` of the `http` crate.
//!
//! What we accept is read to the same start, host, number of fields, body and remaining bytes as
//! the rules read it, and hyper reads the same body.

#[path = "../../../../crates/http/tests/differential/generate.rs"]
mod generate;
#[path = "../../../../crates/http/tests/differential/other.rs"]
mod other;
#[path = "../../../../crates/http/tests/differential/ours.rs"]
mod ours;
#[path = "../../../../crates/http/tests/differential/rules.rs"]
mod rules;
#[path = "../../../../crates/http/tests/differential/stricter.rs"]
mod stricter;

pub(crate) mod request;
pub(crate) mod response;

use generate::Source;
use ours::Read;
use rules::Reading;

/// Longer messages meet bounds of the readers, which are not the same and are tested elsewhere.
const LONGEST: usize = 16 * 1024;
/// Enough to hold most parts of messages once.
const SEEDS: u64 = 300;

thread_local! {
    /// What drives hyper, on the thread that runs the inputs.
    static RUNTIME: tokio::runtime::Runtime = other::runtime();
}

/// The first message as hyper reads it: method or status, and body.
type HyperRead = Option<(String, Vec<u8>)>;

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// We read what the rules read, and refuse what they refuse.
fn as_ruled(bytes: &[u8], ours: &Read, ruled: Option<&Reading>) {
    assert_eq!(
        ours.as_ref().ok(),
        ruled,
        "ours, the rules: {} {ours:?}",
        shown(bytes)
    );
}

/// hyper reads what we read, or only one of us accepts it for a known reason.
fn as_hyper(bytes: &[u8], ours: &Read, hyper: HyperRead, stricter: &[&[&str]], wider: bool) {
    match (ours, hyper) {
        (Ok(ours), Some((start, body))) => {
            assert_eq!(ours.start, start, "{}", shown(bytes));
            // What follows CONNECT is a tunnel to us and nothing yet to hyper.
            let same = ours.body == body || start == "CONNECT";
            assert!(same, "{}: hyper reads {}", shown(bytes), shown(&body));
        }
        (Ok(ours), None) => assert!(wider, "only we accept {}: {ours:?}", shown(bytes)),
        (Err(reason), Some(read)) => {
            let known = stricter.iter().any(|list| list.contains(&reason.as_str()));
            assert!(known, "{}: {reason}, hyper reads {read:?}", shown(bytes));
        }
        (Err(_), None) => {}
    }
}
