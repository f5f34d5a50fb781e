//! A control plane of one proxy: serves the current generation over delta ADS, pushes each change
//! and counts what is refused. What a generation holds is the caller's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use anyhow::Context;
use ferromesh_proto::{json, type_url};
use ferromesh_types::Str;
use ferromesh_xds::server::{ServerStream, ServerStreamSettings, Verdict};
use ferromesh_xds::transport::server::{OpenStream, Outgoing, Routes, serve_connection};
use ferromesh_xds::{EncodedResource, NameInterner, ResourceSet};
use http::Extensions;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// The resources of one generation, as JSON.
#[derive(Default)]
pub struct Generation {
    pub clusters: Vec<Value>,
    pub endpoints: Vec<Value>,
    pub listeners: Vec<Value>,
    pub routes: Vec<Value>,
}

/// The types in the order in which changes are sent: what is named before what names it.
const ORDER: [&str; 4] = [
    type_url::CLUSTER,
    type_url::ENDPOINT,
    type_url::LISTENER,
    type_url::ROUTE,
];

const SETTINGS: ServerStreamSettings = ServerStreamSettings {
    wildcard_by_default: |kind| kind == type_url::CLUSTER || kind == type_url::LISTENER,
    sends_removals: |_| true,
    dependent_type: |_| None,
};

/// The server; it lives as long as the runtime.
pub struct ControlPlane {
    port: u16,
    generation: watch::Sender<u64>,
    shared: Arc<Shared>,
}

struct Shared {
    generations: Box<dyn Fn(u64) -> Generation + Send + Sync>,
    refused: AtomicU64,
}

impl ControlPlane {
    /// Serves `generations` on a port of its own, beginning with number 0.
    pub async fn start(
        generations: impl Fn(u64) -> Generation + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("the control plane")?;
        let port = listener.local_addr()?.port();
        let (sender, receiver) = watch::channel(0);
        let shared = Arc::new(Shared {
            generations: Box::new(generations),
            refused: AtomicU64::new(0),
        });
        let for_streams = Arc::clone(&shared);
        let handler = move |stream: OpenStream| {
            tokio::spawn(serve(stream, receiver.clone(), Arc::clone(&for_streams)));
            Ok(())
        };
        let routes = Arc::new(Routes::new().aggregated_discovery(Arc::new(handler)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let forever = std::future::pending();
                let routes = Arc::clone(&routes);
                tokio::spawn(serve_connection(stream, routes, Extensions::new(), forever));
            }
        });
        Ok(Self {
            port,
            generation: sender,
            shared,
        })
    }

    /// A bootstrap that leads here and takes clusters and listeners from here.
    pub fn bootstrap(&self) -> Value {
        let address = json!({"socketAddress": {"address": "127.0.0.1", "portValue": self.port}});
        json!({
            "node": {"id": "check", "cluster": "check"},
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "DELTA_GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "control-plane"}}],
                },
                "cds_config": {"ads": {}, "resource_api_version": "V3"},
                "lds_config": {"ads": {}, "resource_api_version": "V3"},
            },
            "static_resources": {"clusters": [{
                "name": "control-plane",
                "type": "STATIC",
                "connect_timeout": "1s",
                "typed_extension_protocol_options": {
                    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                        "explicitHttpConfig": {"http2ProtocolOptions": {}},
                    },
                },
                "load_assignment": {
                    "cluster_name": "control-plane",
                    "endpoints": [{"lbEndpoints": [{"endpoint": {"address": address}}]}],
                },
            }]},
        })
    }

    /// Moves on to the next generation.
    pub fn change(&self) {
        self.generation.send_modify(|number| *number += 1);
    }

    pub fn changes(&self) -> u64 {
        *self.generation.borrow()
    }

    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Relaxed)
    }
}

impl Shared {
    fn resources(&self, number: u64, kind: &str) -> Arc<ResourceSet> {
        let all = (self.generations)(number);
        let (list, name) = match kind {
            type_url::CLUSTER => (all.clusters, "name"),
            type_url::ENDPOINT => (all.endpoints, "clusterName"),
            type_url::LISTENER => (all.listeners, "name"),
            type_url::ROUTE => (all.routes, "name"),
            _ => (Vec::new(), "name"),
        };
        let encode = |value: &Value| {
            let message = json::encoded_from_json(type_url::message_name(kind), value)
                .unwrap_or_else(|error| panic!("our own config is a {kind}: {error}"));
            let name = value[name].as_str().unwrap_or_default();
            Arc::new(EncodedResource::new(kind, name, &message))
        };
        Arc::new(list.iter().map(encode).collect())
    }
}

async fn serve(mut stream: OpenStream, mut generation: watch::Receiver<u64>, shared: Arc<Shared>) {
    let interner = Arc::new(NameInterner::default());
    let mut machine = ServerStream::new(stream.variant, SETTINGS, interner);
    loop {
        let mut responses = Vec::new();
        tokio::select! {
            request = stream.requests.next() => {
                let Ok(Some(request)) = request else { return };
                let reaction = machine.receive(request);
                if let Some(Verdict::Rejected(why)) = &reaction.verdict {
                    eprintln!("the proxy refuses: {why}");
                    shared.refused.fetch_add(1, Relaxed);
                }
                if let Some(demand) = reaction.demand {
                    let number = *generation.borrow();
                    let current = shared.resources(number, &demand.type_url);
                    responses.extend(machine.answer(&demand, &current, &version(number)));
                }
            }
            changed = generation.changed() => {
                if changed.is_err() {
                    return;
                }
                let number = *generation.borrow_and_update();
                for kind in ORDER {
                    let current = shared.resources(number, kind);
                    responses.extend(machine.push(kind, &current, &version(number)));
                }
            }
        }
        for response in responses {
            if stream
                .responses
                .send(Outgoing::Response(response))
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

fn version(number: u64) -> Str {
    format!("v{number}").into()
}
