//! Resources for a stock Envoy, gathered into bootstraps that `envoy --mode validate` looks at.
//!
//! A resource that an earlier config had too is looked at once. Names and addresses are made
//! unique, so that resources of many configs fit into one bootstrap; route tables and endpoint
//! assignments, which a bootstrap does not hold, become parts of a listener and of a cluster. When
//! Envoy refuses a bootstrap, halves of it are tried until the one resource is found.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use ferromesh_proto::envoy::config::bootstrap::v3::Bootstrap;
use ferromesh_proto::envoy::config::bootstrap::v3::bootstrap::StaticResources;
use ferromesh_proto::envoy::config::cluster::v3::{Cluster, cluster};
use ferromesh_proto::envoy::config::core::v3::{Address, SocketAddress, address, socket_address};
use ferromesh_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use ferromesh_proto::envoy::config::listener::v3::{Filter, FilterChain, Listener, filter};
use ferromesh_proto::envoy::config::route::v3::RouteConfiguration;
use ferromesh_proto::envoy::extensions::filters::http::router::v3::Router;
use ferromesh_proto::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use ferromesh_proto::google::protobuf::BoolValue;
use ferromesh_proto::{any, json, type_url, yaml};
use hcm::http_connection_manager::RouteSpecifier;
use prost::Message;
use serde_json::Value;

use super::Broken;
use super::mesh::State;

/// Resources of one bootstrap: starting Envoy costs as much as a thousand of them.
const BATCH: usize = 2000;
/// Refused resources after which no more are looked for.
const ENOUGH: usize = 20;

/// What stock Envoys get beside the resources: the clusters that they name for secrets and ADS.
const BASE: &str = r#"
node: {id: check, cluster: check}
# As our agent sets it, and Istio's: expressions of users are larger than Envoy's own default.
layered_runtime:
  layers:
  - {name: static, static_layer: {re2.max_program_size.error_level: 32768}}
dynamic_resources:
  ads_config:
    api_type: GRPC
    transport_api_version: V3
    grpc_services: [{envoy_grpc: {cluster_name: xds-grpc}}]
static_resources:
  clusters:
  - &local
    name: xds-grpc
    type: STATIC
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
    load_assignment: {cluster_name: xds-grpc}
  - {<<: *local, name: sds-grpc}
  - {<<: *local, name: agent}
"#;

#[derive(Clone, Debug)]
struct Item {
    config: u64,
    what: String,
    part: Part,
}

#[derive(Clone, Debug)]
enum Part {
    Cluster(Box<Cluster>),
    Listener(Box<Listener>),
}

/// Gathers resources and has Envoy look at them.
#[derive(Debug)]
pub struct EnvoyCheck {
    program: Option<PathBuf>,
    folder: PathBuf,
    seen: HashSet<u64>,
    waiting: Vec<Item>,
    broken: Vec<Broken>,
}

impl EnvoyCheck {
    /// Runs `program`, with its files in `folder`; without a program nothing is looked at.
    pub fn new(program: Option<PathBuf>, folder: PathBuf) -> Self {
        Self {
            program,
            folder,
            seen: HashSet::new(),
            waiting: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// How many different resources were given.
    pub fn resources(&self) -> usize {
        self.seen.len()
    }

    pub(super) fn add(&mut self, config: u64, state: &State) {
        for (kind, list) in state.lists() {
            for resource in list {
                let mut hasher = DefaultHasher::new();
                (kind, &resource.message).hash(&mut hasher);
                if !self.seen.insert(hasher.finish()) || self.program.is_none() {
                    continue;
                }
                let number = self.seen.len();
                let what = format!("{} {}", type_url::message_name(kind), resource.name);
                if let Some(part) = part(kind, &resource.message, number) {
                    self.waiting.push(Item { config, what, part });
                }
            }
        }
    }

    /// Looks at what was gathered, when it is worth a start of Envoy.
    pub fn look(&mut self) -> Result<(), String> {
        if self.waiting.len() < BATCH {
            return Ok(());
        }
        self.finish()
    }

    /// Looks at everything that was gathered.
    pub fn finish(&mut self) -> Result<(), String> {
        let items = std::mem::take(&mut self.waiting);
        for batch in items.chunks(BATCH) {
            self.search(batch)?;
        }
        Ok(())
    }

    /// What Envoy refused since the last call.
    pub fn take_broken(&mut self) -> Vec<Broken> {
        std::mem::take(&mut self.broken)
    }

    /// Finds the resources that Envoy refuses.
    fn search(&mut self, items: &[Item]) -> Result<(), String> {
        if items.is_empty() || self.broken.len() >= ENOUGH {
            return Ok(());
        }
        let Some(reason) = self.validate(items)? else {
            return Ok(());
        };
        if let [item] = items {
            self.broken.push(Broken {
                number: item.config,
                who: "envoy",
                reason: format!("{}: {reason}", item.what),
            });
            return Ok(());
        }
        let (one, other) = items.split_at(items.len() / 2);
        self.search(one)?;
        self.search(other)
    }

    /// Envoy's reason for refusing; `None` when it accepts.
    fn validate(&self, items: &[Item]) -> Result<Option<String>, String> {
        let Some(program) = &self.program else {
            return Ok(None);
        };
        let failed = |error: std::io::Error| format!("{}: {error}", self.folder.display());
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = self.folder.join("bootstrap.pb");
        std::fs::write(&file, bootstrap(items).encode_to_vec()).map_err(failed)?;
        let output = Command::new(program)
            .args(["--mode", "validate", "--log-level", "error", "-c"])
            .arg(&file)
            .output()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        if output.status.success() {
            return Ok(None);
        }
        let told = String::from_utf8_lossy(&output.stderr);
        let mut lines = told.lines().filter(|line| line.contains("rror"));
        let reason = lines.next_back().or_else(|| told.lines().next_back());
        Ok(Some(essence(reason.unwrap_or("it said nothing"))))
    }
}

/// The message of a log line: without its time and place, which differ each time.
fn essence(line: &str) -> String {
    let line = line
        .rsplit_once("bootstrap.pb': ")
        .map_or(line, |(_, reason)| reason);
    line.trim().chars().take(600).collect()
}

fn bootstrap(items: &[Item]) -> Bootstrap {
    let mut bootstrap = yaml::bootstrap_from_yaml(BASE).expect("the base is a bootstrap");
    let resources = bootstrap
        .static_resources
        .get_or_insert_with(StaticResources::default);
    for item in items {
        match &item.part {
            Part::Cluster(cluster) => resources.clusters.push((**cluster).clone()),
            Part::Listener(listener) => resources.listeners.push((**listener).clone()),
        }
    }
    bootstrap
}

/// What stands for a resource in a bootstrap.
fn part(kind: &str, message: &[u8], number: usize) -> Option<Part> {
    const ENCODED: &str = "translate encodes what it says";
    Some(match kind {
        type_url::CLUSTER => {
            let mut cluster = Cluster::decode(message).expect(ENCODED);
            cluster.name = format!("{number};{}", cluster.name);
            Part::Cluster(Box::new(with_secrets_of_agent(cluster)))
        }
        type_url::ENDPOINT => Part::Cluster(Box::new(Cluster {
            name: format!("{number};endpoints"),
            load_assignment: Some(ClusterLoadAssignment::decode(message).expect(ENCODED)),
            cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(
                cluster::DiscoveryType::Static.into(),
            )),
            ..Cluster::default()
        })),
        type_url::LISTENER => {
            let mut listener = Listener::decode(message).expect(ENCODED);
            listener.name = format!("{number};{}", listener.name);
            listener.address = Some(address_of(number));
            listener.additional_addresses.clear();
            Part::Listener(Box::new(listener))
        }
        type_url::ROUTE => {
            let routes = RouteConfiguration::decode(message).expect(ENCODED);
            Part::Listener(Box::new(listener_of(routes, number)))
        }
        _ => return None,
    })
}

/// Validation of a cluster whose secrets come over ADS crashes Envoy, since nothing is there yet to
/// ask: they are said to come from the agent instead.
fn with_secrets_of_agent(cluster: Cluster) -> Cluster {
    let mut value = json::message_to_json(&cluster).expect("a cluster has a JSON form");
    if !replace_ads(&mut value) {
        return cluster;
    }
    json::message_from_json(&value).expect("the source is another one, the form is the same")
}

fn replace_ads(value: &mut Value) -> bool {
    match value {
        Value::Object(fields) => {
            let mut found = false;
            for (key, value) in fields {
                if key == "sdsConfig" && value["ads"].is_object() {
                    *value = serde_json::json!({
                        "apiConfigSource": {
                            "apiType": "GRPC",
                            "transportApiVersion": "V3",
                            "grpcServices": [{"envoyGrpc": {"clusterName": "sds-grpc"}}],
                        },
                        "resourceApiVersion": "V3",
                    });
                    found = true;
                } else {
                    found |= replace_ads(value);
                }
            }
            found
        }
        Value::Array(items) => {
            let mut found = false;
            for item in items {
                found |= replace_ads(item);
            }
            found
        }
        _ => false,
    }
}

/// An address that no other resource has: some port of some loopback address.
fn address_of(number: usize) -> Address {
    let [high, middle, low] = [number >> 16, number >> 8, number].map(|part| part & 0xff);
    Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: format!("127.{}.{middle}.{low}", 1 + high),
            port_specifier: Some(socket_address::PortSpecifier::PortValue(80)),
            ..SocketAddress::default()
        })),
    }
}

fn listener_of(mut routes: RouteConfiguration, number: usize) -> Listener {
    // The clusters are those of another bootstrap.
    routes.validate_clusters = Some(BoolValue { value: false });
    let router = hcm::HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(any::pack(
            &Router::default(),
        ))),
        ..hcm::HttpFilter::default()
    };
    let manager = hcm::HttpConnectionManager {
        stat_prefix: "routes".to_owned(),
        http_filters: vec![router],
        route_specifier: Some(RouteSpecifier::RouteConfig(routes)),
        ..hcm::HttpConnectionManager::default()
    };
    let filter = Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(any::pack(&manager))),
    };
    Listener {
        name: format!("{number};routes"),
        address: Some(address_of(number)),
        filter_chains: vec![FilterChain {
            filters: vec![filter],
            ..FilterChain::default()
        }],
        ..Listener::default()
    }
}
