//! `/certs`: what certificates say, never their keys.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::Response;
use ferromesh_tls::PeerCertificate;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::json as json_page;
use crate::proxy::ProxyHandle;

pub(super) async fn certs(State(proxy): State<ProxyHandle>) -> Response {
    let secrets = proxy.secrets().reader().current();
    let mut named: Vec<_> = secrets.iter().collect();
    named.sort_by(|a, b| a.0.cmp(b.0));
    let mut roots: Vec<Value> = Vec::new();
    let mut out = Vec::new();
    for (name, secret) in named {
        if let Some(trusted) = &secret.roots {
            roots.extend(trusted.certificates().filter_map(|der| details(name, der)));
        }
        if let Some(identity) = &secret.identity {
            let chain = identity.chain().filter_map(|der| details(name, der));
            out.push(json!({"ca_cert": [], "cert_chain": chain.collect::<Vec<_>>()}));
        }
    }
    // One entry shows every root: contexts share them.
    if !roots.is_empty() {
        out.push(json!({"ca_cert": roots, "cert_chain": []}));
    }
    json_page(&json!({"certificates": out}))
}

fn details(secret: &str, der: &[u8]) -> Option<Value> {
    let certificate = PeerCertificate::from_chain([der])?;
    let (from, until) = certificate.validity();
    let names: Vec<Value> = certificate
        .uris()
        .map(|uri| json!({"uri": uri}))
        .chain(certificate.dns_names().map(|dns| json!({"dns": dns})))
        .chain(
            certificate
                .ip_addresses()
                .map(|ip| json!({"ip_address": ip.to_string()})),
        )
        .collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs() as i64;
    Some(json!({
        "path": format!("<secret {secret}>"),
        "serial_number": certificate.serial(),
        "subject_alt_names": names,
        "days_until_expiration": ((until - now).max(0) / 86_400).to_string(),
        "valid_from": moment(from),
        "expiration_time": moment(until),
    }))
}

fn moment(seconds: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(seconds).ok();
    moment
        .and_then(|moment| moment.format(&Rfc3339).ok())
        .unwrap_or_default()
}
