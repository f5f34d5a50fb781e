//! The property of the whole way of a config: what validation accepts, translation turns into
//! resources that neither our proxy nor a stock Envoy refuses.
//!
//! A config is a few random objects over a fixed mesh, and follows from one number. Our proxy
//! compiles what is meant for it in this process; what is meant for a stock Envoy is gathered into
//! bootstraps, and `envoy --mode validate` looks at many configs at once (`envoy`).

mod destination_rule;
mod draw;
mod edge;
mod envoy;
mod mesh;
mod names;
mod virtual_service;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use ferromesh_config::{Object, parse_documents};
use ferromesh_model::{Dialect, Snapshot};
use ferromesh_proxy::access_log::LogSinks;
use ferromesh_proxy::cluster::NameCaches;
use ferromesh_proxy::snapshot::Live;
use ferromesh_proxy::stats::Stats;
use ferromesh_proxy::xds::Compiler;
use ferromesh_tls::{Secret, SecretStore};
use ferromesh_xds::client::{NamedResource, TypeUpdate};
use serde_json::{Value, json};

use draw::Draw;
use mesh::State;

pub use envoy::EnvoyCheck;

/// A config: the documents of its objects, and those that validation accepts.
#[derive(Debug)]
pub struct Config {
    /// The number that it follows from.
    pub number: u64,
    /// All objects, as written.
    pub documents: Vec<Value>,
    accepted: Vec<Arc<Object>>,
}

impl Config {
    /// The config of that number.
    pub fn generate(number: u64) -> Self {
        let mut draw = Draw::new(number);
        let count = 1 + draw.below(4);
        let documents: Vec<Value> = (0..count).map(|at| document(&mut draw, at)).collect();
        let accepted = documents
            .iter()
            .flat_map(|document| parse_documents(&document.to_string(), "generated.yaml"))
            .filter_map(Result::ok)
            .map(Arc::new)
            .collect();
        Self {
            number,
            documents,
            accepted,
        }
    }

    /// How many of its objects validation accepts.
    pub fn accepted(&self) -> usize {
        self.accepted.len()
    }

    /// Its objects as a YAML file.
    pub fn text(&self) -> String {
        let each = |document: &Value| format!("{document:#}\n");
        self.documents
            .iter()
            .map(each)
            .collect::<Vec<_>>()
            .join("---\n")
    }
}

fn document(draw: &mut Draw, at: usize) -> Value {
    let (kind, group, spec) = match draw.below(20) {
        0..=6 => ("VirtualService", "networking", virtual_service::spec(draw)),
        7..=11 => (
            "DestinationRule",
            "networking",
            destination_rule::spec(draw),
        ),
        12..=13 => ("Gateway", "networking", edge::gateway(draw)),
        14..=16 => ("ServiceEntry", "networking", edge::service_entry(draw)),
        17..=18 => ("Sidecar", "networking", edge::sidecar(draw)),
        _ => (
            "PeerAuthentication",
            "security",
            edge::peer_authentication(draw),
        ),
    };
    let namespace = match kind {
        "Gateway" => "edge",
        _ => draw.pick(&["shop", "shop", "shop", "data", "edge", "istio-system"]),
    };
    json!({
        "apiVersion": format!("{group}.istio.io/v1"),
        "kind": kind,
        "metadata": {"name": format!("object-{at}"), "namespace": namespace},
        "spec": spec,
    })
}

/// Why the property does not hold for a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The config's number.
    pub number: u64,
    /// Who found it.
    pub who: &'static str,
    /// What was said.
    pub reason: String,
}

/// Checks a config with our proxy, and gives what a stock Envoy has yet to look at to `envoy`.
pub fn check(config: &Config, envoy: &mut EnvoyCheck) -> Vec<Broken> {
    let broken = |who, reason: String| Broken {
        number: config.number,
        who,
        reason,
    };
    let whole = catch_unwind(AssertUnwindSafe(|| {
        let snapshot = mesh::snapshot(&config.accepted);
        let mut refused = Vec::new();
        for number in 0..mesh::PROXIES.len() {
            let own = state(&snapshot, number, Dialect::Ferromesh);
            refused.extend(ours(&own));
            envoy.add(
                config.number,
                &state(&snapshot, number, Dialect::StockEnvoy),
            );
        }
        refused
    }));
    match whole {
        Ok(refused) => refused
            .into_iter()
            .map(|reason| broken("meshproxy", reason))
            .collect(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            vec![broken("panic", text.unwrap_or_default())]
        }
    }
}

fn state(snapshot: &Snapshot, number: usize, dialect: Dialect) -> State {
    mesh::state(snapshot, &snapshot.view_of(&mesh::proxy(number, dialect)))
}

/// What our proxy refuses.
fn ours(state: &State) -> Vec<String> {
    let secrets = SecretStore::new();
    // The agent's secrets are there before config comes.
    secrets.set("default", Secret::default());
    secrets.set("ROOTCA", Secret::default());
    let mut live = Live::new(Compiler {
        stats: Stats::new(1),
        secrets,
        sinks: Arc::new(LogSinks::nowhere().expect("a thread")),
        names: NameCaches::default(),
    });
    let mut refused = Vec::new();
    for (kind, list) in state.lists() {
        let resources = list.iter().map(|resource| NamedResource {
            name: resource.name.as_str().to_owned(),
            version: resource.version.to_string(),
            body: ferromesh_proto::google::protobuf::Any {
                type_url: kind.to_owned(),
                value: resource.message.to_vec(),
            },
        });
        let update = TypeUpdate {
            type_url: kind.to_owned(),
            version: "1".to_owned(),
            resources: resources.collect(),
            ..TypeUpdate::default()
        };
        refused.extend(live.apply(&update, Instant::now()).refusals);
    }
    refused
}
