//! Taking tags out of names, as Envoy's default rules do: cluster, connection manager, listener,
//! TCP prefix, response code and its class.

/// A name without its tags, and the tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// The Prometheus family name.
    pub(crate) family: String,
    tags: Vec<(&'static str, String)>,
}

impl Tagged {
    /// The tags in Prometheus form, without braces.
    pub(crate) fn labels(&self) -> String {
        let each = |(name, value): &(&str, String)| format!("{name}=\"{}\"", escaped(value));
        self.tags.iter().map(each).collect::<Vec<_>>().join(",")
    }
}

/// Splits a full name.
pub(crate) fn tagged(name: &str) -> Tagged {
    let (kind, tag) = match name.split_once('.').map(|(kind, _)| kind) {
        Some("cluster") => ("cluster", "cluster_name"),
        Some("http") => ("http", "http_conn_manager_prefix"),
        Some("listener") => ("listener", "listener_address"),
        Some("tcp") => ("tcp", "tcp_prefix"),
        _ => ("", ""),
    };
    let mut tags = Vec::new();
    let mut rest = name.to_owned();
    if !kind.is_empty() {
        let inner = &name[kind.len() + 1..];
        if let Some((value, tail)) = split_prefix(inner) {
            tags.push((tag, value.to_owned()));
            rest = format!("{kind}.{tail}");
        }
    }
    if let Some((stem, code)) = rest.rsplit_once("_rq_") {
        if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()) {
            tags.push(("response_code", code.to_owned()));
            rest = format!("{stem}_rq");
        } else if let Some(class) = code.strip_suffix("xx")
            && class.len() == 1
        {
            tags.push(("response_code_class", class.to_owned()));
            rest = format!("{stem}_rq_xx");
        }
    }
    Tagged {
        family: format!("envoy_{}", sanitized(&rest)),
        tags,
    }
}

/// Groups of numbers within a cluster or a connection manager that have a name of their own.
const SECTIONS: [&str; 7] = [
    ".ssl.",
    ".fault.",
    ".cors.",
    ".rbac.",
    ".outlier_detection.",
    ".health_check.",
    ".circuit_breakers.",
];

/// The prefix and the number's own name: a semicolon ends the prefix where there is one (Istio's
/// names), else the prefix goes up to the number's name, which has no dot or begins with one of
/// [`SECTIONS`].
fn split_prefix(inner: &str) -> Option<(&str, &str)> {
    if let Some(found) = inner.split_once(";.") {
        return Some(found);
    }
    let section = SECTIONS.iter().find_map(|section| inner.rfind(section));
    match section {
        Some(at) => Some((&inner[..at], &inner[at + 1..])),
        None => inner.rsplit_once('.'),
    }
}

fn sanitized(name: &str) -> String {
    name.chars()
        .map(|character| match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' => character,
            _ => '_',
        })
        .collect()
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_becomes_a_tag() {
        for (name, family, labels) in [
            (
                "cluster.a.b.ssl.handshake",
                "envoy_cluster_ssl_handshake",
                "cluster_name=\"a.b\"",
            ),
            (
                "listener.0.0.0.0_80.downstream_cx_total",
                "envoy_listener_downstream_cx_total",
                "listener_address=\"0.0.0.0_80\"",
            ),
            (
                "cluster.a.b.circuit_breakers.default.cx_open",
                "envoy_cluster_circuit_breakers_default_cx_open",
                "cluster_name=\"a.b\"",
            ),
            ("server.live", "envoy_server_live", ""),
        ] {
            let tagged = tagged(name);
            assert_eq!(
                (tagged.family.as_str(), tagged.labels().as_str()),
                (family, labels)
            );
        }
    }
}
