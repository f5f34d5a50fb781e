//! The access log that the mesh config asks for.
//!
//! In: `accessLogFile`, `accessLogEncoding`, `accessLogFormat`. Out: one logger for requests and
//! connections, and one for connections that no filter chain matched.

use std::collections::BTreeMap;

use ferromesh_config::mesh::{AccessLogEncoding, MeshConfig};
use ferromesh_proto::envoy::config::accesslog::v3::{
    AccessLog, AccessLogFilter, ResponseFlagFilter, access_log::ConfigType,
    access_log_filter::FilterSpecifier,
};
use ferromesh_proto::envoy::config::core::v3::{DataSource, data_source::Specifier};
use ferromesh_proto::envoy::extensions::access_loggers::file::v3::FileAccessLog;
use ferromesh_proto::google::protobuf::Any;
use prost::{Message, Name};
use prost_types::Struct;

use crate::wire;

/// One line per request, as Istio writes it.
const DEFAULT_TEXT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

/// The same as fields of an object.
const DEFAULT_FIELDS: &[(&str, &str)] = &[
    ("start_time", "%START_TIME%"),
    ("route_name", "%ROUTE_NAME%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("response_code", "%RESPONSE_CODE%"),
    ("response_flags", "%RESPONSE_FLAGS%"),
    ("response_code_details", "%RESPONSE_CODE_DETAILS%"),
    (
        "connection_termination_details",
        "%CONNECTION_TERMINATION_DETAILS%",
    ),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("duration", "%DURATION%"),
    (
        "upstream_service_time",
        "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    ),
    ("x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("upstream_host", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"),
    ("upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"),
    ("downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"),
    ("downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("requested_server_name", "%REQUESTED_SERVER_NAME%"),
    (
        "upstream_transport_failure_reason",
        "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    ),
];

/// Field numbers of Envoy's messages that hold the format.
mod field {
    /// `FileAccessLog.log_format`.
    pub(super) const LOG_FORMAT: u32 = 5;
    /// `SubstitutionFormatString.json_format`.
    pub(super) const JSON_FORMAT: u32 = 2;
    /// `SubstitutionFormatString.text_format_source`.
    pub(super) const TEXT_FORMAT_SOURCE: u32 = 5;
}

/// The log of requests and connections; empty if the mesh wants none.
pub(crate) fn of_traffic(mesh: &MeshConfig) -> Vec<AccessLog> {
    if mesh.access_log_file.is_empty() {
        return Vec::new();
    }
    vec![AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        config_type: Some(ConfigType::TypedConfig(file(mesh))),
        ..Default::default()
    }]
}

/// The log of a listener itself: connections that no filter chain matched leave no other trace.
pub(crate) fn of_listener(mesh: &MeshConfig) -> Vec<AccessLog> {
    let unmatched = AccessLogFilter {
        filter_specifier: Some(FilterSpecifier::ResponseFlagFilter(ResponseFlagFilter {
            flags: vec!["NR".to_owned()],
        })),
    };
    of_traffic(mesh)
        .into_iter()
        .map(|log| AccessLog {
            filter: Some(unmatched.clone()),
            ..log
        })
        .collect()
}

/// A file logger. Its format is appended by hand: the fields of an object are a map, and must be
/// in a fixed order.
fn file(mesh: &MeshConfig) -> Any {
    let logger = FileAccessLog {
        path: mesh.access_log_file.to_string(),
        access_log_format: None,
    };
    let mut format = Vec::new();
    match mesh.access_log_encoding {
        AccessLogEncoding::Text => {
            let text = if mesh.access_log_format.is_empty() {
                DEFAULT_TEXT.to_owned()
            } else {
                with_newline(&mesh.access_log_format)
            };
            let source = DataSource {
                specifier: Some(Specifier::InlineString(text)),
                ..Default::default()
            };
            wire::append(&mut format, field::TEXT_FORMAT_SOURCE, &source);
        }
        AccessLogEncoding::Json => {
            wire::append(
                &mut format,
                field::JSON_FORMAT,
                &fields(&mesh.access_log_format),
            );
        }
    }
    let mut value = logger.encode_to_vec();
    wire::append_encoded(&mut value, field::LOG_FORMAT, &format);
    Any {
        type_url: FileAccessLog::type_url(),
        value,
    }
}

fn with_newline(format: &str) -> String {
    if format.ends_with('\n') {
        format.to_owned()
    } else {
        format!("{format}\n")
    }
}

/// The fields that the format names, else the default ones.
fn fields(format: &str) -> Struct {
    let written: Option<BTreeMap<String, serde_json::Value>> = serde_json::from_str(format).ok();
    let fields = match written {
        Some(written) => written
            .into_iter()
            .map(|(key, value)| (key, json_value(value)))
            .collect(),
        None => DEFAULT_FIELDS
            .iter()
            .map(|&(key, operator)| (key.to_owned(), wire::text(operator)))
            .collect(),
    };
    Struct { fields }
}

fn json_value(value: serde_json::Value) -> prost_types::Value {
    match value {
        serde_json::Value::String(text) => wire::text(text),
        serde_json::Value::Bool(truth) => wire::truth(truth),
        serde_json::Value::Object(fields) => wire::nested(Struct {
            fields: fields
                .into_iter()
                .map(|(key, value)| (key, json_value(value)))
                .collect(),
        }),
        serde_json::Value::Array(items) => wire::list(items.into_iter().map(json_value).collect()),
        other @ (serde_json::Value::Number(_) | serde_json::Value::Null) => {
            wire::text(other.to_string())
        }
    }
}
