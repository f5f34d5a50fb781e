//! Random VirtualServices.

use serde_json::{Value, json};

use super::draw::{Draw, Members};
use super::names::{GATEWAYS, HEADERS, HOSTS, NAMESPACES, PORTS, SUBSETS};

pub(super) fn spec(draw: &mut Draw) -> Value {
    let mut spec = Members::new()
        .with("hosts", draw.list(2, |draw| draw.text(HOSTS)))
        .maybe(draw, 50, "gateways", |draw| {
            draw.list(2, |draw| draw.text(GATEWAYS))
        })
        .maybe(draw, 10, "exportTo", |draw| {
            draw.list(1, |draw| draw.text(&[".", "*", "data"]))
        });
    let kind = draw.below(10);
    if kind < 8 {
        spec = spec.with("http", draw.list(3, http_route));
    }
    if kind >= 7 {
        spec = spec.maybe(draw, 60, "tls", |draw| draw.list(2, tls_route));
        spec = spec.maybe(draw, 60, "tcp", |draw| draw.list(2, tcp_route));
    }
    spec.into()
}

fn http_route(draw: &mut Draw) -> Value {
    let route = Members::new()
        .maybe(draw, 30, "name", |draw| draw.text(&["a", "b", "beta"]))
        .maybe(draw, 60, "match", |draw| draw.list(3, http_match))
        .maybe(draw, 30, "headers", headers);
    let route = match draw.below(12) {
        0 => return route.with("redirect", redirect(draw)).into(),
        1 => return route.with("directResponse", direct_response(draw)).into(),
        2 => return route.with("delegate", delegate(draw)).into(),
        _ => route.with("route", draw.list(3, http_destination)),
    };
    route
        .maybe(draw, 25, "rewrite", rewrite)
        .maybe(draw, 30, "timeout", Draw::time)
        .maybe(draw, 30, "retries", retries)
        .maybe(draw, 20, "fault", fault)
        .maybe(draw, 10, "mirror", destination)
        .maybe(
            draw,
            5,
            "mirrorPercentage",
            |draw| json!({"value": draw.percent()}),
        )
        .maybe(draw, 10, "mirrors", |draw| draw.list(2, mirror))
        .maybe(draw, 20, "corsPolicy", cors)
        .into()
}

pub(super) fn destination(draw: &mut Draw) -> Value {
    Members::new()
        .with("host", draw.text(HOSTS))
        .maybe(draw, 40, "subset", |draw| draw.text(SUBSETS))
        .maybe(
            draw,
            40,
            "port",
            |draw| json!({"number": draw.number(PORTS)}),
        )
        .into()
}

fn http_destination(draw: &mut Draw) -> Value {
    Members::new()
        .with("destination", destination(draw))
        .maybe(draw, 60, "weight", |draw| {
            draw.number(&[0, 1, 10, 50, 90, 100, 1000])
        })
        .maybe(draw, 20, "headers", headers)
        .into()
}

fn mirror(draw: &mut Draw) -> Value {
    Members::new()
        .with("destination", destination(draw))
        .maybe(
            draw,
            60,
            "percentage",
            |draw| json!({"value": draw.percent()}),
        )
        .into()
}

/// Texts with a meaning to somebody: paths, templates, patterns, other scripts.
const TEXTS: &[&str] = &[
    "/",
    "/api",
    "/api/",
    "/a b",
    "*",
    "x",
    "100%",
    "%",
    "%%",
    "%REQ(x-user)%",
    "a.b",
    "/Ä",
    "\"q\"",
    "a,b",
    "a\tb",
    "/a?b=c",
    "/a#b",
    "prefix*",
    "",
];
const REGEXES: &[&str] = &[
    ".*",
    "/api/(v[0-9]+)/.*",
    "^/a$",
    "(?i)abc",
    "[a-z]{1,3}",
    "a|b",
    "\\d+",
    "(",
    "(?P<n>x)y",
    "\\pL",
    "a{1000}",
    "(?:a+)+$",
    "\\Ax\\z",
    "",
];

fn string_match(draw: &mut Draw) -> Value {
    match draw.below(5) {
        0 | 1 => json!({"exact": draw.text(TEXTS)}),
        2 => json!({"regex": draw.text(REGEXES)}),
        3 => json!({"prefix": draw.text(TEXTS)}),
        _ => json!({"prefix": draw.text(&["/", "/api", "/v1/", "x-"])}),
    }
}

fn http_match(draw: &mut Draw) -> Value {
    let by_name = |draw: &mut Draw| {
        let mut all = Members::new();
        for _ in 0..=draw.below(2) {
            let name = draw.pick(HEADERS);
            let value = if draw.chance(15) {
                json!({})
            } else {
                string_match(draw)
            };
            all = all.with(name, value);
        }
        all.into()
    };
    Members::new()
        .maybe(draw, 10, "name", |draw| draw.text(&["m", "n"]))
        .maybe(draw, 60, "uri", string_match)
        .maybe(
            draw,
            10,
            "scheme",
            |draw| json!({"exact": draw.text(&["http", "https"])}),
        )
        .maybe(draw, 20, "method", |draw| match draw.below(3) {
            0 => json!({"exact": "GET"}),
            1 => json!({"regex": "GET|POST"}),
            _ => string_match(draw),
        })
        .maybe(draw, 10, "authority", string_match)
        .maybe(draw, 25, "headers", by_name)
        .maybe(draw, 10, "withoutHeaders", by_name)
        .maybe(draw, 15, "queryParams", by_name)
        .maybe(draw, 15, "port", |draw| draw.number(PORTS))
        .maybe(
            draw,
            15,
            "sourceLabels",
            |draw| json!({"app": draw.text(&["web", "none"])}),
        )
        .maybe(draw, 10, "sourceNamespace", |draw| draw.text(NAMESPACES))
        .maybe(draw, 10, "gateways", |draw| {
            draw.list(1, |draw| draw.text(GATEWAYS))
        })
        .maybe(draw, 20, "ignoreUriCase", |draw| draw.chance(70).into())
        .maybe(draw, 10, "statPrefix", |draw| {
            draw.text(&["stat", "a.b", ""])
        })
        .into()
}

fn headers(draw: &mut Draw) -> Value {
    let operations = |draw: &mut Draw| -> Value {
        let values = |draw: &mut Draw| -> Value {
            let name = draw.pick(HEADERS);
            Members::new().with(name, draw.text(TEXTS)).into()
        };
        Members::new()
            .maybe(draw, 50, "set", values)
            .maybe(draw, 50, "add", values)
            .maybe(draw, 40, "remove", |draw| {
                draw.list(2, |draw| draw.text(HEADERS))
            })
            .into()
    };
    Members::new()
        .maybe(draw, 70, "request", operations)
        .maybe(draw, 50, "response", operations)
        .into()
}

fn redirect(draw: &mut Draw) -> Value {
    Members::new()
        .maybe(draw, 60, "uri", |draw| draw.text(TEXTS))
        .maybe(draw, 40, "authority", |draw| draw.text(HOSTS))
        .maybe(draw, 20, "scheme", |draw| draw.text(&["http", "https"]))
        .maybe(draw, 20, "port", |draw| draw.number(PORTS))
        .maybe(draw, 15, "derivePort", |draw| {
            draw.text(&["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"])
        })
        .maybe(draw, 50, "redirectCode", |draw| {
            draw.number(&[301, 302, 303, 307, 308, 304])
        })
        .into()
}

fn direct_response(draw: &mut Draw) -> Value {
    Members::new()
        .with(
            "status",
            draw.number(&[200, 204, 404, 503, 599, 100, 101, 600]),
        )
        .maybe(draw, 60, "body", |draw| match draw.below(3) {
            0 => json!({"bytes": "aGVsbG8="}),
            1 => json!({"string": ""}),
            _ => json!({"string": draw.text(TEXTS)}),
        })
        .into()
}

fn delegate(draw: &mut Draw) -> Value {
    Members::new()
        .with("name", draw.text(&["delegate", "none", "object-1"]))
        .maybe(draw, 50, "namespace", |draw| draw.text(NAMESPACES))
        .into()
}

fn rewrite(draw: &mut Draw) -> Value {
    let regex = |draw: &mut Draw| {
        json!({
            "match": draw.text(REGEXES),
            "rewrite": draw.text(&["/\\1", "/x", "\\0", "\\9", "$1", "\\", "\\\\"]),
        })
    };
    Members::new()
        .maybe(draw, 50, "uri", |draw| draw.text(TEXTS))
        .maybe(draw, 40, "authority", |draw| draw.text(HOSTS))
        .maybe(draw, 30, "uriRegexRewrite", regex)
        .into()
}

fn retries(draw: &mut Draw) -> Value {
    let conditions = [
        "5xx",
        "gateway-error,503",
        "connect-failure,refused-stream,unavailable,cancelled",
        "retriable-status-codes,429",
        "reset,reset-before-request",
        "429",
        "418,599",
        "",
        "retriable-headers",
        "http3-post-connect-failure",
    ];
    Members::new()
        .with("attempts", draw.number(&[0, 1, 2, 3, 10, 4_294_967_295]))
        .maybe(draw, 50, "perTryTimeout", Draw::time)
        .maybe(draw, 60, "retryOn", |draw| draw.text(&conditions))
        .maybe(draw, 20, "retryRemoteLocalities", |draw| {
            draw.chance(50).into()
        })
        .maybe(draw, 20, "retryIgnorePreviousHosts", |draw| {
            draw.chance(50).into()
        })
        .maybe(draw, 30, "backoff", Draw::time)
        .into()
}

fn fault(draw: &mut Draw) -> Value {
    let delay = |draw: &mut Draw| {
        Members::new()
            .with("fixedDelay", draw.time())
            .maybe(
                draw,
                60,
                "percentage",
                |draw| json!({"value": draw.percent()}),
            )
            .into()
    };
    let abort = |draw: &mut Draw| {
        let abort = if draw.chance(70) {
            Members::new().with("httpStatus", draw.number(&[200, 418, 503, 599, 199, 600]))
        } else {
            Members::new().with(
                "grpcStatus",
                draw.text(&["UNAVAILABLE", "OK", "7", "NOTHING"]),
            )
        };
        abort
            .maybe(
                draw,
                60,
                "percentage",
                |draw| json!({"value": draw.percent()}),
            )
            .into()
    };
    Members::new()
        .maybe(draw, 60, "delay", delay)
        .maybe(draw, 60, "abort", abort)
        .into()
}

fn cors(draw: &mut Draw) -> Value {
    let names = |draw: &mut Draw| draw.list(2, |draw| draw.text(&["x-user", "*", "X-Other"]));
    Members::new()
        .maybe(draw, 80, "allowOrigins", |draw| draw.list(2, string_match))
        .maybe(draw, 50, "allowMethods", |draw| {
            draw.list(2, |draw| draw.text(&["GET", "PUT", "*"]))
        })
        .maybe(draw, 40, "allowHeaders", names)
        .maybe(draw, 40, "exposeHeaders", names)
        .maybe(draw, 40, "maxAge", Draw::time)
        .maybe(draw, 40, "allowCredentials", |draw| draw.chance(50).into())
        .maybe(draw, 20, "unmatchedPreflights", |draw| {
            draw.text(&["UNSPECIFIED", "FORWARD", "IGNORE"])
        })
        .into()
}

const SUBNETS: &[&str] = &[
    "10.0.0.0/8",
    "10.1.2.3",
    "0.0.0.0/0",
    "fd00::/8",
    "10.1.2.3/33",
];

fn layer4_destination(draw: &mut Draw) -> Value {
    Members::new()
        .with("destination", destination(draw))
        .maybe(draw, 60, "weight", |draw| draw.number(&[0, 1, 50, 100]))
        .into()
}

fn tls_route(draw: &mut Draw) -> Value {
    let one = |draw: &mut Draw| {
        Members::new()
            .with("sniHosts", draw.list(2, |draw| draw.text(HOSTS)))
            .maybe(draw, 15, "destinationSubnets", |draw| {
                draw.list(1, |draw| draw.text(SUBNETS))
            })
            .maybe(draw, 50, "port", |draw| draw.number(PORTS))
            .maybe(
                draw,
                20,
                "sourceLabels",
                |draw| json!({"app": draw.text(&["web", "none"])}),
            )
            .maybe(draw, 20, "gateways", |draw| {
                draw.list(1, |draw| draw.text(GATEWAYS))
            })
            .into()
    };
    Members::new()
        .with("match", draw.list(2, one))
        .with("route", draw.list(2, layer4_destination))
        .into()
}

fn tcp_route(draw: &mut Draw) -> Value {
    let one = |draw: &mut Draw| {
        Members::new()
            .maybe(draw, 30, "destinationSubnets", |draw| {
                draw.list(2, |draw| draw.text(SUBNETS))
            })
            .maybe(draw, 60, "port", |draw| draw.number(PORTS))
            .maybe(
                draw,
                20,
                "sourceLabels",
                |draw| json!({"app": draw.text(&["web", "none"])}),
            )
            .maybe(draw, 20, "gateways", |draw| {
                draw.list(1, |draw| draw.text(GATEWAYS))
            })
            .into()
    };
    Members::new()
        .maybe(draw, 60, "match", |draw| draw.list(2, one))
        .with("route", draw.list(2, layer4_destination))
        .into()
}
