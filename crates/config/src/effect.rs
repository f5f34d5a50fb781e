//! Fields and kinds that are accepted and do not do what they say.
//!
//! The table is the whole truth about it: who gives a field its effect removes its line. A path
//! names a field; `[]` stands for every item of a list, `{}` for every value of a map.

use serde_json::Value;

use crate::check::Finding;
use crate::kind::Kind;
use crate::problem::{Code, Severity};

/// Kind and path of each field without effect; an empty path is the whole object.
pub const WITHOUT_EFFECT: &[(Kind, &str)] = &[
    (Kind::Gateway, "spec.servers[].defaultEndpoint"),
    (Kind::HttpRoute, "spec.rules[].sessionPersistence"),
    (Kind::GrpcRoute, "spec.rules[].sessionPersistence"),
    (Kind::KubernetesGateway, "spec.infrastructure"),
    (Kind::KubernetesGateway, "spec.allowedListeners"),
    (Kind::KubernetesGateway, "spec.defaultScope"),
    (Kind::KubernetesGateway, "spec.tls.backend"),
    (Kind::GatewayClass, "spec.parametersRef"),
    (Kind::HttpRoute, "spec.useDefaultGateways"),
    (Kind::GrpcRoute, "spec.useDefaultGateways"),
    (Kind::TlsRoute, "spec.useDefaultGateways"),
    (Kind::TcpRoute, "spec.useDefaultGateways"),
    (Kind::BackendTlsPolicy, "spec.options"),
    (Kind::WorkloadGroup, ""),
    (Kind::EnvoyFilter, ""),
    (Kind::ProxyConfig, ""),
    (Kind::RequestAuthentication, ""),
    (Kind::AuthorizationPolicy, ""),
    (Kind::Telemetry, ""),
    (Kind::WasmPlugin, ""),
    (Kind::TrafficExtension, ""),
];

/// A warning for each field of the object that is written and has no effect.
pub(crate) fn without_effect(kind: Kind, object: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    for (_, path) in WITHOUT_EFFECT.iter().filter(|(row, _)| *row == kind) {
        if path.is_empty() {
            found.push(finding(String::new(), kind.as_str()));
            continue;
        }
        for field in written(object, path) {
            let name = field.rsplit('.').next().unwrap_or_default().to_owned();
            found.push(finding(field, &name));
        }
    }
    found
}

fn finding(field: String, subject: &str) -> Finding {
    Finding {
        severity: Severity::Warning,
        field,
        message: format!("{subject} is accepted, but has no effect yet in this version"),
        code: Code::NoEffect,
    }
}

/// The places in `object` that `pattern` stands for.
fn written(object: &Value, pattern: &str) -> Vec<String> {
    let mut places = vec![(String::new(), object)];
    for step in pattern.split('.') {
        let (name, each_item, each_value) = match step {
            step if step.ends_with("[]") => (step.trim_end_matches("[]"), true, false),
            step if step.ends_with("{}") => (step.trim_end_matches("{}"), false, true),
            step => (step, false, false),
        };
        places = places
            .into_iter()
            .filter_map(|(path, value)| value.get(name).map(|below| (join(&path, name), below)))
            .flat_map(|(path, value)| match value {
                Value::Array(items) if each_item => items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| (format!("{path}[{index}]"), item))
                    .collect(),
                Value::Object(map) if each_value => map
                    .iter()
                    .map(|(key, item)| (join(&path, key), item))
                    .collect(),
                _ if each_item || each_value => Vec::new(),
                value => vec![(path, value)],
            })
            .collect();
    }
    places.into_iter().map(|(path, _)| path).collect()
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_written_is_warned_of() {
        let object = json!({"spec": {"servers": [{}, {"defaultEndpoint": "127.0.0.1:1"}]}});
        let fields: Vec<_> = without_effect(Kind::Gateway, &object)
            .into_iter()
            .map(|finding| finding.field)
            .collect();
        assert_eq!(fields, ["spec.servers[1].defaultEndpoint"]);
    }
}
