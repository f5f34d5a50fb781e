//! TLS towards the services that a bootstrap names, and for listeners that ask for client
//! certificates. All secrets come from the agent's own socket.

use serde_json::{Value, json};

const UPSTREAM: &str =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
const DOWNSTREAM: &str =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";

/// The transport socket for client settings in the form of the mesh's configuration; `None` where
/// they ask for no TLS.
pub(super) fn upstream(settings: Option<&Value>, alpn: &[&str]) -> Option<Value> {
    let settings = settings?;
    let text = |key: &str| {
        settings
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let mut context = serde_json::Map::new();
    let (certificate, root) = match text("mode") {
        "SIMPLE" => (None, text("caCertificates").to_owned()),
        "MUTUAL" => (
            Some(format!(
                "file-cert:{}~{}",
                text("clientCertificate"),
                text("privateKey")
            )),
            text("caCertificates").to_owned(),
        ),
        "ISTIO_MUTUAL" => (Some("default".to_owned()), "ROOTCA".to_owned()),
        _ => return None,
    };
    if !alpn.is_empty() {
        context.insert("alpn_protocols".to_owned(), json!(alpn));
    }
    if let Some(name) = certificate {
        context.insert(
            "tls_certificate_sds_secret_configs".to_owned(),
            json!([secret(&name)]),
        );
    }
    if !root.is_empty() {
        let name = if root == "ROOTCA" {
            root
        } else {
            format!("file-root:{root}")
        };
        context.insert(
            "combined_validation_context".to_owned(),
            validation(&name, settings),
        );
    }
    let mut tls = json!({"@type": UPSTREAM, "common_tls_context": context});
    if !text("sni").is_empty() {
        tls["sni"] = json!(text("sni"));
    }
    Some(json!({"name": "envoy.transport_sockets.tls", "typed_config": tls}))
}

fn validation(name: &str, settings: &Value) -> Value {
    let names = settings.get("subjectAltNames").and_then(Value::as_array);
    let matchers: Vec<_> = names
        .into_iter()
        .flatten()
        .map(|name| json!({"exact": name}))
        .collect();
    let mut default = json!({});
    if !matchers.is_empty() {
        default["match_subject_alt_names"] = Value::Array(matchers);
    }
    json!({
        "default_validation_context": default,
        "validation_context_sds_secret_config": secret(name),
    })
}

/// Mutual TLS with the workload's own certificate.
pub(super) fn mutual_downstream() -> Value {
    json!({"name": "envoy.transport_sockets.tls", "typed_config": {
        "@type": DOWNSTREAM,
        "require_client_certificate": true,
        "common_tls_context": {
            "tls_certificate_sds_secret_configs": [secret("default")],
            "combined_validation_context": validation("ROOTCA", &Value::Null),
        },
    }})
}

fn secret(name: &str) -> Value {
    json!({"name": name, "sds_config": {
        "api_config_source": {
            "api_type": "GRPC",
            "grpc_services": [{"envoy_grpc": {"cluster_name": "sds-grpc"}}],
            "set_node_on_first_message_only": true,
            "transport_api_version": "V3",
        },
        "resource_api_version": "V3",
    }})
}
