//! What the connection manager does to a request before anything else looks at it: checks, path
//! normalization, forwarding fields, request id.

use std::net::SocketAddr;

use ferromesh_http::{Method, RequestHead, Version};

use super::local_reply::LocalReply;
use super::path::{Normalized, normalize};
use super::{client_cert, forwarding, request_id};
use crate::access_log::ResponseFlags;
use crate::compiled::{HeadersWithUnderscores, HttpManager, StripPort};
use crate::listener::Connection;
use crate::worker::Worker;

/// What is known of a request that was prepared.
pub(super) struct Prepared {
    /// The client's address after trusted forwarding fields.
    pub(super) client: SocketAddr,
    /// Whether the answer carries the request's id.
    pub(super) id_in_response: bool,
}

/// Prepares `head`, or refuses it.
pub(super) fn prepare(
    worker: &Worker,
    connection: &Connection,
    manager: &HttpManager,
    head: &mut RequestHead,
) -> Result<Prepared, LocalReply> {
    check(manager, head)?;
    strip_authority(connection, manager, head);
    match normalize(head.path(), manager) {
        Normalized::Unchanged => {}
        Normalized::Changed(path) => head.set_path(&path),
        Normalized::Rejected => {
            return Err(LocalReply::bad_request("path_normalization_failed"));
        }
        Normalized::Redirect(path) => {
            let mut reply = LocalReply::new(307, "", "path_normalization_failed");
            reply.headers.push(("location", path));
            return Err(reply);
        }
    }
    let origin = forwarding::apply(connection, manager, head);
    let ids = &manager.request_ids;
    request_id::apply(worker, manager, &mut head.headers, origin.edge);
    client_cert::apply(manager, connection, &mut head.headers);
    if !manager.via.is_empty() {
        let via = match head.headers.joined("via") {
            Some(before) => format!("{before}, {}", manager.via),
            None => manager.via.as_str().to_owned(),
        };
        head.headers.set("via", via);
    }
    Ok(Prepared {
        client: origin.client,
        id_in_response: ids.in_response || head.headers.contains("x-envoy-force-trace"),
    })
}

fn check(manager: &HttpManager, head: &mut RequestHead) -> Result<(), LocalReply> {
    if head.version == Version::Http10 {
        if !manager.http1.accept_http_10 {
            return Err(LocalReply::new(426, "Upgrade Required", "low_version")
                .flagged(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
                .closing());
        }
        if !head.has_authority() && !manager.http1.default_host.is_empty() {
            head.set_authority(&manager.http1.default_host);
        }
    }
    check_underscores(manager, head)?;
    if !head.has_authority() {
        return Err(LocalReply::bad_request("missing_host_header"));
    }
    let connect = head.method == Method::CONNECT;
    if !head.has_path() && (!connect || head.protocol().is_some()) {
        return Err(LocalReply::new(404, "", "missing_path_rejected").closing());
    }
    Ok(())
}

fn check_underscores(manager: &HttpManager, head: &mut RequestHead) -> Result<(), LocalReply> {
    match manager.headers_with_underscores {
        HeadersWithUnderscores::Allow => Ok(()),
        HeadersWithUnderscores::Drop => {
            head.headers.retain(|name, _| !name.contains(&b'_'));
            Ok(())
        }
        HeadersWithUnderscores::Reject => {
            if !head.headers.iter().any(|(name, _)| name.contains(&b'_')) {
                return Ok(());
            }
            let details = match head.version {
                Version::Http2 => "http2.unexpected_underscore",
                _ => "http1.unexpected_underscore",
            };
            Err(LocalReply::new(400, "Bad Request", details)
                .flagged(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR)
                .closing())
        }
    }
}

/// Takes the port and the trailing dot off the authority, as configured.
fn strip_authority(connection: &Connection, manager: &HttpManager, head: &mut RequestHead) {
    if manager.strip_port == StripPort::Never && !manager.strip_trailing_dot {
        return;
    }
    let whole = head.authority();
    let host = ferromesh_route::virtual_host::without_port(whole);
    let port = &whole[host.len()..];
    let strip = match manager.strip_port {
        StripPort::Never => false,
        StripPort::Any => true,
        StripPort::Matching => {
            // CONNECT names the port that it wants.
            let own = connection.destination.port();
            head.method != Method::CONNECT && port.strip_prefix(':') == Some(&own.to_string())
        }
    };
    let port = if strip { "" } else { port };
    let host = match host.strip_suffix('.') {
        Some(bare) if manager.strip_trailing_dot => bare,
        _ => host,
    };
    if host.len() + port.len() != whole.len() {
        head.set_authority(&format!("{host}{port}"));
    }
}
