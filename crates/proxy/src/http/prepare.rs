//! What the connection manager does to a request before anything else looks at it: checks, path
//! normalization, forwarding headers, request id.

use std::net::{IpAddr, SocketAddr};

use ferromesh_http::{Headers, Method, RequestHead, Scheme, Version};

use super::client_cert;
use super::local_reply::LocalReply;
use super::path::{Normalized, normalize};
use crate::compiled::{HeadersWithUnderscores, HttpManager};
use crate::listener::Connection;
use crate::worker::Worker;

/// Fields with a meaning inside the mesh only; from outside they are not believed.
const INTERNAL: [&str; 15] = [
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-url",
    "x-envoy-internal",
];

/// Prepares `head`. Returns the client's address after trusted forwarding headers.
pub(super) fn prepare(
    worker: &Worker,
    connection: &Connection,
    manager: &HttpManager,
    head: &mut RequestHead,
) -> Result<SocketAddr, LocalReply> {
    check(manager, head)?;
    if manager.strip_any_host_port {
        let bare = ferromesh_route::virtual_host::without_port(head.authority()).to_owned();
        head.set_authority(&bare);
    }
    match normalize(head.path(), manager) {
        Normalized::Unchanged => {}
        Normalized::Changed(path) => head.set_path(&path),
        Normalized::Rejected => return Err(LocalReply::bad_request("path_normalization_failed")),
        Normalized::Redirect(path) => {
            let mut reply = LocalReply::new(307, "", "path_normalization_failed");
            reply.headers.push(("location", path));
            return Err(reply);
        }
    }
    let client = forwarding(connection, manager, head);
    request_id(worker, manager, &mut head.headers);
    client_cert::apply(manager, connection, &mut head.headers);
    if !manager.via.is_empty() {
        head.headers.append("via", manager.via.as_str());
    }
    Ok(client)
}

fn check(manager: &HttpManager, head: &mut RequestHead) -> Result<(), LocalReply> {
    if head.version == Version::Http10 {
        if !manager.http1.accept_http_10 {
            return Err(LocalReply::new(426, "Upgrade Required", "low_version"));
        }
        if head.authority().is_empty() && !manager.http1.default_host.is_empty() {
            head.set_authority(&manager.http1.default_host);
        }
    }
    if head.authority().is_empty() {
        return Err(LocalReply::bad_request("missing_host_header"));
    }
    let connect = head.method == Method::CONNECT;
    if head.path().is_empty() && (!connect || head.protocol().is_some()) {
        return Err(LocalReply::new(404, "", "missing_path_rejected"));
    }
    match manager.headers_with_underscores {
        HeadersWithUnderscores::Allow => Ok(()),
        HeadersWithUnderscores::Drop => {
            head.headers.retain(|name, _| !name.contains(&b'_'));
            Ok(())
        }
        HeadersWithUnderscores::Reject => {
            if head.headers.iter().any(|(name, _)| name.contains(&b'_')) {
                return Err(LocalReply::bad_request("unexpected_underscore"));
            }
            Ok(())
        }
    }
}

fn forwarding(
    connection: &Connection,
    manager: &HttpManager,
    head: &mut RequestHead,
) -> SocketAddr {
    let peer = connection.peer;
    let own_scheme = if connection.is_tls() {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let client = if manager.use_remote_address {
        edge(connection, manager, &mut head.headers)
    } else {
        let hops = manager.xff_trusted_hops as usize;
        let named = forwarded_for(&head.headers, hops);
        named.map_or(peer, |address| SocketAddr::new(address, 0))
    };
    let believed = match head.headers.text("x-forwarded-proto") {
        Some("https") => Some(Scheme::Https),
        Some("http") => Some(Scheme::Http),
        _ => None,
    };
    head.scheme = match believed {
        Some(scheme) if !manager.use_remote_address || manager.xff_trusted_hops > 0 => scheme,
        _ => own_scheme,
    };
    head.headers.set("x-forwarded-proto", head.scheme.as_str());
    if manager.append_x_forwarded_port {
        let port = connection.destination.port().to_string();
        if !head.headers.contains("x-forwarded-port") {
            head.headers.append("x-forwarded-port", port);
        }
    }
    client
}

/// At the edge the peer of the socket is the client, and what it claims about the mesh is dropped.
fn edge(connection: &Connection, manager: &HttpManager, headers: &mut Headers) -> SocketAddr {
    let peer = connection.peer;
    let hops = manager.xff_trusted_hops as usize;
    let client = match hops {
        0 => peer,
        hops => {
            let named = forwarded_for(headers, hops - 1);
            named.map_or(peer, |address| SocketAddr::new(address, 0))
        }
    };
    if !manager.skip_xff_append {
        let address = peer.ip().to_string();
        let value = match headers.joined("x-forwarded-for") {
            Some(present) if !present.is_empty() => format!("{present},{address}"),
            _ => address,
        };
        headers.set("x-forwarded-for", value);
    }
    for name in INTERNAL {
        headers.remove(name);
    }
    if !client.ip().is_loopback() {
        headers.set("x-envoy-external-address", client.ip().to_string());
    }
    client
}

/// The address that is `skip` places before the end of `x-forwarded-for`.
fn forwarded_for(headers: &Headers, skip: usize) -> Option<IpAddr> {
    let list = headers.joined("x-forwarded-for")?;
    let text = list.rsplit(',').nth(skip)?.trim();
    let address = text.parse().ok();
    // Some write a port behind the address.
    address.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

fn request_id(worker: &Worker, manager: &HttpManager, headers: &mut Headers) {
    let keep = !manager.use_remote_address || manager.preserve_external_request_id;
    if !manager.generate_request_id || (keep && headers.contains("x-request-id")) {
        return;
    }
    headers.set("x-request-id", new_request_id(worker));
}

/// A random UUID, version 4: in Envoy's reading, a request that is not traced.
fn new_request_id(worker: &Worker) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (high, low) = (worker.random(), worker.random());
    let bits = (u128::from(high) << 64) | u128::from(low);
    let bits = (bits & !(0xf << 76)) | (0x4 << 76);
    let bits = (bits & !(0x3 << 62)) | (0x2 << 62);
    let mut text = [b'-'; 36];
    let mut shift = 128;
    for (place, byte) in text.iter_mut().enumerate() {
        if !matches!(place, 8 | 13 | 18 | 23) {
            shift -= 4;
            *byte = DIGITS[((bits >> shift) & 0xf) as usize];
        }
    }
    text
}
