//! Fields and kinds that are accepted and do not do, or not everywhere, what they say.
//!
//! The table is the whole truth about it: who gives a field its effect removes its line. A path
//! names a field; `[]` stands for every item of a list, `{}` for every value of a map.

use serde_json::Value;

use crate::check::Finding;
use crate::kind::Kind;
use crate::problem::{Code, Severity};

/// Where a field has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Nowhere yet.
    Nowhere,
    /// In a stock Envoy; our own proxy does not apply it yet.
    StockEnvoy,
}

use Reach::{Nowhere, StockEnvoy};

/// Kind, path and reach of each field that does not work everywhere; an empty path is the whole
/// object.
pub const WITHOUT_EFFECT: &[(Kind, &str, Reach)] = &[
    (
        Kind::DestinationRule,
        "spec.trafficPolicy.tunnel",
        StockEnvoy,
    ),
    (
        Kind::DestinationRule,
        "spec.subsets[].trafficPolicy.tunnel",
        StockEnvoy,
    ),
    (Kind::Gateway, "spec.servers[].defaultEndpoint", Nowhere),
    (Kind::HttpRoute, "spec.rules[].sessionPersistence", Nowhere),
    (Kind::GrpcRoute, "spec.rules[].sessionPersistence", Nowhere),
    (Kind::KubernetesGateway, "spec.infrastructure", Nowhere),
    (Kind::KubernetesGateway, "spec.allowedListeners", Nowhere),
    (Kind::KubernetesGateway, "spec.defaultScope", Nowhere),
    (Kind::KubernetesGateway, "spec.tls.backend", Nowhere),
    (Kind::GatewayClass, "spec.parametersRef", Nowhere),
    (Kind::HttpRoute, "spec.useDefaultGateways", Nowhere),
    (Kind::GrpcRoute, "spec.useDefaultGateways", Nowhere),
    (Kind::TlsRoute, "spec.useDefaultGateways", Nowhere),
    (Kind::TcpRoute, "spec.useDefaultGateways", Nowhere),
    (Kind::BackendTlsPolicy, "spec.options", Nowhere),
    (Kind::WorkloadGroup, "", Nowhere),
    (Kind::EnvoyFilter, "", Nowhere),
    (Kind::ProxyConfig, "", Nowhere),
    (Kind::RequestAuthentication, "", Nowhere),
    (Kind::AuthorizationPolicy, "", Nowhere),
    (Kind::Telemetry, "", Nowhere),
    (Kind::WasmPlugin, "", Nowhere),
    (Kind::TrafficExtension, "", Nowhere),
];

/// A warning for each field of the object that is written and does not work everywhere.
pub(crate) fn without_effect(kind: Kind, object: &Value) -> Vec<Finding> {
    let mut found = Vec::new();
    for (_, path, reach) in WITHOUT_EFFECT.iter().filter(|(row, ..)| *row == kind) {
        if path.is_empty() {
            found.push(finding(String::new(), kind.as_str(), *reach));
            continue;
        }
        for field in written(object, path) {
            let name = field.rsplit('.').next().unwrap_or_default().to_owned();
            found.push(finding(field, &name, *reach));
        }
    }
    found
}

fn finding(field: String, subject: &str, reach: Reach) -> Finding {
    let message = match reach {
        Nowhere => format!("{subject} is accepted, but has no effect yet in this version"),
        StockEnvoy => format!(
            "{subject} is accepted, but has no effect yet in this version's own proxy, only in a \
             stock Envoy"
        ),
    };
    Finding {
        severity: Severity::Warning,
        field,
        message,
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
        let tunnel = json!({"trafficPolicy": {"tunnel": {}}});
        let object = json!({"spec": {"host": "a", "subsets": [{}, tunnel]}});
        let fields: Vec<_> = without_effect(Kind::DestinationRule, &object)
            .into_iter()
            .map(|finding| finding.field)
            .collect();
        assert_eq!(fields, ["spec.subsets[1].trafficPolicy.tunnel"]);
    }
}
