//! `x-request-id`: a random UUID whose version digit says whether the request is traced.

use ferromesh_http::Headers;

use crate::compiled::{HttpManager, TraceSampling};
use crate::uuid;
use crate::worker::Worker;

const NAME: &str = "x-request-id";

/// Where a UUID keeps why it is traced: the version digit.
const REASON: usize = 14;
const NOT_TRACED: u8 = b'4';
const SAMPLED: u8 = b'9';
const FORCED: u8 = b'a';
const BY_CLIENT: u8 = b'b';

/// Keeps or makes the request's id. `edge`: the request comes from outside.
pub(super) fn apply(worker: &Worker, manager: &HttpManager, headers: &mut Headers, edge: bool) {
    let ids = &manager.request_ids;
    let present = headers.find(NAME).is_some_and(|id| !id.is_empty());
    if ids.generate {
        // A random one of version 4 is that of a request that is not traced.
        if !present || (edge && !ids.preserve_external) {
            headers.set_own(NAME, &uuid::text([worker.random(), worker.random()]));
        } else if edge && ids.pack_trace_reason {
            // Why others traced it is not our reason.
            set_reason(headers, NOT_TRACED);
        }
    }
    if let Some(sampling) = &ids.sampling {
        sample(*sampling, ids.pack_trace_reason, headers);
    }
}

/// Decides whether the request is traced, once: an id that says so already is left alone.
fn sample(sampling: TraceSampling, pack: bool, headers: &mut Headers) {
    let Some(draw) = draw(headers) else { return };
    let before = reason(headers);
    let mut now = before;
    if before == Some(NOT_TRACED) {
        now = if headers.contains("x-client-trace-id") && draw < sampling.client {
            Some(BY_CLIENT)
        } else if headers.contains("x-envoy-force-trace") {
            Some(FORCED)
        } else if draw < sampling.random {
            Some(SAMPLED)
        } else {
            before
        };
    }
    if now != Some(NOT_TRACED) && draw >= sampling.overall {
        now = Some(NOT_TRACED);
    }
    if let Some(now) = now
        && pack
        && Some(now) != before
    {
        set_reason(headers, now);
    }
}

/// A number below 10,000 that is the same in every proxy that the request passes.
fn draw(headers: &Headers) -> Option<u32> {
    let id = headers.find(NAME).filter(|id| is_uuid(id))?;
    let digits = std::str::from_utf8(id.get(..8)?).ok()?;
    u32::from_str_radix(digits, 16)
        .ok()
        .map(|number| number % 10_000)
}

/// Why the request is traced; `None` when its id is no UUID.
fn reason(headers: &Headers) -> Option<u8> {
    let id = headers.find(NAME).filter(|id| is_uuid(id))?;
    Some(match id[REASON] {
        digit @ (SAMPLED | FORCED | BY_CLIENT) => digit,
        _ => NOT_TRACED,
    })
}

fn set_reason(headers: &mut Headers, reason: u8) {
    let Some(id) = headers.find(NAME).filter(|id| is_uuid(id)) else {
        return;
    };
    if id[REASON] == reason {
        return;
    }
    let mut changed = id.to_vec();
    changed[REASON] = reason;
    headers.set(NAME, changed);
}

fn is_uuid(id: &[u8]) -> bool {
    id.len() == 36
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: TraceSampling = TraceSampling {
        client: 10_000,
        random: 10_000,
        overall: 10_000,
    };

    fn traced(id: &str, more: &[&str], sampling: TraceSampling) -> String {
        let mut headers = Headers::new();
        headers.append(NAME, id);
        for name in more {
            headers.append(name, "1");
        }
        sample(sampling, true, &mut headers);
        headers.text(NAME).expect("set above").to_owned()
    }

    #[test]
    fn the_id_keeps_why_a_request_is_traced() {
        let none = TraceSampling { random: 0, ..ALL };
        let id = "0000ffff-8f2c-4a7e-9a2b-0c1d2e3f4a5b";
        let with = |digit: &str| format!("0000ffff-8f2c-{digit}a7e-9a2b-0c1d2e3f4a5b");
        assert_eq!(traced(id, &[], ALL), with("9"));
        assert_eq!(traced(id, &[], none), id);
        assert_eq!(traced(id, &["x-envoy-force-trace"], none), with("a"));
        assert_eq!(traced(id, &["x-client-trace-id"], none), with("b"));
        assert_eq!(traced("mine", &[], ALL), "mine");
        let nothing = TraceSampling { overall: 0, ..ALL };
        assert_eq!(traced(&with("9"), &[], nothing), id);
    }
}
