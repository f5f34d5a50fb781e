//! Access logs of listeners, connection managers and TCP proxies.

use std::path::Path;
use std::sync::Arc;

use ferromesh_proto::envoy::config::accesslog::v3 as pb;
use ferromesh_proto::envoy::config::accesslog::v3::access_log::ConfigType;
use ferromesh_proto::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use ferromesh_proto::envoy::config::accesslog::v3::comparison_filter::Op;
use ferromesh_proto::envoy::config::core::v3::SubstitutionFormatString;
use ferromesh_proto::envoy::config::core::v3::substitution_format_string::Format;
use ferromesh_proto::envoy::extensions::access_loggers::file::v3::FileAccessLog;
use ferromesh_proto::envoy::extensions::access_loggers::file::v3::file_access_log::AccessLogFormat;
use ferromesh_proto::envoy::extensions::access_loggers::stream::v3 as stream;
use ferromesh_proto::google::protobuf::{Any, Struct};
use ferromesh_proto::{any, structs, type_url};
use ferromesh_route::Template;

use super::context::Context;
use super::refusal::{At, Refusal};
use super::{fields, matchers};
use crate::access_log::{
    AccessLog, Comparison, ENVOY_DEFAULT_FORMAT, JsonFormat, LogFilter, LogFormat, ResponseFlags,
    check_template,
};

/// Loggers that only report elsewhere: accepted, since traffic does not depend on them.
const REMOTE_LOGGERS: [&str; 5] = [
    "envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
    "envoy.extensions.access_loggers.grpc.v3.TcpGrpcAccessLogConfig",
    "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
    "envoy.extensions.access_loggers.fluentd.v3.FluentdAccessLogConfig",
    "envoy.extensions.access_loggers.stats.v3.Config",
];

/// Compiles the access logs in field `field`.
pub(super) fn compile(
    logs: Vec<pb::AccessLog>,
    field: &str,
    context: &mut Context<'_>,
) -> Result<Vec<Arc<AccessLog>>, Refusal> {
    let mut out = Vec::with_capacity(logs.len());
    for (index, log) in logs.into_iter().enumerate() {
        let compiled = access_log(log, context).at_index(field, index)?;
        out.extend(compiled.map(Arc::new));
    }
    Ok(out)
}

fn access_log(log: pb::AccessLog, context: &mut Context<'_>) -> Result<Option<AccessLog>, Refusal> {
    let Some(ConfigType::TypedConfig(config)) = log.config_type else {
        return Err(Refusal::field("typed_config", "is needed"));
    };
    let Some((path, format)) = target(&config, context).at("typed_config")? else {
        return Ok(None);
    };
    let sink = context
        .compiler
        .sinks
        .open(Path::new(&path))
        .map_err(|error| {
            Refusal::field(
                "typed_config.path",
                format!("{path} cannot be opened: {error}"),
            )
        })?;
    Ok(Some(AccessLog {
        filter: log.filter.map(filter).transpose().at("filter")?,
        format,
        sink,
    }))
}

/// The file and format of a logger; `None` for loggers without effect.
fn target(config: &Any, context: &mut Context<'_>) -> Result<Option<(String, LogFormat)>, Refusal> {
    let resolved = any::resolve(config)?;
    let name = type_url::message_name(&resolved.type_url);
    Ok(Some(match name {
        "envoy.extensions.access_loggers.file.v3.FileAccessLog" => {
            let log: FileAccessLog = any::unpack(&resolved)?;
            (log.path, file_format(log.access_log_format)?)
        }
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog" => {
            use stream::stdout_access_log::AccessLogFormat::LogFormat as Format;
            let log: stream::StdoutAccessLog = any::unpack(&resolved)?;
            let format = log.access_log_format.map(|Format(format)| format);
            ("/dev/stdout".to_owned(), substitution(format)?)
        }
        "envoy.extensions.access_loggers.stream.v3.StderrAccessLog" => {
            use stream::stderr_access_log::AccessLogFormat::LogFormat as Format;
            let log: stream::StderrAccessLog = any::unpack(&resolved)?;
            let format = log.access_log_format.map(|Format(format)| format);
            ("/dev/stderr".to_owned(), substitution(format)?)
        }
        _ if REMOTE_LOGGERS.contains(&name) => {
            context.without_effect(&format!("the access logger {name}"));
            return Ok(None);
        }
        _ => {
            return Err(Refusal::new(format!(
                "the access logger {name} is not supported"
            )));
        }
    }))
}

fn file_format(format: Option<AccessLogFormat>) -> Result<LogFormat, Refusal> {
    match format {
        None => substitution(None),
        Some(AccessLogFormat::Format(format)) => text(&format, false).at("format"),
        Some(AccessLogFormat::JsonFormat(format)) => json(&format, false).at("json_format"),
        Some(AccessLogFormat::TypedJsonFormat(format)) => {
            json(&format, false).at("typed_json_format")
        }
        Some(AccessLogFormat::LogFormat(format)) => substitution(Some(format)).at("log_format"),
    }
}

/// Compiles a format; none is Envoy's default of access logs.
pub(super) fn substitution(format: Option<SubstitutionFormatString>) -> Result<LogFormat, Refusal> {
    let Some(format) = format else {
        return text(ENVOY_DEFAULT_FORMAT, false);
    };
    // Formatter extensions only add operators; one that is not known is refused where it is used.
    let omit_empty = format.omit_empty_values;
    match format.format {
        Some(Format::TextFormat(format)) => text(&format, omit_empty).at("text_format"),
        Some(Format::JsonFormat(format)) => json(&format, omit_empty).at("json_format"),
        Some(Format::TextFormatSource(source)) => {
            let bytes = fields::data(source).at("text_format_source")?;
            let format = String::from_utf8_lossy(&bytes);
            text(&format, omit_empty).at("text_format_source")
        }
        None => text(ENVOY_DEFAULT_FORMAT, omit_empty),
    }
}

fn text(format: &str, omit_empty: bool) -> Result<LogFormat, Refusal> {
    let template = Template::parse(format)?;
    check_template(&template)?;
    Ok(LogFormat::Text {
        template,
        omit_empty,
    })
}

fn json(format: &Struct, omit_empty: bool) -> Result<LogFormat, Refusal> {
    let serde_json::Value::Object(object) = structs::to_json(format) else {
        return Err(Refusal::new("a JSON object is needed"));
    };
    let format = JsonFormat::new(&object, omit_empty)?;
    for template in format.templates() {
        check_template(template)?;
    }
    Ok(LogFormat::Json(format))
}

/// Compiles a filter, which mappers of local replies use too.
pub(super) fn filter(filter: pb::AccessLogFilter) -> Result<LogFilter, Refusal> {
    match filter.filter_specifier {
        Some(FilterSpecifier::StatusCodeFilter(filter)) => comparison(filter.comparison)
            .map(LogFilter::Status)
            .at("status_code_filter"),
        Some(FilterSpecifier::DurationFilter(filter)) => comparison(filter.comparison)
            .map(LogFilter::Duration)
            .at("duration_filter"),
        Some(FilterSpecifier::ResponseFlagFilter(filter)) => flags(&filter.flags),
        Some(FilterSpecifier::HeaderFilter(filter)) => {
            let matcher = matchers::header(filter.header.unwrap_or_default());
            Ok(LogFilter::Header(Box::new(
                matcher.at("header_filter.header")?,
            )))
        }
        Some(FilterSpecifier::AndFilter(all)) => {
            each(all.filters).map(LogFilter::And).at("and_filter")
        }
        Some(FilterSpecifier::OrFilter(all)) => {
            each(all.filters).map(LogFilter::Or).at("or_filter")
        }
        // There are no health check requests that the proxy would answer by itself.
        Some(FilterSpecifier::NotHealthCheckFilter(_)) => Ok(LogFilter::And(Vec::new())),
        Some(_) => Err(Refusal::new(
            "this kind of access log filter is not supported",
        )),
        None => Err(Refusal::new("an access log filter needs a kind")),
    }
}

fn each(filters: Vec<pb::AccessLogFilter>) -> Result<Vec<LogFilter>, Refusal> {
    let compiled = |(index, each)| filter(each).at_index("filters", index);
    filters.into_iter().enumerate().map(compiled).collect()
}

fn flags(names: &[String]) -> Result<LogFilter, Refusal> {
    let mut wanted = ResponseFlags::default();
    for name in names {
        let flag = ResponseFlags::named(name).ok_or_else(|| {
            let reason = format!("{name:?} is not a response flag");
            Refusal::field("response_flag_filter.flags", reason)
        })?;
        wanted.insert(flag);
    }
    Ok(LogFilter::Flags(wanted))
}

fn comparison(value: Option<pb::ComparisonFilter>) -> Result<Comparison, Refusal> {
    let value = value.ok_or_else(|| Refusal::field("comparison", "is needed"))?;
    let number = value
        .value
        .as_ref()
        .map_or(0, |value| u64::from(value.default_value));
    Ok(match value.op() {
        Op::Eq => Comparison::Equal(number),
        Op::Ge => Comparison::AtLeast(number),
        Op::Le => Comparison::AtMost(number),
        Op::Ne => Comparison::NotEqual(number),
    })
}
