//! Random Gateways, ServiceEntries, Sidecars and PeerAuthentications.

use serde_json::{Value, json};

use super::destination_rule::connection_pool;
use super::draw::{Draw, Members};
use super::names::{HOSTS, PORTS, PROTOCOLS};
use super::virtual_service::destination;

pub(super) fn gateway(draw: &mut Draw) -> Value {
    json!({"selector": {"istio": "gateway"}, "servers": draw.list(3, server)})
}

fn server(draw: &mut Draw) -> Value {
    let protocol = draw.pick(PROTOCOLS);
    let number = draw.pick(PORTS);
    let hosts = |draw: &mut Draw| {
        let host = draw.pick(HOSTS);
        let prefix = draw.pick(&["", "", "*/", "./", "shop/"]);
        format!("{prefix}{host}").into()
    };
    let server = Members::new()
        .with(
            "port",
            json!({"number": number, "name": format!("p-{number}"), "protocol": protocol}),
        )
        .with("hosts", draw.list(2, hosts))
        .maybe(draw, 10, "bind", |draw| {
            draw.text(&["10.1.0.9", "0.0.0.0", "unix:///tmp/s"])
        })
        .maybe(draw, 10, "name", |draw| draw.text(&["a", "b"]));
    let wanted = if matches!(protocol, "HTTPS" | "TLS") {
        97
    } else {
        12
    };
    server.maybe(draw, wanted, "tls", server_tls).into()
}

fn server_tls(draw: &mut Draw) -> Value {
    let modes = [
        "SIMPLE",
        "SIMPLE",
        "MUTUAL",
        "OPTIONAL_MUTUAL",
        "PASSTHROUGH",
        "AUTO_PASSTHROUGH",
        "ISTIO_MUTUAL",
    ];
    let mode = draw.pick(&modes);
    let versions = ["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"];
    let ciphers = [
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "AES128-SHA",
        "NOTHING",
    ];
    let tls = Members::new()
        .with("mode", mode)
        .maybe(draw, 10, "httpsRedirect", |draw| draw.chance(50).into())
        .maybe(draw, 25, "minProtocolVersion", |draw| draw.text(&versions))
        .maybe(draw, 25, "maxProtocolVersion", |draw| draw.text(&versions))
        .maybe(draw, 20, "cipherSuites", |draw| {
            draw.list(2, |draw| draw.text(&ciphers))
        })
        .maybe(draw, 15, "subjectAltNames", |draw| {
            draw.list(2, |draw| draw.text(&["a.b", "*"]))
        })
        .maybe(draw, 8, "verifyCertificateHash", |draw| {
            draw.list(1, |draw| draw.text(&[HASH, "abc"]))
        })
        .maybe(draw, 8, "verifyCertificateSpki", |draw| {
            draw.list(1, |draw| {
                draw.text(&["NvqYIYSbgK2vCJpQhObf77vv+bQWtc5ek5RIOwPiC9A=", "abc"])
            })
        });
    if matches!(mode, "PASSTHROUGH" | "AUTO_PASSTHROUGH" | "ISTIO_MUTUAL") {
        return tls.into();
    }
    if draw.chance(75) {
        return tls
            .with("credentialName", draw.text(&["cert", "other"]))
            .into();
    }
    tls.with("serverCertificate", "/etc/certs/cert.pem")
        .with("privateKey", "/etc/certs/key.pem")
        .with("caCertificates", "/etc/certs/ca.pem")
        .into()
}

const HASH: &str = "df6ff72fe9116521268f6f2dd4966f51df479883fe7037b39f75916ac3049d1a";

pub(super) fn service_entry(draw: &mut Draw) -> Value {
    let hosts = [
        "api.partner.example",
        "*.wild.example",
        "db.outside.example",
        "web.shop.svc.cluster.local",
        "a",
        "*",
    ];
    let resolution = draw.pick(&[
        "NONE",
        "STATIC",
        "STATIC",
        "DNS",
        "DNS",
        "DNS_ROUND_ROBIN",
        "DYNAMIC_DNS",
    ]);
    let entry = Members::new()
        .with("hosts", draw.list(2, |draw| draw.text(&hosts)))
        .with("resolution", resolution)
        .maybe(draw, 90, "ports", service_ports)
        .maybe(draw, 60, "location", |draw| {
            draw.text(&["MESH_EXTERNAL", "MESH_INTERNAL"])
        })
        .maybe(draw, 40, "addresses", |draw| {
            let all = [
                "240.0.0.1",
                "10.200.0.0/16",
                "fd00::7",
                "240.0.0.1/32",
                "0.0.0.0/0",
            ];
            draw.list(2, |draw| draw.text(&all))
        })
        .maybe(draw, 20, "subjectAltNames", |draw| {
            draw.list(1, |draw| draw.text(&["a.b", "spiffe://x/ns/a/sa/b"]))
        })
        .maybe(draw, 10, "exportTo", |draw| {
            draw.list(1, |draw| draw.text(&[".", "*"]))
        });
    match (resolution, draw.below(10)) {
        ("STATIC", 0..=1) => entry.with("workloadSelector", json!({"labels": {"app": "web"}})),
        ("STATIC", _) => entry.with("endpoints", draw.list(3, |draw| endpoint(draw, false))),
        ("DNS" | "DNS_ROUND_ROBIN", 0..=4) => {
            entry.with("endpoints", draw.list(3, |draw| endpoint(draw, true)))
        }
        _ => entry,
    }
    .into()
}

fn service_ports(draw: &mut Draw) -> Value {
    let mut ports: Vec<u64> = (0..=draw.below(3)).map(|_| draw.pick(PORTS)).collect();
    ports.sort_unstable();
    ports.dedup();
    let each = |number: u64| {
        Members::new()
            .with("number", number)
            .with("name", format!("p-{number}"))
            .with("protocol", draw.text(PROTOCOLS))
            .maybe(draw, 20, "targetPort", |draw| draw.number(PORTS))
            .into()
    };
    ports.into_iter().map(each).collect::<Vec<Value>>().into()
}

fn endpoint(draw: &mut Draw, names: bool) -> Value {
    let addresses = ["10.2.0.1", "10.2.0.2", "fd00::9", "unix:///tmp/server.sock"];
    let hosts = ["a.example.org", "b.example.org", "10.2.0.3"];
    Members::new()
        .with(
            "address",
            draw.text(if names { &hosts } else { &addresses }),
        )
        .maybe(draw, 30, "weight", |draw| {
            draw.number(&[0, 1, 50, 4_294_967_295])
        })
        .maybe(draw, 30, "locality", |draw| {
            draw.text(&["r1/z1/s1", "r1/z2", "r2", ""])
        })
        .maybe(
            draw,
            30,
            "labels",
            |draw| json!({"version": draw.text(&["v1", "v2"])}),
        )
        .maybe(
            draw,
            20,
            "ports",
            |draw| json!({"p-80": draw.number(PORTS)}),
        )
        .maybe(draw, 15, "network", |draw| draw.text(&["n1", "n2"]))
        .into()
}

pub(super) fn sidecar(draw: &mut Draw) -> Value {
    let capture = ["DEFAULT", "IPTABLES", "NONE"];
    let egress = |draw: &mut Draw| {
        let hosts = [
            "*/*",
            "./*",
            "shop/*",
            "~/*",
            "*/web.shop.svc.cluster.local",
            "data/*",
        ];
        let with_port = draw.chance(25);
        let mut listener = Members::new().with("hosts", draw.list(2, |draw| draw.text(&hosts)));
        if with_port {
            let number = draw.pick(PORTS);
            listener = listener
                .with(
                    "port",
                    json!({"number": number, "name": "e", "protocol": draw.text(PROTOCOLS)}),
                )
                .maybe(draw, 40, "bind", |draw| {
                    draw.text(&["127.0.0.1", "0.0.0.0", "10.1.0.1", "unix:///tmp/e"])
                })
                .maybe(draw, 40, "captureMode", |draw| draw.text(&capture));
        }
        listener.into()
    };
    let ingress = |draw: &mut Draw| {
        let number = draw.pick(PORTS);
        let endpoints = [
            "127.0.0.1:8080",
            "0.0.0.0:8080",
            "unix:///tmp/app.sock",
            "[::1]:80",
            "10.1.0.1:80",
        ];
        Members::new()
            .with(
                "port",
                json!({"number": number, "name": "i", "protocol": draw.text(PROTOCOLS)}),
            )
            .with("defaultEndpoint", draw.text(&endpoints))
            .maybe(draw, 30, "bind", |draw| {
                draw.text(&["0.0.0.0", "10.1.0.1", "127.0.0.1"])
            })
            .maybe(draw, 30, "captureMode", |draw| draw.text(&capture))
            .maybe(draw, 20, "tls", server_tls)
            .maybe(draw, 20, "connectionPool", connection_pool)
            .into()
    };
    let outbound = |draw: &mut Draw| {
        Members::new()
            .with("mode", draw.text(&["REGISTRY_ONLY", "ALLOW_ANY"]))
            .maybe(draw, 20, "egressProxy", destination)
            .into()
    };
    Members::new()
        .maybe(
            draw,
            50,
            "workloadSelector",
            |draw| json!({"labels": {"app": draw.text(&["web", "db"])}}),
        )
        .maybe(draw, 70, "egress", |draw| draw.list(2, egress))
        .maybe(draw, 40, "ingress", |draw| draw.list(2, ingress))
        .maybe(draw, 30, "outboundTrafficPolicy", outbound)
        .maybe(draw, 20, "inboundConnectionPool", connection_pool)
        .into()
}

pub(super) fn peer_authentication(draw: &mut Draw) -> Value {
    let modes = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"];
    let policy = Members::new().maybe(draw, 80, "mtls", |draw| json!({"mode": draw.text(&modes)}));
    if draw.chance(40) {
        return policy.into();
    }
    let app = draw.pick(&["web", "db", "none"]);
    policy
        .with("selector", json!({"matchLabels": {"app": app}}))
        .maybe(draw, 50, "portLevelMtls", |draw| {
            let port = draw.pick(&["80", "8080", "5432", "443"]);
            json!({port: {"mode": draw.text(&modes)}})
        })
        .into()
}
