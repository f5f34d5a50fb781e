//! Calls and where they end.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use anyhow::{Context, bail};
use ferromesh_model::Snapshot;
use ferromesh_simulate::{Call, Direction, Protocol, Tls, Walk};
use ferromesh_types::Hostname;
use serde_json::Value;

use super::{mesh, plane, proxy_of};

/// Where a call goes that does not say where.
const ANYWHERE: &str = "1.3.3.7";
/// The cases come from a control plane without a cluster domain: `a` there is `a.default`.
const OUR_DOMAIN: &str = ".svc.cluster.local";
/// Every service without an address gets one of these; which one is a control plane's own choice.
const CHOSEN_ADDRESSES: &str = "240.240.";

pub(super) fn compare(folder: &Path, case: &Value) -> anyhow::Result<Vec<String>> {
    let mesh = mesh(folder, case)?;
    let mut differences = mesh.problems().to_vec();
    let snapshot = mesh.snapshot();
    let plane = plane(&snapshot, &proxy_of(case)?)?;
    for item in case["calls"].as_array().context("no calls")? {
        let name = item["name"].as_str().unwrap_or_default();
        let about = with_our_address(item, &snapshot);
        let call = call(&about["call"]).with_context(|| format!("call {name}"))?;
        let identity = about["call"]["mtlsSecretName"].as_str();
        let walk = plane.walk(&call, identity.unwrap_or("default"));
        let wrong = differs(&about["expected"], &walk);
        if !wrong.is_empty() {
            let way = walk.to_string();
            let way = way.trim_end().replace('\n', "\n      ");
            differences.push(format!("{name}: {}\n      {way}", wrong.join("; ")));
        }
    }
    Ok(differences)
}

/// The same call, to the address that we chose for its host where Istio chose one.
fn with_our_address(item: &Value, snapshot: &Snapshot) -> Value {
    let theirs = item["call"]["address"].as_str().unwrap_or_default();
    let host = item["call"]["host"].as_str().unwrap_or_default();
    let services = snapshot.services().of_host(&Hostname::from(host));
    let ours = services.first().and_then(|s| s.auto_addresses.first());
    match ours {
        Some(ours) if theirs.starts_with(CHOSEN_ADDRESSES) => {
            let text = item.to_string().replace(theirs, &ours.to_string());
            serde_json::from_str(&text).expect("an address for an address keeps the form")
        }
        _ => item.clone(),
    }
}

fn call(about: &Value) -> anyhow::Result<Call> {
    let text = |key: &str| about[key].as_str().unwrap_or_default();
    let address: IpAddr = match text("address") {
        "" => ANYWHERE,
        address => address,
    }
    .parse()?;
    let port = u16::try_from(about["port"].as_u64().context("no port")?)?;
    let path = match text("path") {
        "" => "/",
        path => path,
    };
    let host = text("host");
    let mut call = Call::http(SocketAddr::new(address, port), host, path);
    call.protocol = match text("protocol") {
        "http" => Protocol::Http,
        "http2" => Protocol::Http2,
        "tcp" => Protocol::Tcp,
        other => bail!("protocol {other:?}"),
    };
    call.tls = match text("tls") {
        "" | "plaintext" => Tls::Plaintext,
        "tls" => Tls::Tls,
        "mtls" => Tls::Mutual,
        other => bail!("tls {other:?}"),
    };
    if text("mode") == "inbound" {
        call.direction = Direction::Inbound;
    }
    if call.tls != Tls::Plaintext {
        let name = if text("sni").is_empty() {
            host
        } else {
            text("sni")
        };
        name.clone_into(&mut call.server_name);
    }
    if let Some(alpn) = about["alpn"].as_str() {
        call.application_protocols = Some(vec![alpn.to_owned()]);
    }
    for (name, value) in about["headers"].as_object().into_iter().flatten() {
        let value = match value {
            Value::Array(values) => values.first().and_then(Value::as_str),
            value => value.as_str(),
        };
        let header = (
            name.to_ascii_lowercase(),
            value.unwrap_or_default().to_owned(),
        );
        call.request.headers.push(header);
    }
    Ok(call)
}

fn differs(expected: &Value, walk: &Walk) -> Vec<String> {
    let mut wrong = Vec::new();
    let found_error = walk.failure().map_or("", |failure| failure.name());
    let wanted_error = expected["error"].as_str().unwrap_or_default();
    if found_error != wanted_error {
        wrong.push(format!("error {found_error:?}, not {wanted_error:?}"));
    }
    let strict = expected["strict"] == true;
    for (key, found) in [
        ("listener", walk.listener.as_str()),
        ("filterChain", walk.filter_chain.as_str()),
        ("routeConfig", walk.route_config.as_str()),
        ("virtualHost", walk.virtual_host.as_str()),
        ("route", walk.route.as_str()),
        ("cluster", walk.cluster()),
    ] {
        let wanted = expected[key].as_str();
        let found = found.strip_suffix(OUR_DOMAIN).map_or(found, |short| {
            let short_wanted = wanted.is_some_and(|wanted| wanted == short);
            if short_wanted { short } else { found }
        });
        // A name that is not expected may be anything, unless the expectation is complete.
        let unasked = wanted.is_none() && !strict;
        if !unasked && found != wanted.unwrap_or_default() {
            wrong.push(format!(
                "{key} {found:?}, not {:?}",
                wanted.unwrap_or_default()
            ));
        }
    }
    wrong
}
