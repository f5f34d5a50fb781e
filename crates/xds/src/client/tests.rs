//! The client's half alone, and both halves against each other in random order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_proto::envoy::service::discovery::v3::{DeltaDiscoveryResponse, DiscoveryResponse};
use ferromesh_types::Str;
use prost::Message as _;

use super::*;
use crate::server::{Response, ServerStream};
use crate::{EncodedResource, NameInterner, Request, ResourceSet, Variant};

const CDS: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const EDS: &str = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

fn client(variant: Variant) -> ClientStream {
    let node = Node {
        id: "sidecar~10.0.0.1~a.b~b.svc.cluster.local".into(),
        ..Node::default()
    };
    ClientStream::new(variant, node)
}

fn subscribe(names: &[&str]) -> Command {
    Command::Subscribe {
        type_url: EDS.into(),
        add: names.iter().map(ToString::to_string).collect(),
        remove: Vec::new(),
    }
}

#[test]
fn only_the_first_request_of_a_connection_carries_the_node() {
    let mut client = client(Variant::Delta);
    client.command(Command::Wildcard(CDS.into()));
    client.command(subscribe(&["a"]));
    for _ in 0..2 {
        let requests = client.connected();
        let nodes: Vec<bool> = requests.iter().map(|r| r.node().is_some()).collect();
        assert_eq!(nodes, [true, false]);
        client.disconnected();
    }
}

#[test]
fn a_subscription_made_while_connected_is_a_request_of_its_own() {
    let mut client = client(Variant::Delta);
    client.connected();
    let first = client.command(subscribe(&["a"])).expect("a request");
    assert_eq!(first.names(), ["a"]);
    assert!(client.command(subscribe(&["a"])).is_none());
    let second = client.command(subscribe(&["b"])).expect("a request");
    assert_eq!(second.names(), ["b"]);
}

#[test]
fn a_state_of_the_world_request_lists_every_name() {
    let mut client = client(Variant::StateOfTheWorld);
    client.connected();
    client.command(subscribe(&["a"]));
    let second = client.command(subscribe(&["b"])).expect("a request");
    assert_eq!(second.names(), ["a", "b"]);
}

fn reply(nonce: &str, resources: &[(&str, &str)]) -> Reply {
    Reply::Delta(Box::new(DeltaDiscoveryResponse {
        type_url: EDS.into(),
        nonce: nonce.into(),
        resources: resources
            .iter()
            .map(
                |(name, version)| ferromesh_proto::envoy::service::discovery::v3::Resource {
                    name: (*name).into(),
                    version: (*version).into(),
                    ..Default::default()
                },
            )
            .collect(),
        ..DeltaDiscoveryResponse::default()
    }))
}

#[test]
fn a_reconnect_names_only_the_versions_that_were_accepted() {
    let mut client = client(Variant::Delta);
    client.connected();
    client.command(subscribe(&["a", "b"]));
    client.receive(reply("n1", &[("a", "1"), ("b", "1")]));
    client.command(Command::Ack {
        type_url: EDS.into(),
        nonce: "n1".into(),
    });
    client.receive(reply("n2", &[("b", "2")]));
    let refused = client.command(Command::Nack {
        type_url: EDS.into(),
        nonce: "n2".into(),
        detail: "no".into(),
    });
    assert_eq!(refused.expect("a request").rejection(), Some("no"));
    client.receive(reply("n3", &[("a", "3")]));
    client.disconnected();
    let Request::Delta(request) = client.connected().remove(0) else {
        panic!("a delta client sends delta requests");
    };
    let held: BTreeMap<_, _> = request.initial_resource_versions.into_iter().collect();
    let expected = [("a", "1"), ("b", "1")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(held, BTreeMap::from(expected));
    let late = client.command(Command::Ack {
        type_url: EDS.into(),
        nonce: "n3".into(),
    });
    assert!(
        late.is_none(),
        "a nonce of the old connection means nothing"
    );
}

#[test]
fn an_update_of_a_type_that_nobody_wants_is_dropped() {
    let mut client = client(Variant::Delta);
    client.connected();
    assert!(client.receive(reply("n1", &[("a", "1")])).is_none());
}

/// The mesh of the random test: resource name to content, per type.
type World = BTreeMap<&'static str, BTreeMap<String, u32>>;

/// A client, a server, the wires between them, and what the client's consumer has in force.
struct Pair {
    variant: Variant,
    client: ClientStream,
    server: ServerStream,
    to_server: VecDeque<Request>,
    to_client: VecDeque<Reply>,
    unanswered: VecDeque<TypeUpdate>,
    in_force: World,
    wanted: BTreeSet<String>,
}

impl Pair {
    fn new(variant: Variant) -> Self {
        let mut client = client(variant);
        client.command(Command::Wildcard(CDS.into()));
        let mut pair = Self {
            variant,
            client,
            server: server(variant),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            unanswered: VecDeque::new(),
            in_force: World::new(),
            wanted: BTreeSet::new(),
        };
        pair.connect();
        pair
    }

    fn connect(&mut self) {
        self.client.disconnected();
        self.server = server(self.variant);
        self.to_server = self.client.connected().into();
        self.to_client.clear();
        self.unanswered.clear();
    }

    fn change_subscription(&mut self, name: String) {
        let (add, remove) = if self.wanted.remove(&name) {
            if let Some(held) = self.in_force.get_mut(EDS) {
                held.remove(&name);
            }
            (Vec::new(), vec![name])
        } else {
            self.wanted.insert(name.clone());
            (vec![name], Vec::new())
        };
        let command = Command::Subscribe {
            type_url: EDS.into(),
            add,
            remove,
        };
        self.to_server.extend(self.client.command(command));
    }

    fn serve_one(&mut self, world: &World) {
        let Some(request) = self.to_server.pop_front() else {
            return;
        };
        if let Some(demand) = self.server.receive(request).demand {
            let current = self.current(world, &demand.type_url);
            let response = self.server.answer(&demand, &current, &Str::from("v"));
            self.to_client.extend(response.map(wire));
        }
    }

    fn push(&mut self, world: &World) {
        for type_url in [CDS, EDS] {
            if self.server.watch(type_url).is_some() {
                let current = self.current(world, type_url);
                let response = self.server.push(type_url, &current, &Str::from("v"));
                self.to_client.extend(response.map(wire));
            }
        }
    }

    fn current(&self, world: &World, type_url: &str) -> Arc<ResourceSet> {
        let watch = self.server.watch(type_url).expect("watched");
        let wanted = world[type_url].iter().filter(|(name, _)| watch.wants(name));
        Arc::new(
            wanted
                .map(|(name, content)| {
                    // Field 1 holds the name, so that state of the world finds it.
                    let mut body = vec![0x0a, name.len() as u8];
                    body.extend(name.as_bytes());
                    body.extend([0x10, *content as u8]);
                    Arc::new(EncodedResource::new(type_url, name.as_str(), &body))
                })
                .collect(),
        )
    }

    fn deliver_one(&mut self) {
        if let Some(reply) = self.to_client.pop_front() {
            self.unanswered.extend(self.client.receive(reply));
        }
    }

    /// The consumer takes or refuses the oldest update.
    fn decide(&mut self, accept: bool) {
        let Some(update) = self.unanswered.pop_front() else {
            return;
        };
        let (type_url, nonce) = (update.type_url.clone(), update.nonce.clone());
        let command = if accept {
            self.apply(update);
            Command::Ack { type_url, nonce }
        } else {
            Command::Nack {
                type_url,
                nonce,
                detail: "refused".into(),
            }
        };
        self.to_server.extend(self.client.command(command));
    }

    fn apply(&mut self, update: TypeUpdate) {
        let type_url = if update.type_url == CDS { CDS } else { EDS };
        let held = self.in_force.entry(type_url).or_default();
        if update.full {
            held.clear();
        }
        for name in update.removed {
            held.remove(&name);
        }
        for resource in update.resources {
            if type_url == CDS || self.wanted.contains(&resource.name) {
                let content = resource.body.value.last().copied().unwrap_or_default();
                held.insert(resource.name, u32::from(content));
            }
        }
    }

    fn settle(&mut self, world: &World) {
        self.push(world);
        while !(self.to_server.is_empty()
            && self.to_client.is_empty()
            && self.unanswered.is_empty())
        {
            self.serve_one(world);
            self.deliver_one();
            self.decide(true);
        }
    }
}

fn server(variant: Variant) -> ServerStream {
    let settings = crate::server::ServerStreamSettings {
        wildcard_by_default: |type_url| type_url == CDS,
        sends_removals: |_| true,
        dependent_type: |_| None,
    };
    ServerStream::new(variant, settings, Arc::new(NameInterner::default()))
}

/// Over the wire format and back.
fn wire(response: Response) -> Reply {
    let variant = response.variant;
    let mut encoder = crate::server::ResponseEncoder::new(response);
    let bytes: Vec<u8> = std::iter::from_fn(|| encoder.next_piece())
        .flatten()
        .collect();
    match variant {
        Variant::Delta => {
            let message = DeltaDiscoveryResponse::decode(&bytes[5..]).expect("a message");
            Reply::Delta(Box::new(message))
        }
        Variant::StateOfTheWorld => {
            let message = DiscoveryResponse::decode(&bytes[5..]).expect("a message");
            Reply::StateOfTheWorld(Box::new(message))
        }
    }
}

fn random_walk(variant: Variant, seed: u64, rejections: bool) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = World::from([(CDS, BTreeMap::new()), (EDS, BTreeMap::new())]);
    let mut pair = Pair::new(variant);
    for _ in 0..400 {
        let name = format!("r{}", random.u8(0..6));
        match random.u8(0..10) {
            0 => drop(
                world
                    .get_mut(CDS)
                    .expect("there")
                    .insert(name, random.u32(0..100)),
            ),
            1 => drop(
                world
                    .get_mut(EDS)
                    .expect("there")
                    .insert(name, random.u32(0..100)),
            ),
            // State of the world cannot say that a named resource is gone.
            2 => drop(world.get_mut(CDS).expect("there").remove(&name)),
            3 => pair.change_subscription(name),
            4 => pair.push(&world),
            5 | 6 => pair.serve_one(&world),
            7 => pair.deliver_one(),
            8 => pair.decide(!rejections || random.bool()),
            _ if random.u8(0..20) == 0 => pair.connect(),
            _ => {}
        }
    }
    if rejections {
        // What was refused is sent again after a reconnect: nothing of it is held.
        pair.connect();
    }
    pair.settle(&world);
    let expected: BTreeMap<String, u32> = world[EDS]
        .iter()
        .filter(|(name, _)| pair.wanted.contains(*name))
        .map(|(name, content)| (name.clone(), *content))
        .collect();
    let held = |type_url| pair.in_force.get(type_url).cloned().unwrap_or_default();
    assert_eq!(held(CDS), world[CDS], "{variant:?}, seed {seed}");
    assert_eq!(held(EDS), expected, "{variant:?}, seed {seed}");
}

#[test]
fn in_any_order_of_events_the_client_ends_with_what_the_server_has() {
    for seed in 0..150 {
        random_walk(Variant::Delta, seed, false);
        random_walk(Variant::StateOfTheWorld, seed, false);
    }
}

#[test]
fn rejected_resources_come_again_after_a_reconnect() {
    for seed in 0..150 {
        random_walk(Variant::Delta, seed, true);
        random_walk(Variant::StateOfTheWorld, seed, true);
    }
}
