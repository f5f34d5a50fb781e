//! `cargo xtask conformance access-log`: what the operators of access logs show, and what a TCP proxy
//! logs about connections that do and do not go well.

mod http;
mod tcp;
mod tls;
mod wire;

use serde_json::{Value, json};

use super::beside::Row;

pub fn rows() -> Vec<Row> {
    [http::rows(), tls::rows(), tcp::rows(), wire::rows()]
        .into_iter()
        .flatten()
        .collect()
}

/// The fields of a log: keys of a table with what they show.
fn operators(table: &[(&str, &str)]) -> Value {
    let each = |(key, format): &(&str, &str)| ((*key).to_owned(), Value::from(*format));
    Value::Object(table.iter().map(each).collect())
}

/// Fields of a cluster that speaks TLS with its endpoint.
fn tls_cluster() -> Value {
    json!({"transport_socket": {"name": "tls", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "sni": "inner.example",
        "common_tls_context": {"tls_params": {"tls_maximum_protocol_version": "TLSv1_3"}},
    }}})
}
