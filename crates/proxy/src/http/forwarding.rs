//! Where a request comes from: the client's address, whether it is inside, and which fields of the
//! mesh are believed from it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::OnceLock;

use ferromesh_http::{Headers, RequestHead, Scheme, Version};

use crate::compiled::HttpManager;
use crate::listener::Connection;

/// Fields with a meaning inside the mesh only; from outside they are not believed.
const INTERNAL: [&str; 14] = [
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
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-url",
    "x-envoy-hedge-on-per-try-timeout",
];

/// Fields that only the proxies behind the edge write.
const BEHIND_THE_EDGE: [&str; 5] = [
    "x-envoy-decorator-operation",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-original-path",
    "x-envoy-original-host",
];

/// What is known of a request's origin.
pub(super) struct Origin {
    /// The client.
    pub(super) client: SocketAddr,
    /// Whether the request enters the mesh here.
    pub(super) edge: bool,
}

/// The client by the forwarding fields, and whether it is the only address among them.
struct Client {
    address: SocketAddr,
    alone: bool,
}

/// Reads and writes the forwarding fields, and takes out what is not believed.
pub(super) fn apply(
    connection: &Connection,
    manager: &HttpManager,
    head: &mut RequestHead,
) -> Origin {
    let own = if connection.is_tls() {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let found = if manager.use_remote_address {
        from_peer(connection, manager, &mut head.headers, own)
    } else {
        from_fields(connection, manager, &head.headers)
    };
    let headers = &mut head.headers;
    if manager.append_x_forwarded_port {
        let overwrite = manager.use_remote_address && manager.xff_trusted_hops == 0;
        if overwrite || !headers.contains("x-forwarded-port") {
            headers.set(
                "x-forwarded-port",
                connection.destination.port().to_string(),
            );
        }
    }
    let forwarded = match headers.find("x-forwarded-proto") {
        Some(b"https") => Scheme::Https,
        Some(b"http") => Scheme::Http,
        Some(_) => own,
        None => {
            headers.append_own("x-forwarded-proto", own.as_str().as_bytes());
            own
        }
    };
    // An HTTP/2 request says its scheme itself.
    if head.version != Version::Http2 {
        head.scheme = forwarded;
    }
    let client = found.address.ip();
    let internal = found.alone && manager.internal_addresses.contains(client);
    let edge = manager.use_remote_address && !internal;
    sanitize(headers, internal, edge);
    if edge {
        headers.set("x-envoy-external-address", client.to_string());
    }
    Origin {
        client: found.address,
        edge,
    }
}

/// At the edge the peer of the socket is the client, unless trusted proxies stand before us.
fn from_peer(
    connection: &Connection,
    manager: &HttpManager,
    headers: &mut Headers,
    own: Scheme,
) -> Client {
    let peer = connection.peer;
    let alone = !headers.contains("x-forwarded-for");
    let hops = manager.xff_trusted_hops as usize;
    let named = match hops {
        0 => None,
        hops => forwarded_for(headers, hops - 1).map(|(address, _)| address),
    };
    if !manager.skip_xff_append {
        append_address(headers, peer.ip());
    }
    if hops == 0 && headers.find("x-forwarded-proto") != Some(own.as_str().as_bytes()) {
        headers.set_own("x-forwarded-proto", own.as_str().as_bytes());
    }
    Client {
        address: named.map_or(peer, |address| SocketAddr::new(address, 0)),
        alone,
    }
}

/// Inside, whoever sent the request to us has written the client's address.
fn from_fields(connection: &Connection, manager: &HttpManager, headers: &Headers) -> Client {
    match forwarded_for(headers, manager.xff_trusted_hops as usize) {
        Some((address, alone)) => Client {
            address: SocketAddr::new(address, 0),
            alone,
        },
        None => Client {
            address: connection.peer,
            alone: false,
        },
    }
}

/// The address that is `skip` places before the end of `x-forwarded-for`, and whether it is the
/// only one.
fn forwarded_for(headers: &Headers, skip: usize) -> Option<(IpAddr, bool)> {
    let list = headers.joined("x-forwarded-for")?;
    let text = list.rsplit(',').nth(skip)?.trim();
    let address = text.parse().ok()?;
    Some((address, skip == 0 && !list.contains(',')))
}

fn append_address(headers: &mut Headers, peer: IpAddr) {
    let address = if peer.is_loopback() {
        own_address(peer)
    } else {
        peer
    };
    let address = address.to_string();
    let value = match headers.joined("x-forwarded-for") {
        Some(present) if !present.is_empty() => format!("{present},{address}"),
        _ => address,
    };
    headers.set("x-forwarded-for", value);
}

/// The host's own address, which says more to others than the loopback address of a client on the
/// same host: that of the route to a network for documentation (RFC 5737, RFC 3849). A datagram
/// socket that is connected sends nothing.
fn own_address(loopback: IpAddr) -> IpAddr {
    static V4: OnceLock<Option<IpAddr>> = OnceLock::new();
    static V6: OnceLock<Option<IpAddr>> = OnceLock::new();
    let (known, bind, towards) = match loopback {
        IpAddr::V4(_) => (&V4, "0.0.0.0:0", "198.51.100.1:9"),
        IpAddr::V6(_) => (&V6, "[::]:0", "[2001:db8::1]:9"),
    };
    let found = known.get_or_init(|| {
        let socket = UdpSocket::bind(bind).ok()?;
        socket.connect(towards).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    found.unwrap_or(loopback)
}

/// Takes out what is not believed.
fn sanitize(headers: &mut Headers, internal: bool, edge: bool) {
    if headers.may_ask_envoy() {
        headers.remove("x-envoy-internal");
        if !internal {
            for name in INTERNAL {
                headers.remove(name);
            }
        }
        if edge {
            for name in BEHIND_THE_EDGE {
                headers.remove(name);
            }
        }
    }
    if internal {
        headers.append("x-envoy-internal", "true");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(value: &str, skip: usize) -> Option<(String, bool)> {
        let mut headers = Headers::new();
        headers.append("x-forwarded-for", value);
        let found = forwarded_for(&headers, skip);
        found.map(|(address, alone)| (address.to_string(), alone))
    }

    #[test]
    fn the_client_is_found_from_the_end_of_the_list() {
        let some = |address: &str, alone| Some((address.to_owned(), alone));
        assert_eq!(forwarded("1.1.1.1", 0), some("1.1.1.1", true));
        assert_eq!(forwarded("1.1.1.1, 2.2.2.2", 0), some("2.2.2.2", false));
        assert_eq!(forwarded("1.1.1.1, 2.2.2.2", 1), some("1.1.1.1", false));
        assert_eq!(forwarded("1.1.1.1", 1), None);
        assert_eq!(forwarded("1.1.1.1:80", 0), None);
        assert_eq!(forwarded("", 0), None);
    }

    #[test]
    fn what_others_claim_about_the_mesh_is_taken_out() {
        let claims = [
            "x-envoy-internal",
            "x-envoy-retry-on",
            "x-envoy-decorator-operation",
        ];
        let left = |internal, edge| {
            let mut headers = Headers::new();
            for name in claims {
                headers.append(name, "claim");
            }
            sanitize(&mut headers, internal, edge);
            claims.map(|name| headers.text(name).unwrap_or_default().to_owned())
        };
        assert_eq!(left(false, true), ["", "", ""]);
        assert_eq!(left(false, false), ["", "", "claim"]);
        assert_eq!(left(true, false), ["true", "claim", "claim"]);
    }
}
