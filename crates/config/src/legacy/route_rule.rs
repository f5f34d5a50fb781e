//! `type: route-rule` → an entry of a VirtualService's `http`.

use std::collections::BTreeMap;

use ferromesh_types::Str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::fault::{HttpFault, fault};
use super::subset::{Tags, subset_name};
use crate::check::Finding;
use crate::problem::{Code, Severity};
use crate::value::{Duration, StringMatch};

/// Where requests to a destination go.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct RouteRule {
    /// The service that is called.
    pub(super) destination: Str,
    /// Higher comes first.
    pub(super) precedence: i64,
    #[serde(rename = "match")]
    condition: Option<Condition>,
    route: Vec<Weighted>,
    redirect: Option<UriAuthority>,
    rewrite: Option<UriAuthority>,
    #[serde(alias = "http_req_timeout")]
    http_req_timeout: Option<RequestTimeout>,
    #[serde(alias = "http_req_retries")]
    http_req_retries: Option<RequestRetries>,
    #[serde(alias = "http_fault")]
    http_fault: Option<HttpFault>,
    #[serde(alias = "l4_fault")]
    l4_fault: Option<Value>,
    /// Upgrades are always allowed today.
    #[serde(alias = "websocket_upgrade", rename = "websocketUpgrade")]
    _websocket_upgrade: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Condition {
    source: Option<Str>,
    #[serde(alias = "source_tags")]
    source_tags: Tags,
    tcp: Option<Value>,
    udp: Option<Value>,
    #[serde(alias = "http_headers")]
    http_headers: BTreeMap<Str, StringMatch>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Weighted {
    destination: Option<Str>,
    tags: Tags,
    weight: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct UriAuthority {
    uri: Option<Str>,
    authority: Option<Str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RequestTimeout {
    #[serde(alias = "simple_timeout")]
    simple_timeout: SimpleTimeout,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SimpleTimeout {
    timeout: Duration,
    #[serde(default, alias = "override_header_name")]
    override_header_name: Option<Str>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RequestRetries {
    #[serde(alias = "simple_retry")]
    simple_retry: SimpleRetry,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SimpleRetry {
    attempts: u32,
    #[serde(default, alias = "per_try_timeout")]
    per_try_timeout: Option<Duration>,
    #[serde(default, alias = "override_header_name")]
    override_header_name: Option<Str>,
}

/// An entry of `http`, and the subsets that it names.
#[derive(Debug)]
pub(super) struct Converted {
    /// The entry.
    pub(super) http: Value,
    /// Whether every request matches.
    pub(super) matches_all: bool,
    /// The destination of each subset (absent: the rule's own) and the subset's tags.
    pub(super) subsets: Vec<(Option<Str>, Tags)>,
}

/// Converts a rule; nothing when the findings hold an error.
pub(super) fn convert(rule: &RouteRule, found: &mut Vec<Finding>) -> Option<Converted> {
    let before = found.len();
    if rule.destination.is_empty() {
        found.push(Finding::error(
            "spec.destination",
            "the service that is called is missing",
        ));
    }
    if rule.l4_fault.is_some() {
        found.push(Finding::error(
            "spec.l4Fault",
            "faults of connections have no counterpart",
        ));
    }
    let mut http = Map::new();
    let conditions = rule
        .condition
        .as_ref()
        .map(|condition| match_of(condition, found));
    let matches_all = conditions.as_ref().is_none_or(Map::is_empty);
    if let Some(conditions) = conditions.filter(|conditions| !conditions.is_empty()) {
        http.insert("match".to_owned(), json!([conditions]));
    }
    if let Some(value) = &rule.http_fault {
        http.insert("fault".to_owned(), fault(value, found));
    }
    let subsets = action(rule, &mut http, found);
    times(rule, &mut http, found);
    let failed = found[before..].iter().any(Finding::is_error);
    (!failed).then_some(Converted {
        http: Value::Object(http),
        matches_all,
        subsets,
    })
}

/// Redirect or routes, with the rewrite.
fn action(
    rule: &RouteRule,
    http: &mut Map<String, Value>,
    found: &mut Vec<Finding>,
) -> Vec<(Option<Str>, Tags)> {
    if let Some(redirect) = &rule.redirect {
        if !rule.route.is_empty() || rule.rewrite.is_some() {
            let message = "a rule redirects or forwards: remove route and rewrite, or redirect";
            found.push(Finding::error("spec.redirect", message));
        }
        http.insert("redirect".to_owned(), uri_authority(redirect));
        return Vec::new();
    }
    if let Some(rewrite) = &rule.rewrite {
        http.insert("rewrite".to_owned(), uri_authority(rewrite));
    }
    http.insert("route".to_owned(), Value::Array(routes(rule, found)));
    rule.route
        .iter()
        .filter(|weighted| !weighted.tags.is_empty())
        .map(|weighted| (weighted.destination.clone(), weighted.tags.clone()))
        .collect()
}

fn routes(rule: &RouteRule, found: &mut Vec<Finding>) -> Vec<Value> {
    let single = rule.route.len() == 1;
    let total: u32 = rule
        .route
        .iter()
        .filter_map(|weighted| weighted.weight)
        .sum();
    if !(rule.route.is_empty() || total == 100 || single && total == 0) {
        let message = format!("the weights add up to {total}; they have to add up to 100");
        found.push(Finding::error("spec.route", message));
    }
    if rule.route.is_empty() {
        return vec![json!({"destination": {"host": rule.destination}})];
    }
    let entry = |weighted: &Weighted| {
        let host = weighted.destination.as_ref().unwrap_or(&rule.destination);
        let mut destination = json!({"host": host});
        if !weighted.tags.is_empty() {
            destination["subset"] = json!(subset_name(&weighted.tags));
        }
        let mut route = json!({"destination": destination});
        if !single {
            route["weight"] = json!(weighted.weight.unwrap_or(0));
        }
        route
    };
    rule.route.iter().map(entry).collect()
}

fn uri_authority(value: &UriAuthority) -> Value {
    let mut fields = Map::new();
    let named = [("uri", &value.uri), ("authority", &value.authority)];
    for (name, text) in named {
        if let Some(text) = text {
            fields.insert(name.to_owned(), json!(text));
        }
    }
    Value::Object(fields)
}

fn match_of(condition: &Condition, found: &mut Vec<Finding>) -> Map<String, Value> {
    let mut fields = Map::new();
    for (field, value) in [("tcp", &condition.tcp), ("udp", &condition.udp)] {
        if value.is_some() {
            let message = "conditions on connections are not convertible; write a tcp route";
            found.push(Finding::error(format!("spec.match.{field}"), message));
        }
    }
    if !condition.source_tags.is_empty() {
        fields.insert("sourceLabels".to_owned(), json!(condition.source_tags));
    }
    if let Some(source) = &condition.source {
        source_service(source, condition, &mut fields, found);
    }
    let mut headers = Map::new();
    for (name, value) in &condition.http_headers {
        match name.as_str() {
            "uri" | "scheme" | "method" | "authority" => {
                fields.insert(name.to_string(), json!(value));
            }
            _ => {
                headers.insert(name.to_string(), json!(value));
            }
        }
    }
    if !headers.is_empty() {
        fields.insert("headers".to_owned(), Value::Object(headers));
    }
    fields
}

/// A caller was named by its service; today it is named by its labels and namespace.
fn source_service(
    source: &Str,
    condition: &Condition,
    fields: &mut Map<String, Value>,
    found: &mut Vec<Finding>,
) {
    let field = "spec.match.source";
    let parts: Vec<&str> = source.split('.').collect();
    if condition.source_tags.is_empty() {
        let message = format!(
            "a VirtualService tells callers by their labels, not by a service name; add sourceTags \
             with labels that only the pods of {source} carry, for instance app: {}",
            parts[0]
        );
        found.push(Finding::error(field, message));
        return;
    }
    if let Some(namespace) = parts.get(1) {
        fields.insert("sourceNamespace".to_owned(), json!(namespace));
    }
    found.push(Finding {
        severity: Severity::Warning,
        code: Code::Suspicious,
        ..Finding::error(
            field,
            format!("the name {source} is not compared any more, only sourceTags and namespace"),
        )
    });
}

/// Timeout and retries.
fn times(rule: &RouteRule, http: &mut Map<String, Value>, found: &mut Vec<Finding>) {
    if let Some(RequestTimeout { simple_timeout }) = &rule.http_req_timeout {
        http.insert("timeout".to_owned(), json!(simple_timeout.timeout));
        let field = "spec.httpReqTimeout.simpleTimeout.overrideHeaderName";
        header_override(field, simple_timeout.override_header_name.as_ref(), found);
    }
    if let Some(RequestRetries { simple_retry }) = &rule.http_req_retries {
        let mut retries = json!({"attempts": simple_retry.attempts});
        if let Some(timeout) = simple_retry.per_try_timeout {
            retries["perTryTimeout"] = json!(timeout);
        }
        http.insert("retries".to_owned(), retries);
        let field = "spec.httpReqRetries.simpleRetry.overrideHeaderName";
        header_override(field, simple_retry.override_header_name.as_ref(), found);
    }
}

/// A header of the caller's choice could override a setting.
pub(super) fn header_override(field: &str, header: Option<&Str>, found: &mut Vec<Finding>) {
    if let Some(header) = header {
        let message = format!("the header {header} cannot override the setting today; remove it");
        found.push(Finding::error(field, message));
    }
}
