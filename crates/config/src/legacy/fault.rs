//! `httpFault` → a VirtualService's `fault`.

use ferromesh_types::Str;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::route_rule::header_override;
use crate::check::Finding;
use crate::value::Duration;

/// Faults that are put into requests.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct HttpFault {
    delay: Option<Delay>,
    abort: Option<Abort>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Delay {
    percent: Option<f64>,
    #[serde(alias = "fixed_delay")]
    #[serde(rename = "fixedDelay")]
    fixed: Option<Duration>,
    /// The spelling of the earliest documents.
    #[serde(alias = "fixed_delay_seconds")]
    fixed_delay_seconds: Option<f64>,
    #[serde(alias = "exponential_delay")]
    #[serde(rename = "exponentialDelay")]
    exponential: Option<Value>,
    #[serde(alias = "override_header_name")]
    override_header_name: Option<Str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Abort {
    percent: Option<f64>,
    #[serde(alias = "http_status")]
    http_status: Option<u16>,
    #[serde(alias = "grpc_status")]
    grpc_status: Option<Str>,
    #[serde(alias = "http2_error")]
    http2_error: Option<Str>,
    #[serde(alias = "override_header_name")]
    override_header_name: Option<Str>,
}

/// Converts the faults of a rule.
pub(super) fn fault(value: &HttpFault, found: &mut Vec<Finding>) -> Value {
    let mut fields = Map::new();
    if let Some(wanted) = &value.delay {
        fields.insert("delay".to_owned(), delay(wanted, found));
    }
    if let Some(wanted) = &value.abort {
        fields.insert("abort".to_owned(), abort(wanted, found));
    }
    Value::Object(fields)
}

fn delay(delay: &Delay, found: &mut Vec<Finding>) -> Value {
    let path = "spec.httpFault.delay";
    if delay.exponential.is_some() {
        let message = "a delay of random length has no counterpart; use fixedDelay";
        found.push(Finding::error(format!("{path}.exponentialDelay"), message));
    }
    let header = delay.override_header_name.as_ref();
    header_override(&format!("{path}.overrideHeaderName"), header, found);
    let seconds = delay
        .fixed_delay_seconds
        .and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok())
        .map(Duration);
    let Some(length) = delay.fixed.or(seconds) else {
        found.push(Finding::error(
            format!("{path}.fixedDelay"),
            "the length is missing",
        ));
        return Value::Null;
    };
    json!({"fixedDelay": length, "percentage": {"value": delay.percent.unwrap_or(0.0)}})
}

fn abort(abort: &Abort, found: &mut Vec<Finding>) -> Value {
    let path = "spec.httpFault.abort";
    let header = abort.override_header_name.as_ref();
    header_override(&format!("{path}.overrideHeaderName"), header, found);
    let percentage = json!({"value": abort.percent.unwrap_or(0.0)});
    match (abort.http_status, &abort.grpc_status, &abort.http2_error) {
        (Some(status), None, None) => json!({"httpStatus": status, "percentage": percentage}),
        (None, Some(status), None) => json!({"grpcStatus": status, "percentage": percentage}),
        _ => {
            let message = "give one of httpStatus and grpcStatus; http2Error has no counterpart";
            found.push(Finding::error(path, message));
            Value::Null
        }
    }
}
