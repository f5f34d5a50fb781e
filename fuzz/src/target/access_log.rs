//! Access log formats: text, and JSON objects when the input begins with `{`.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use ferromesh_proxy::access_log::{JsonFormat, LogFormat, LogRecord, check_template};
use ferromesh_route::Template;
use ferromesh_route::template::{Operator, Segment};

use crate::{Target, no_seeds};

pub(crate) const TARGET: Target = Target {
    name: "access_log",
    about: "an accepted format can write every record; limits hold; JSON lines are JSON",
    run,
    seeds: no_seeds,
    words: &[
        "%",
        "%%",
        "%START_TIME(%Y-%m-%dT%T.%3f)%",
        "%REQ(:PATH?X-A):5%",
        "%RESP(X)%",
        "%RESPONSE_CODE%",
        "%DURATION%",
        "%UPSTREAM_HOST%",
        "%DYNAMIC_METADATA(a:b)%",
        ":10%",
        "%E3S",
        "%9f",
        "(",
        ")",
        "\\u0000",
        "{\"a\":",
        "}",
        "[",
        "null",
        "%RESPONSE_FLAGS%",
        "%ROUTE_NAME:2%",
        "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
        "%HOSTNAME%",
    ],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if text.trim_start().starts_with('{') {
        json(text);
    } else if let Ok(template) = Template::parse(text) {
        check(&template);
    }
}

fn check(template: &Template) {
    if check_template(template).is_err() {
        return;
    }
    for omit_empty in [false, true] {
        let format = LogFormat::Text {
            template: template.clone(),
            omit_empty,
        };
        for record in records() {
            let mut line = String::from("before ");
            format.write(&record, &mut line);
            assert!(line.starts_with("before "));
            assert!(line.len() <= 7 + bound(template), "{} bytes", line.len());
        }
    }
}

/// What a line may have at most: the text, and for each operator its limit or its longest value.
fn bound(template: &Template) -> usize {
    let each = |segment: &Segment| match segment {
        Segment::Text(text) => text.len(),
        Segment::Operator { limit, operator } => {
            let longest = match operator {
                // Times repeat what the format says, each specifier with at most 20 characters.
                Operator::StartTime(format) => 30 + 20 * format.len(),
                _ => 4096,
            };
            limit.map_or(longest, |limit| limit.min(longest))
        }
    };
    template.segments().iter().map(each).sum()
}

fn json(text: &str) {
    let Ok(serde_json::Value::Object(object)) = serde_json::from_str(text) else {
        return;
    };
    for omit_empty in [false, true] {
        let Ok(format) = JsonFormat::new(&object, omit_empty) else {
            return;
        };
        if format
            .templates()
            .into_iter()
            .any(|each| check_template(each).is_err())
        {
            return;
        }
        for record in records() {
            let mut line = String::new();
            LogFormat::Json(format.clone()).write(&record, &mut line);
            let body = line.strip_suffix('\n').expect("a line ends");
            assert!(!body.contains('\n'), "one line");
            let value = serde_json::from_str(body);
            let Ok(serde_json::Value::Object(written)) = value else {
                panic!("no object: {body}");
            };
            assert!(written.keys().all(|key| object.contains_key(key)));
            assert!(omit_empty || written.len() == object.len());
        }
    }
}

/// One of which nothing is known, and one with all that formats ask for most.
fn records() -> [LogRecord<'static>; 2] {
    let address = SocketAddr::from(([10, 0, 0, 9], 80));
    let full = LogRecord {
        start: Some(UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)),
        duration: Some(Duration::from_millis(12)),
        response_duration: Some(Duration::from_secs(u64::MAX)),
        protocol: "HTTP/1.1",
        status: 503,
        status_details: "via \"upstream\"\n",
        bytes_sent: u64::MAX,
        cluster: "outbound|80||catalog",
        downstream_local: Some(address),
        downstream_remote: Some(address),
        upstream_remote: Some(address),
        server_name: "sh\u{f6}p",
        route: "default",
        ..LogRecord::default()
    };
    [LogRecord::default(), full]
}
