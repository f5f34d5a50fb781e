//! What the two xDS targets share: resources to begin with, and the check of one resource.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::{json, type_url};
use ferromesh_proxy::access_log::LogSinks;
use ferromesh_proxy::cluster::NameCaches;
use ferromesh_proxy::snapshot::{Live, Slot};
use ferromesh_proxy::stats::Stats;
use ferromesh_proxy::xds::Compiler;
use ferromesh_route::filter_chain::ConnectionView;
use ferromesh_route::request::PlainRequest;
use ferromesh_tls::{Secret, SecretStore};
use ferromesh_xds::client::{NamedResource, TypeUpdate};
use serde_json::Value;

/// The types of resources.
pub(super) const KINDS: [&str; 5] = [
    type_url::CLUSTER,
    type_url::ENDPOINT,
    type_url::LISTENER,
    type_url::ROUTE,
    type_url::SECRET,
];

/// What our control plane sends in its golden cases: the position of the type, and the message.
pub(super) fn golden() -> &'static [(usize, Vec<u8>)] {
    static GOLDEN: OnceLock<Vec<(usize, Vec<u8>)>> = OnceLock::new();
    GOLDEN.get_or_init(|| {
        let texts = [
            include_str!("../../../crates/translate/tests/golden/shop/gateway.json"),
            include_str!("../../../crates/translate/tests/golden/shop/web.json"),
        ];
        let lists = ["clusters", "endpoints", "listeners", "routes"];
        let mut all = Vec::new();
        for text in texts {
            let capture: Value = serde_json::from_str(text).expect("golden output is JSON");
            for (position, list) in lists.iter().enumerate() {
                let name = type_url::message_name(KINDS[position]);
                for each in capture[list].as_array().into_iter().flatten() {
                    let message = json::encoded_from_json(name, each).expect("a golden message");
                    all.push((position, message));
                }
            }
        }
        assert!(!all.is_empty(), "there are golden resources");
        all
    })
}

fn live() -> Live {
    static SINKS: OnceLock<Arc<LogSinks>> = OnceLock::new();
    let sinks = SINKS.get_or_init(|| Arc::new(LogSinks::nowhere().expect("a thread")));
    let secrets = SecretStore::new();
    secrets.set("default", Secret::default());
    secrets.set("ROOTCA", Secret::default());
    Live::new(Compiler {
        stats: Stats::new(1),
        secrets,
        sinks: Arc::clone(sinks),
        names: NameCaches::default(),
    })
}

/// Applies the resource to a fresh proxy and uses what came of it.
pub(super) fn check(kind: &str, message: &[u8]) {
    // A resource may name files to read; devices that never end are not what is tested here.
    if contains(message, b"/dev/") || contains(message, b"/proc/") {
        return;
    }
    let update = TypeUpdate {
        type_url: kind.to_owned(),
        version: "1".to_owned(),
        resources: vec![NamedResource {
            name: "fuzz".to_owned(),
            version: "1".to_owned(),
            body: Any {
                type_url: kind.to_owned(),
                value: message.to_vec(),
            },
        }],
        ..TypeUpdate::default()
    };
    let apply = || {
        let mut live = live();
        let verdict = live.apply(&update, Instant::now());
        (live, verdict)
    };
    let (live, verdict) = apply();
    for refusal in &verdict.refusals {
        assert!(
            refusal.len() > "route fuzz: ".len(),
            "a refusal says why: {refusal:?}"
        );
    }
    assert_eq!(verdict, apply().1, "the same resource, the same verdict");
    use_routes(&live);
    use_listeners(&live);
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn use_routes(live: &Live) {
    for table in live.routes().values().filter_map(latest) {
        for (authority, path) in [("", ""), ("catalog", "/"), ("a.b:80", "/x?y=1"), ("*", "*")] {
            let request = PlainRequest::new(authority, path).with_header("x-user", "me");
            for random in [0, u64::MAX] {
                let _ = table.find(&request, random);
            }
        }
    }
}

fn use_listeners(live: &Live) {
    for listener in live.listeners().values().filter_map(latest) {
        let address = Some(SocketAddr::from(([10, 0, 0, 1], 80)));
        for (server_name, transport) in [("", "raw_buffer"), ("a.b", "tls")] {
            let connection = ConnectionView {
                destination: address,
                server_name,
                transport_protocol: transport,
                application_protocols: &["http/1.1", "h2"],
                source: address,
                direct_source: address,
            };
            let _ = listener.chains.find(&connection);
        }
    }
}

/// What is in force, or waits for something.
fn latest<T>(slot: &Slot<T>) -> Option<&T> {
    let version = slot.active.as_ref().or(slot.warming.as_ref())?;
    Some(&version.value)
}
