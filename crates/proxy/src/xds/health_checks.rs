//! Active health checks of clusters, and what an endpoint says about its own.

use std::mem::take;
use std::time::Duration;

use ferromesh_http::Method;
use ferromesh_proto::envoy::config::core::v3 as pb;
use ferromesh_proto::envoy::config::core::v3::health_check as detail;
use ferromesh_proto::envoy::config::core::v3::health_check::payload::Payload as PayloadKind;
use ferromesh_proto::envoy::config::endpoint::v3::endpoint::HealthCheckConfig;
use ferromesh_proto::envoy::r#type::v3::{CodecClientType, Int64Range};
use ferromesh_proto::google::protobuf::Duration as PbDuration;
use ferromesh_types::Str;

use super::fields::{duration, number, port};
use super::header_edits::mutations;
use super::refusal::{At, Refusal, nothing_left};
use crate::cluster::health_check::{
    EndpointCheck, HealthCheckSettings, HttpQuestion, Intervals, Question,
};

/// Envoy's default while the cluster has never had a connection.
const NO_TRAFFIC: Duration = Duration::from_mins(1);

/// Compiles the health check of a cluster; like Envoy, at most one.
pub(super) fn compile(list: Vec<pb::HealthCheck>) -> Result<Option<HealthCheckSettings>, Refusal> {
    let mut list = list.into_iter();
    let Some(first) = list.next() else {
        return Ok(None);
    };
    if list.next().is_some() {
        let reason = "only one health check is supported";
        return Err(Refusal::field("health_checks", reason));
    }
    one(first).map(Some).at_index("health_checks", 0)
}

fn one(mut value: pb::HealthCheck) -> Result<HealthCheckSettings, Refusal> {
    let needed = |field: Option<PbDuration>, name: &str| match field {
        Some(span) => duration(span).at(name),
        None => Err(Refusal::field(name, "is needed")),
    };
    let threshold = |field: Option<_>, name: &str| {
        number(field).ok_or_else(|| Refusal::field(name, "is needed"))
    };
    let settings = HealthCheckSettings {
        timeout: needed(value.timeout.take(), "timeout")?,
        unhealthy_threshold: threshold(value.unhealthy_threshold.take(), "unhealthy_threshold")?,
        healthy_threshold: threshold(value.healthy_threshold.take(), "healthy_threshold")?,
        port: number(value.alt_port.take())
            .map(port)
            .transpose()
            .at("alt_port")?,
        question: question(value.health_checker.take())?,
        initial_jitter: span(
            value.initial_jitter.take(),
            Duration::ZERO,
            "initial_jitter",
        )?,
        jitter: span(
            value.interval_jitter.take(),
            Duration::ZERO,
            "interval_jitter",
        )?,
        jitter_percent: take(&mut value.interval_jitter_percent),
        intervals: intervals(&mut value)?,
    };
    // Every check has a connection of its own; events go to our own log.
    value.reuse_connection = None;
    value.always_log_health_check_failures = false;
    value.always_log_health_check_success = false;
    nothing_left(&value)?;
    Ok(settings)
}

fn span(value: Option<PbDuration>, default: Duration, name: &str) -> Result<Duration, Refusal> {
    match value {
        Some(value) => duration(value).at(name),
        None => Ok(default),
    }
}

fn intervals(value: &mut pb::HealthCheck) -> Result<Intervals, Refusal> {
    let Some(healthy) = value.interval.take() else {
        return Err(Refusal::field("interval", "is needed"));
    };
    let healthy = duration(healthy).at("interval")?;
    let unhealthy = span(
        value.unhealthy_interval.take(),
        healthy,
        "unhealthy_interval",
    )?;
    let no_traffic = span(
        value.no_traffic_interval.take(),
        NO_TRAFFIC,
        "no_traffic_interval",
    )?;
    Ok(Intervals {
        healthy,
        healthy_edge: span(
            value.healthy_edge_interval.take(),
            healthy,
            "healthy_edge_interval",
        )?,
        unhealthy,
        unhealthy_edge: span(
            value.unhealthy_edge_interval.take(),
            unhealthy,
            "unhealthy_edge_interval",
        )?,
        no_traffic,
        no_traffic_healthy: span(
            value.no_traffic_healthy_interval.take(),
            no_traffic,
            "no_traffic_healthy_interval",
        )?,
    })
}

fn question(checker: Option<detail::HealthChecker>) -> Result<Question, Refusal> {
    match checker {
        Some(detail::HealthChecker::HttpHealthCheck(check)) => {
            http(check).map(Question::Http).at("http_health_check")
        }
        Some(detail::HealthChecker::TcpHealthCheck(check)) => tcp(check).at("tcp_health_check"),
        Some(detail::HealthChecker::GrpcHealthCheck(mut check)) => {
            let question = Question::Grpc {
                service: take(&mut check.service_name).into(),
                authority: take(&mut check.authority).into(),
            };
            nothing_left(&check).at("grpc_health_check")?;
            Ok(question)
        }
        Some(detail::HealthChecker::CustomHealthCheck(_)) => {
            Err(Refusal::field("custom_health_check", "is not supported"))
        }
        None => Err(Refusal::new("a kind of health check is needed")),
    }
}

fn http(mut check: detail::HttpHealthCheck) -> Result<HttpQuestion, Refusal> {
    let path = take(&mut check.path);
    if path.is_empty() {
        return Err(Refusal::field("path", "is needed"));
    }
    let method = match check.method() {
        pb::RequestMethod::MethodUnspecified => Method::GET,
        other => Method::from_bytes(other.as_str_name().as_bytes())
            .map_err(|_| Refusal::field("method", "is not known"))?,
    };
    let expected = statuses(take(&mut check.expected_statuses), "expected_statuses")?;
    let edits = mutations(
        take(&mut check.request_headers_to_add),
        take(&mut check.request_headers_to_remove),
        Vec::new(),
        Vec::new(),
    )?;
    let add = edits.request_add.iter().map(|edit| {
        let text = edit.value.literal();
        let text = text.ok_or_else(|| {
            Refusal::field("request_headers_to_add", "there is no request to fill in")
        })?;
        Ok((edit.name.clone(), Str::from(text)))
    });
    let question = HttpQuestion {
        host: take(&mut check.host).into(),
        path: path.into(),
        method,
        http2: check.codec_client_type() == CodecClientType::Http2,
        add: add.collect::<Result<_, Refusal>>()?,
        remove: edits.request_remove.clone(),
        expected: if expected.is_empty() {
            vec![(200, 201)]
        } else {
            expected
        },
        retriable: statuses(take(&mut check.retriable_statuses), "retriable_statuses")?,
    };
    if check.codec_client_type() == CodecClientType::Http3 {
        return Err(Refusal::field(
            "codec_client_type",
            "HTTP/3 is not supported",
        ));
    }
    check.method = 0;
    check.codec_client_type = 0;
    nothing_left(&check)?;
    Ok(question)
}

fn statuses(list: Vec<Int64Range>, field: &str) -> Result<Vec<(u16, u16)>, Refusal> {
    let each = |(index, range): (usize, Int64Range)| {
        let (start, end) = (range.start, range.end);
        if !(100..600).contains(&start) || !(101..=600).contains(&end) || end <= start {
            let refusal = Refusal::new("must be a range of statuses from 100 to 599");
            return Err(refusal).at_index(field, index);
        }
        Ok((start as u16, end as u16))
    };
    list.into_iter().enumerate().map(each).collect()
}

fn tcp(mut check: detail::TcpHealthCheck) -> Result<Question, Refusal> {
    let send = check.send.take().map(payload).transpose().at("send")?;
    let receive = take(&mut check.receive).into_iter().enumerate();
    let receive = receive.map(|(index, part)| payload(part).at_index("receive", index));
    let question = Question::Tcp {
        send: send.unwrap_or_default(),
        receive: receive.collect::<Result<_, _>>()?,
    };
    nothing_left(&check)?;
    Ok(question)
}

fn payload(value: detail::Payload) -> Result<Vec<u8>, Refusal> {
    match value.payload {
        Some(PayloadKind::Binary(bytes)) => Ok(bytes),
        Some(PayloadKind::Text(text)) => {
            let digit = |at: usize| {
                text.get(at..at + 2)
                    .map(|pair| u8::from_str_radix(pair, 16))
            };
            let bytes = (0..text.len()).step_by(2).map(|at| match digit(at) {
                Some(Ok(byte)) => Ok(byte),
                _ => Err(Refusal::field(
                    "text",
                    "must be pairs of hexadecimal digits",
                )),
            });
            bytes.collect()
        }
        None => Err(Refusal::new("text or binary is needed")),
    }
}

/// What an endpoint says about its checks.
pub(super) fn of_endpoint(
    value: Option<HealthCheckConfig>,
) -> Result<Option<Box<EndpointCheck>>, Refusal> {
    let Some(mut value) = value else {
        return Ok(None);
    };
    let check = EndpointCheck {
        disabled: take(&mut value.disable_active_health_check),
        port: match take(&mut value.port_value) {
            0 => None,
            number => Some(port(number).at("port_value")?),
        },
        hostname: take(&mut value.hostname).into(),
    };
    nothing_left(&value)?;
    Ok((check != EndpointCheck::default()).then(|| Box::new(check)))
}
