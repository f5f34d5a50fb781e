//! `/config_dump`: what was accepted, in the form of `envoy.admin.v3.ConfigDump`.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Query, State};
use axum::response::Response;
use ferromesh_proto::envoy::admin::v3 as pb;
use ferromesh_proto::envoy::admin::v3::{
    clusters_config_dump, endpoints_config_dump, listeners_config_dump, routes_config_dump,
    secrets_config_dump,
};
use ferromesh_proto::envoy::config::core::v3::{DataSource, data_source::Specifier};
use ferromesh_proto::envoy::extensions::transport_sockets::tls::v3 as tls;
use ferromesh_proto::google::protobuf::{Any, Timestamp};
use ferromesh_proto::json::{FieldNames, any_to_json_with};
use ferromesh_proto::{any, type_url};
use ferromesh_types::Str;
use regex::Regex;
use serde_json::{Value, json};

use super::{bad_request, json as json_page};
use crate::proxy::{ProxyHandle, lock};
use crate::snapshot::{Live, Rejected, Slot, Versioned};

/// What takes the place of private keys.
const REDACTED: &[u8] = b"[redacted]";

pub(super) async fn config_dump(
    State(proxy): State<ProxyHandle>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let include_eds = query
        .get("include_eds")
        .is_some_and(|value| value != "false");
    let wanted = query.get("resource").map(String::as_str);
    let names = match query
        .get("name_regex")
        .map(|pattern| Regex::new(pattern))
        .transpose()
    {
        Ok(names) => names,
        Err(error) => return bad_request(format!("name_regex: {error}\n")),
    };
    let include_eds = include_eds || wanted.is_some_and(|field| field.contains("endpoint"));
    let mut configs: Vec<Value> = Vec::new();
    for message in dump(&proxy, include_eds) {
        configs.push(any_to_json_with(&message, FieldNames::Proto));
    }
    if let Some(field) = wanted {
        configs = resources(&configs, field);
    }
    if let Some(names) = names {
        configs.retain(|config| resource_name(config).is_none_or(|name| names.is_match(name)));
    }
    if let Some(mask) = query.get("mask") {
        let fields: Vec<&str> = mask.split(',').collect();
        configs = configs
            .iter()
            .map(|config| masked(config, &fields))
            .collect();
    }
    json_page(&json!({"configs": configs}))
}

/// The entries of one list field, as `dynamic_active_clusters`, out of whichever dump has it.
fn resources(configs: &[Value], field: &str) -> Vec<Value> {
    let lists = configs
        .iter()
        .filter_map(|config| config.get(field)?.as_array());
    lists.flatten().cloned().collect()
}

fn resource_name(config: &Value) -> Option<&str> {
    let direct = config.get("name").and_then(Value::as_str);
    direct.or_else(|| {
        [
            "cluster",
            "listener",
            "route_config",
            "endpoint_config",
            "secret",
        ]
        .iter()
        .find_map(|key| {
            let inner = config.get(key)?;
            inner
                .get("name")
                .or_else(|| inner.get("cluster_name"))?
                .as_str()
        })
    })
}

/// Keeps the fields of a mask (`a.b`), and the type.
fn masked(config: &Value, fields: &[&str]) -> Value {
    let Value::Object(object) = config else {
        return config.clone();
    };
    let mut out = serde_json::Map::new();
    for (name, value) in object {
        let inner: Vec<&str> = fields
            .iter()
            .filter_map(|field| field.strip_prefix(name.as_str())?.strip_prefix('.'))
            .collect();
        if name == "@type" || fields.contains(&name.as_str()) {
            out.insert(name.clone(), value.clone());
        } else if !inner.is_empty() {
            let kept = match value {
                Value::Array(list) => list.iter().map(|each| masked(each, &inner)).collect(),
                other => masked(other, &inner),
            };
            out.insert(name.clone(), kept);
        }
    }
    Value::Object(out)
}

/// The messages in Envoy's order: bootstrap, clusters, endpoints, listeners, routes, secrets.
fn dump(proxy: &ProxyHandle, include_eds: bool) -> Vec<Any> {
    let live = lock(&proxy.shared.live);
    let mut out = Vec::new();
    if let Some((bootstrap, at)) = proxy.shared.bootstrap.get() {
        out.push(any::pack(&pb::BootstrapConfigDump {
            bootstrap: Some(bootstrap.clone()),
            last_updated: timestamp(Some(*at)),
        }));
    }
    out.push(any::pack(&clusters(&live)));
    if include_eds {
        out.push(any::pack(&endpoints(&live)));
    }
    out.push(any::pack(&listeners(&live)));
    out.push(any::pack(&pb::ScopedRoutesConfigDump::default()));
    out.push(any::pack(&routes(&live)));
    out.push(any::pack(&secrets(proxy, &live)));
    out
}

fn timestamp(at: Option<SystemTime>) -> Option<Timestamp> {
    let since = at?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp {
        seconds: since.as_secs() as i64,
        nanos: since.subsec_nanos() as i32,
    })
}

fn failure(rejected: Option<&Rejected>) -> Option<pb::UpdateFailureState> {
    rejected.map(|rejected| pb::UpdateFailureState {
        failed_configuration: Some(rejected.received.body.clone()),
        last_update_attempt: timestamp(rejected.received.at),
        details: rejected.reason.clone(),
        version_info: rejected.received.version.to_string(),
    })
}

fn clusters(live: &Live) -> pb::ClustersConfigDump {
    let mut out = pb::ClustersConfigDump {
        version_info: live.version(type_url::CLUSTER).to_string(),
        ..pb::ClustersConfigDump::default()
    };
    for slot in live.clusters().values() {
        let entry = |version: &Versioned<_>| clusters_config_dump::DynamicCluster {
            version_info: version.received.version.to_string(),
            cluster: Some(version.received.body.clone()),
            last_updated: timestamp(version.received.at),
            ..clusters_config_dump::DynamicCluster::default()
        };
        if slot.is_static {
            out.static_clusters.extend(slot.newest().map(|version| {
                clusters_config_dump::StaticCluster {
                    cluster: Some(version.received.body.clone()),
                    last_updated: timestamp(version.received.at),
                }
            }));
            continue;
        }
        let mut active = slot.active.as_ref().map(entry);
        let mut warming = slot.warming.as_ref().map(entry);
        if let Some(shown) = active.as_mut().or(warming.as_mut()) {
            shown.error_state = failure(slot.rejected.as_ref());
        } else if slot.rejected.is_some() {
            // Never accepted: shown with its error alone.
            warming = Some(clusters_config_dump::DynamicCluster {
                error_state: failure(slot.rejected.as_ref()),
                ..clusters_config_dump::DynamicCluster::default()
            });
        }
        out.dynamic_active_clusters.extend(active);
        out.dynamic_warming_clusters.extend(warming);
    }
    out
}

fn listeners(live: &Live) -> pb::ListenersConfigDump {
    let mut out = pb::ListenersConfigDump {
        version_info: live.version(type_url::LISTENER).to_string(),
        ..pb::ListenersConfigDump::default()
    };
    for (name, slot) in live.listeners() {
        let state = |version: &Versioned<_>| listeners_config_dump::DynamicListenerState {
            version_info: version.received.version.to_string(),
            listener: Some(version.received.body.clone()),
            last_updated: timestamp(version.received.at),
        };
        if slot.is_static {
            out.static_listeners.extend(slot.newest().map(|version| {
                listeners_config_dump::StaticListener {
                    listener: Some(version.received.body.clone()),
                    last_updated: timestamp(version.received.at),
                }
            }));
            continue;
        }
        out.dynamic_listeners
            .push(listeners_config_dump::DynamicListener {
                name: name.to_string(),
                active_state: slot.active.as_ref().map(state),
                warming_state: slot.warming.as_ref().map(state),
                error_state: failure(slot.rejected.as_ref()),
                ..listeners_config_dump::DynamicListener::default()
            });
    }
    out
}

fn routes(live: &Live) -> pb::RoutesConfigDump {
    let entry = |slot: &Slot<_>| {
        let newest = slot.active.as_ref().or(slot.warming.as_ref());
        routes_config_dump::DynamicRouteConfig {
            version_info: newest
                .map(|each| each.received.version.to_string())
                .unwrap_or_default(),
            route_config: newest.map(|each| each.received.body.clone()),
            last_updated: newest.and_then(|each| timestamp(each.received.at)),
            error_state: failure(slot.rejected.as_ref()),
            ..routes_config_dump::DynamicRouteConfig::default()
        }
    };
    pb::RoutesConfigDump {
        static_route_configs: Vec::new(),
        dynamic_route_configs: live.routes().values().map(entry).collect(),
    }
}

fn endpoints(live: &Live) -> pb::EndpointsConfigDump {
    let sorted: BTreeMap<_, _> = live.assignments().iter().collect();
    let entry =
        |received: &crate::snapshot::Received| endpoints_config_dump::DynamicEndpointConfig {
            version_info: received.version.to_string(),
            endpoint_config: Some(received.body.clone()),
            last_updated: timestamp(received.at),
            ..endpoints_config_dump::DynamicEndpointConfig::default()
        };
    pb::EndpointsConfigDump {
        static_endpoint_configs: Vec::new(),
        dynamic_endpoint_configs: sorted.into_values().map(entry).collect(),
    }
}

/// All secrets of the store, the agent's too, with keys redacted.
fn secrets(proxy: &ProxyHandle, live: &Live) -> pb::SecretsConfigDump {
    let store = proxy.secrets().reader().current();
    let sorted: BTreeMap<_, _> = store.iter().collect();
    let entry = |(name, secret): (&Str, &std::sync::Arc<ferromesh_tls::Secret>)| {
        let received = live.ads_secrets().get(name);
        let version = received.map(|received| received.version.to_string());
        secrets_config_dump::DynamicSecret {
            name: name.to_string(),
            version_info: version.unwrap_or_default(),
            last_updated: timestamp(
                received.map_or(Some(proxy.shared.started_at), |received| received.at),
            ),
            secret: Some(any::pack(&redacted(name, secret))),
            ..secrets_config_dump::DynamicSecret::default()
        }
    };
    pb::SecretsConfigDump {
        dynamic_active_secrets: sorted.into_iter().map(entry).collect(),
        ..pb::SecretsConfigDump::default()
    }
}

fn redacted(name: &str, secret: &ferromesh_tls::Secret) -> tls::Secret {
    let kind = if let Some(identity) = &secret.identity {
        Some(tls::secret::Type::TlsCertificate(tls::TlsCertificate {
            certificate_chain: Some(inline(pem(identity.chain()).into_bytes())),
            private_key: Some(inline(REDACTED.to_vec())),
            ..tls::TlsCertificate::default()
        }))
    } else {
        secret.roots.as_ref().map(|roots| {
            tls::secret::Type::ValidationContext(tls::CertificateValidationContext {
                trusted_ca: Some(inline(pem(roots.certificates()).into_bytes())),
                ..tls::CertificateValidationContext::default()
            })
        })
    };
    tls::Secret {
        name: name.to_owned(),
        r#type: kind,
    }
}

fn inline(bytes: Vec<u8>) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineBytes(bytes)),
        ..DataSource::default()
    }
}

/// Certificates in PEM (RFC 7468).
fn pem<'a>(certificates: impl Iterator<Item = &'a [u8]>) -> String {
    const LINE: usize = 64;
    let mut out = String::new();
    for der in certificates {
        out.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
        for line in encoded.as_bytes().chunks(LINE) {
            out.push_str(&String::from_utf8_lossy(line));
            out.push('\n');
        }
        out.push_str("-----END CERTIFICATE-----\n");
    }
    out
}
