//! Answers of the proxy's own: Envoy's statuses, bodies, flags and details.

use std::borrow::Cow;
use std::fmt::Write as _;

use ferromesh_http::RequestHead;
use ferromesh_http::http1::{BodyError, HeadError};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::deadline::Expired;
use crate::access_log::ResponseFlags;
use crate::upstream::ResetReason;

/// gRPC's status for a deadline that passed.
const DEADLINE_EXCEEDED: u32 = 4;

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct LocalReply {
    pub(crate) status: u16,
    pub(crate) body: Cow<'static, str>,
    pub(crate) details: Cow<'static, str>,
    pub(crate) flags: ResponseFlags,
    /// For gRPC clients, instead of the one that follows from the HTTP status.
    pub(crate) grpc_status: Option<u32>,
    /// Whether gRPC clients get the HTTP status, too.
    pub(crate) keeps_status: bool,
    /// Fields besides those of every answer.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Whether the connection ends with it.
    pub(crate) closing: bool,
}

impl LocalReply {
    pub(super) fn new(status: u16, body: &'static str, details: &'static str) -> Self {
        Self {
            status,
            body: Cow::Borrowed(body),
            details: Cow::Borrowed(details),
            flags: ResponseFlags::default(),
            grpc_status: None,
            keeps_status: false,
            headers: Vec::new(),
            closing: false,
        }
    }

    /// The connection ends with it.
    pub(super) fn closing(mut self) -> Self {
        self.closing = true;
        self
    }

    pub(super) fn flagged(mut self, flags: ResponseFlags) -> Self {
        self.flags = flags;
        self
    }

    pub(super) fn bad_request(details: &'static str) -> Self {
        Self::new(400, "", details).closing()
    }

    pub(super) fn no_route() -> Self {
        Self::new(404, "", "route_not_found").flagged(ResponseFlags::NO_ROUTE)
    }

    pub(super) fn no_cluster(status: u16) -> Self {
        Self::new(status, "", "cluster_not_found").flagged(ResponseFlags::NO_CLUSTER)
    }

    pub(super) fn no_healthy_upstream() -> Self {
        Self::new(503, "no healthy upstream", "no_healthy_upstream")
            .flagged(ResponseFlags::NO_HEALTHY_UPSTREAM)
    }

    /// The overload manager takes no more requests.
    pub(super) fn overloaded() -> Self {
        Self::new(503, "envoy overloaded", "overload")
    }

    /// The control plane wants load shed.
    pub(super) fn dropped() -> Self {
        let mut reply =
            Self::new(503, "drop overload", "drop_overload").flagged(ResponseFlags::DROP_OVERLOAD);
        reply
            .headers
            .push(("x-envoy-drop-overload", "true".to_owned()));
        reply
    }

    pub(super) fn upgrade_refused() -> Self {
        Self::new(403, "", "upgrade_failed")
    }

    /// The upstream exchange came to nothing before an answer began.
    /// `retried`: this was not the first try.
    pub(super) fn reset(reason: ResetReason, transport_failure: &str, retried: bool) -> Self {
        let status = match reason {
            ResetReason::ProtocolError => 502,
            _ => 503,
        };
        let which = if retried {
            "retried and the latest reset reason"
        } else {
            "reset reason"
        };
        let body = format!(
            "upstream connect error or disconnect/reset before headers. {which}: {}",
            reason.text()
        );
        let mut detail = reason.text().replace(' ', "_");
        if !transport_failure.is_empty() {
            // The body does not say it: the client need not know the network behind the proxy.
            let _ = write!(detail, "|{transport_failure}");
        }
        let mut reply = Self {
            status,
            body: body.into(),
            details: format!("upstream_reset_before_response_started{{{detail}}}").into(),
            flags: reason.flag(),
            grpc_status: None,
            keeps_status: false,
            headers: Vec::new(),
            closing: false,
        };
        if reason == ResetReason::Overflow {
            reply
                .headers
                .push(("x-envoy-overloaded", "true".to_owned()));
        }
        reply
    }

    /// A deadline passed before an answer began. `complete`: the request was complete by then, so
    /// that the client is not the one who was late.
    pub(super) fn expired(expired: Expired, complete: bool) -> Self {
        let late = if complete { 504 } else { 408 };
        match expired {
            Expired::Request => Self::new(504, "upstream request timeout", "response_timeout")
                .flagged(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT),
            Expired::Try => Self::new(504, "upstream request timeout", "upstream_per_try_timeout")
                .flagged(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT),
            Expired::TryIdle => Self::new(
                504,
                "upstream request timeout",
                "upstream_per_try_idle_timeout",
            )
            .flagged(ResponseFlags::UPSTREAM_REQUEST_TIMEOUT),
            Expired::TryStream => Self::new(
                504,
                "upstream max stream duration reached",
                "upstream_max_stream_duration_reached",
            )
            .flagged(ResponseFlags::MAX_STREAM_DURATION),
            Expired::Idle => Self::new(late, "stream timeout", "stream_idle_timeout")
                .flagged(ResponseFlags::STREAM_IDLE_TIMEOUT),
            Expired::Upload => Self::new(408, "request timeout", "request_overall_timeout"),
            Expired::Stream => {
                let mut reply =
                    Self::new(late, "downstream duration timeout", "max_duration_timeout");
                reply.grpc_status = Some(DEADLINE_EXCEEDED);
                reply
            }
        }
    }

    /// The head did not come in the time that heads have.
    pub(crate) fn slow_head() -> Self {
        Self::new(408, "request header timeout", "request_header_timeout").closing()
    }

    /// The head did not come in the time that whole requests have.
    pub(crate) fn slow_request() -> Self {
        Self::expired(Expired::Upload, false).closing()
    }
}

/// The answer to a head that cannot be read.
pub(crate) fn refuse_head(error: HeadError) -> LocalReply {
    refuse(error.status(), error.details())
}

/// The answer to a request whose body cannot be read.
pub(super) fn refuse_body(error: BodyError) -> LocalReply {
    refuse(error.status(), error.details())
}

fn refuse(status: u16, details: &'static str) -> LocalReply {
    let body = match status {
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        _ => "Bad Request",
    };
    LocalReply::new(status, body, details)
        .flagged(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
        .closing()
}

/// Whether the client speaks gRPC, so that it looks for `grpc-status`.
pub(super) fn is_grpc(head: &RequestHead) -> bool {
    head.headers.find("content-type").is_some_and(|value| {
        value
            .strip_prefix(b"application/grpc")
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'+' || rest[0] == b';')
    })
}

/// The gRPC status for an HTTP status (gRPC's http-grpc-status-mapping, with Envoy's additions).
pub(crate) fn grpc_status(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// Percent-encoding of gRPC messages: everything outside the printable ASCII, and the percent sign.
pub(super) fn grpc_message(text: &str) -> String {
    const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_connection_says_what_happened() {
        let failure = "delayed_connect_error:_Connection_refused";
        let reply = LocalReply::reset(ResetReason::RemoteConnectionFailure, failure, false);
        assert_eq!(reply.status, 503);
        assert_eq!(
            reply.body,
            "upstream connect error or disconnect/reset before headers. reset reason: remote \
             connection failure"
        );
        assert_eq!(
            reply.details,
            "upstream_reset_before_response_started{remote_connection_failure|\
             delayed_connect_error:_Connection_refused}"
        );
        assert_eq!(reply.flags.short(), "UF");
    }

    #[test]
    fn a_message_for_grpc_is_printable() {
        assert_eq!(grpc_message("no ~route~, 5%\n"), "no ~route~, 5%25%0A");
        assert_eq!(grpc_message("\u{7f}\u{e9}"), "%7F%C3%A9");
    }
}
