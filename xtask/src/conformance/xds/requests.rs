//! Requests that the routes of a table ask for, and near misses of each.

use ferromesh_route::request::PlainRequest;
use serde_json::Value;

use super::sample;

/// A host that nobody serves.
const UNKNOWN_HOST: &str = "unknown.example";
/// What turns a text into a near miss.
const NEAR: &str = "near";

/// For each virtual host its routes on its first domain, and every domain with its root.
pub(super) fn of_table(table: &Value) -> Vec<PlainRequest> {
    let mut requests = vec![PlainRequest::new(UNKNOWN_HOST, "/")];
    for host in list(&table["virtualHosts"]) {
        let domains: Vec<&str> = list(&host["domains"]).filter_map(Value::as_str).collect();
        for domain in &domains {
            let name = concrete(domain);
            requests.push(PlainRequest::new(&name, "/"));
            requests.push(PlainRequest::new(&format!("{NEAR}{name}"), "/"));
        }
        let Some(first) = domains.first() else {
            continue;
        };
        for route in list(&host["routes"]) {
            requests.extend(of_match(&route["match"], &concrete(first)));
        }
    }
    requests
}

/// A name that a domain stands for.
pub(super) fn concrete(domain: &str) -> String {
    match domain.strip_prefix('*') {
        Some("") => UNKNOWN_HOST.to_owned(),
        Some(rest) => format!("{NEAR}{rest}"),
        None => match domain.strip_suffix('*') {
            Some(rest) => format!("{rest}{NEAR}"),
            None => domain.to_owned(),
        },
    }
}

fn of_match(matcher: &Value, host: &str) -> Vec<PlainRequest> {
    let (paths, query) = (paths(matcher), query(matcher));
    let mut full = PlainRequest::new(host, &format!("{}{query}", paths[0]));
    let headers: Vec<&Value> = list(&matcher["headers"]).collect();
    for header in &headers {
        set(
            &mut full,
            header["name"].as_str().unwrap_or_default(),
            value(header),
        );
    }
    let mut requests = vec![full.clone()];
    for path in &paths[1..] {
        let mut other = full.clone();
        other.path = format!("{path}{query}");
        requests.push(other);
    }
    if !query.is_empty() {
        for miss in [
            "",
            &format!("{query}{NEAR}"),
            &format!("?{NEAR}{}", &query[1..]),
        ] {
            let mut other = full.clone();
            other.path = format!("{}{miss}", paths[0]);
            requests.push(other);
        }
    }
    for header in headers {
        let name = header["name"].as_str().unwrap_or_default();
        let mut without = full.clone();
        without.headers.retain(|(each, _)| each != name);
        requests.push(without);
        let mut changed = full.clone();
        set(
            &mut changed,
            name,
            Some(format!("{}{NEAR}", value(header).unwrap_or_default())),
        );
        requests.push(changed);
    }
    requests
}

/// Paths for the condition, the first of which it admits.
fn paths(matcher: &Value) -> Vec<String> {
    let text = |key: &str| matcher[key].as_str();
    let path = if let Some(exact) = text("path").or(text("pathSeparatedPrefix")) {
        exact.to_owned()
    } else if let Some(expression) = matcher["safeRegex"]["regex"].as_str() {
        sample::of(expression).unwrap_or_else(|| "/".to_owned())
    } else {
        text("prefix").unwrap_or("/").to_owned()
    };
    let mut paths = vec![
        path.clone(),
        format!("{path}{NEAR}"),
        format!("{}/{NEAR}", path.trim_end_matches('/')),
        path.to_ascii_uppercase(),
        "/".to_owned(),
    ];
    if path.len() > 1 {
        paths.push(path[..path.len() - 1].to_owned());
    }
    paths.retain(|path| path.starts_with('/'));
    if paths.is_empty() {
        paths.push("/".to_owned());
    }
    paths
}

fn query(matcher: &Value) -> String {
    let pairs: Vec<String> = list(&matcher["queryParameters"])
        .map(|parameter| {
            let name = parameter["name"].as_str().unwrap_or_default();
            let value = of_string(&parameter["stringMatch"]).unwrap_or_default();
            format!("{name}={value}")
        })
        .collect();
    if pairs.is_empty() {
        String::new()
    } else {
        format!("?{}", pairs.join("&"))
    }
}

/// A value that the condition names, whether it asks for it or against it; `None` for a header that
/// has to be missing.
fn value(header: &Value) -> Option<String> {
    if let Some(text) = of_string(&header["stringMatch"]) {
        return Some(text);
    }
    if let Some(start) = header["rangeMatch"]["start"].as_str() {
        return Some(start.to_owned());
    }
    (header["presentMatch"] != false).then(|| "1".to_owned())
}

fn of_string(matcher: &Value) -> Option<String> {
    for key in ["exact", "prefix", "suffix", "contains"] {
        if let Some(text) = matcher[key].as_str() {
            return Some(text.to_owned());
        }
    }
    matcher["safeRegex"]["regex"].as_str().and_then(sample::of)
}

fn set(request: &mut PlainRequest, name: &str, value: Option<String>) {
    let Some(value) = value else { return };
    match name {
        ":method" => request.method = value,
        ":scheme" => request.scheme = value,
        ":authority" => request.authority = value,
        ":path" => request.path = value,
        name => {
            request.headers.retain(|(each, _)| each != name);
            request.headers.push((name.to_owned(), value));
        }
    }
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
