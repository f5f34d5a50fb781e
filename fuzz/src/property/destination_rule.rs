//! Random DestinationRules.

use serde_json::{Value, json};

use super::draw::{Draw, Members};
use super::names::{HEADERS, HOSTS, PORTS};

pub(super) fn spec(draw: &mut Draw) -> Value {
    Members::new()
        .with("host", draw.text(HOSTS))
        .maybe(draw, 75, "trafficPolicy", |draw| policy(draw, true))
        .maybe(draw, 60, "subsets", subsets)
        .maybe(draw, 10, "exportTo", |draw| {
            draw.list(1, |draw| draw.text(&[".", "*", "data"]))
        })
        .maybe(
            draw,
            8,
            "workloadSelector",
            |draw| json!({"matchLabels": {"app": draw.text(&["web", "none"])}}),
        )
        .into()
}

fn subsets(draw: &mut Draw) -> Value {
    let names = ["v1", "v2", "v3"];
    let count = 1 + draw.below(3);
    let each = |name: &&str| {
        Members::new()
            .with("name", *name)
            .with("labels", json!({"version": *name}))
            .maybe(draw, 30, "trafficPolicy", |draw| policy(draw, true))
            .into()
    };
    names[..count]
        .iter()
        .map(each)
        .collect::<Vec<Value>>()
        .into()
}

fn policy(draw: &mut Draw, whole: bool) -> Value {
    let mut policy = Members::new()
        .maybe(draw, 45, "loadBalancer", load_balancer)
        .maybe(draw, 40, "connectionPool", connection_pool)
        .maybe(draw, 40, "outlierDetection", outlier)
        .maybe(draw, 35, "tls", client_tls);
    if whole {
        policy = policy
            .maybe(
                draw,
                10,
                "proxyProtocol",
                |draw| json!({"version": draw.text(&["V1", "V2"])}),
            )
            .maybe(draw, 10, "retryBudget", |draw| {
                let percent = draw.percent();
                json!({"percent": percent, "minRetryConcurrency": draw.number(&[0, 1, 3, 100])})
            })
            .maybe(draw, 15, "portLevelSettings", |draw| {
                draw.list(2, port_policy)
            });
    }
    policy.into()
}

fn port_policy(draw: &mut Draw) -> Value {
    let mut value = policy(draw, false);
    value["port"] = json!({"number": draw.number(PORTS)});
    value
}

fn load_balancer(draw: &mut Draw) -> Value {
    let simple = [
        "ROUND_ROBIN",
        "LEAST_REQUEST",
        "LEAST_CONN",
        "RANDOM",
        "PASSTHROUGH",
        "UNSPECIFIED",
    ];
    let balancer = if draw.chance(65) {
        Members::new().with("simple", draw.text(&simple))
    } else {
        Members::new().with("consistentHash", consistent_hash(draw))
    };
    let warmup = |draw: &mut Draw| {
        Members::new()
            .with("duration", draw.time())
            .maybe(draw, 50, "minimumPercent", Draw::percent)
            .maybe(draw, 50, "aggression", |draw| {
                draw.pick(&[1.0, 1.5, 10.0, 0.5]).into()
            })
            .into()
    };
    balancer
        .maybe(draw, 35, "localityLbSetting", locality)
        .maybe(draw, 15, "warmup", warmup)
        .maybe(draw, 8, "warmupDurationSecs", Draw::time)
        .into()
}

fn consistent_hash(draw: &mut Draw) -> Value {
    let cookie = |draw: &mut Draw| -> Value {
        Members::new()
            .with("name", draw.text(&["user", "a b", ""]))
            .maybe(draw, 50, "path", |draw| draw.text(&["/", "/a"]))
            .maybe(draw, 60, "ttl", Draw::time)
            .maybe(
                draw,
                20,
                "attributes",
                |_| json!([{"name": "SameSite", "value": "Strict"}]),
            )
            .into()
    };
    let hash = Members::new();
    let hash = match draw.below(4) {
        0 => hash.with("httpHeaderName", draw.text(HEADERS)),
        1 => hash.with("httpCookie", cookie(draw)),
        2 => hash.with("useSourceIp", true),
        _ => hash.with("httpQueryParameterName", draw.text(&["user", "a b"])),
    };
    let sizes = [0, 1, 1024, 65_537, 5_000_011, 8_388_608, 8_388_609, 101, 4];
    match draw.below(4) {
        0 => hash.with("ringHash", json!({"minimumRingSize": draw.number(&sizes)})),
        1 => hash.with("maglev", json!({"tableSize": draw.number(&sizes)})),
        2 => hash.with("minimumRingSize", draw.number(&sizes)),
        _ => hash,
    }
    .into()
}

fn locality(draw: &mut Draw) -> Value {
    let setting = Members::new().maybe(draw, 30, "enabled", |draw| draw.chance(70).into());
    let regions = ["r1/z1/*", "r1/z2/*", "r2/*", "r1", "*", "r1/z1/s1"];
    let distribute = |draw: &mut Draw| {
        let (one, other) = (draw.pick(&regions), draw.pick(&regions));
        let to = if one == other {
            json!({one: 100})
        } else {
            json!({one: 70, other: 30})
        };
        json!({"from": draw.text(&regions), "to": to})
    };
    match draw.below(4) {
        0 => setting.with("distribute", draw.list(2, distribute)),
        1 => {
            let failover = |draw: &mut Draw| {
                json!({"from": draw.text(&["r1", "r2"]), "to": draw.text(&["r2", "r3"])})
            };
            setting.with("failover", draw.list(2, failover))
        }
        2 => {
            let labels = ["topology.kubernetes.io/region", "version", "version=v1"];
            setting.with("failoverPriority", draw.list(2, |draw| draw.text(&labels)))
        }
        _ => setting,
    }
    .into()
}

pub(super) fn connection_pool(draw: &mut Draw) -> Value {
    let counts = [0, 1, 10, 1024, 2_147_483_647];
    let keepalive = |draw: &mut Draw| {
        Members::new()
            .maybe(draw, 60, "probes", |draw| draw.number(&counts))
            .maybe(draw, 60, "time", Draw::time)
            .maybe(draw, 60, "interval", Draw::time)
            .into()
    };
    let tcp = |draw: &mut Draw| {
        Members::new()
            .maybe(draw, 60, "maxConnections", |draw| draw.number(&counts))
            .maybe(draw, 50, "connectTimeout", Draw::time)
            .maybe(draw, 30, "tcpKeepalive", keepalive)
            .maybe(draw, 30, "maxConnectionDuration", Draw::time)
            .maybe(draw, 30, "idleTimeout", Draw::time)
            .into()
    };
    let http = |draw: &mut Draw| {
        Members::new()
            .maybe(draw, 50, "http1MaxPendingRequests", |draw| {
                draw.number(&counts)
            })
            .maybe(draw, 50, "http2MaxRequests", |draw| draw.number(&counts))
            .maybe(draw, 40, "maxRequestsPerConnection", |draw| {
                draw.number(&counts)
            })
            .maybe(draw, 40, "maxRetries", |draw| draw.number(&counts))
            .maybe(draw, 30, "idleTimeout", Draw::time)
            .maybe(draw, 30, "h2UpgradePolicy", |draw| {
                draw.text(&["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"])
            })
            .maybe(draw, 30, "useClientProtocol", |draw| draw.chance(60).into())
            .maybe(draw, 30, "maxConcurrentStreams", |draw| {
                draw.number(&counts)
            })
            .into()
    };
    Members::new()
        .maybe(draw, 60, "tcp", tcp)
        .maybe(draw, 60, "http", http)
        .into()
}

fn outlier(draw: &mut Draw) -> Value {
    let counts = [0, 1, 5, 100, 4_294_967_295];
    let percents = [0, 1, 10, 50, 100, 101];
    Members::new()
        .maybe(draw, 50, "consecutive5xxErrors", |draw| {
            draw.number(&counts)
        })
        .maybe(draw, 40, "consecutiveGatewayErrors", |draw| {
            draw.number(&counts)
        })
        .maybe(draw, 30, "splitExternalLocalOriginErrors", |draw| {
            draw.chance(60).into()
        })
        .maybe(draw, 30, "consecutiveLocalOriginFailures", |draw| {
            draw.number(&counts)
        })
        .maybe(draw, 40, "interval", Draw::time)
        .maybe(draw, 40, "baseEjectionTime", Draw::time)
        .maybe(draw, 40, "maxEjectionPercent", |draw| {
            draw.number(&percents)
        })
        .maybe(draw, 40, "minHealthPercent", |draw| draw.number(&percents))
        .into()
}

fn client_tls(draw: &mut Draw) -> Value {
    let mode = draw.pick(&["DISABLE", "SIMPLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]);
    let tls = Members::new()
        .with("mode", mode)
        .maybe(draw, 40, "sni", |draw| {
            draw.text(&["a.example.com", "*.x", "a b", ""])
        })
        .maybe(draw, 30, "subjectAltNames", |draw| {
            draw.list(2, |draw| {
                draw.text(&["a.example.com", "spiffe://cluster.local/ns/a/sa/b", "*"])
            })
        })
        .maybe(draw, 15, "insecureSkipVerify", |draw| {
            draw.chance(60).into()
        });
    match (mode, draw.below(3)) {
        ("MUTUAL", 0) | ("SIMPLE", 1) => tls.with("credentialName", "client-cert"),
        ("MUTUAL", _) => tls
            .with("clientCertificate", "/etc/certs/cert.pem")
            .with("privateKey", "/etc/certs/key.pem")
            .maybe(draw, 50, "caCertificates", |_| "/etc/certs/ca.pem".into()),
        ("SIMPLE", 2) => tls.with(
            "caCertificates",
            draw.text(&["/etc/certs/ca.pem", "system"]),
        ),
        _ => tls,
    }
    .into()
}
