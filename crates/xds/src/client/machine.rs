//! The client's state machine: commands and responses in, requests and updates out.

use ferromesh_proto::envoy::config::core::v3::Node;
use ferromesh_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use ferromesh_proto::google::protobuf::Any;
use ferromesh_proto::google::rpc::Status;
use prost::{Message as _, Name as _};

use super::event::{Command, NamedResource, TypeUpdate};
use super::resource_name::name_in;
use super::subscription::Subscription;
use crate::{Request, Variant};

/// gRPC's INVALID_ARGUMENT: the code that Envoy puts into a NACK.
const INVALID_ARGUMENT: i32 = 3;

/// A response as it came from the wire.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// Of a delta stream.
    Delta(Box<DeltaDiscoveryResponse>),
    /// Of a state-of-the-world stream.
    StateOfTheWorld(Box<DiscoveryResponse>),
}

/// The client's half of one ADS stream and of all that follow it after reconnects.
#[derive(Debug)]
pub struct ClientStream {
    variant: Variant,
    node: Node,
    /// In the order of the first subscription, which is the order of requests after a reconnect.
    subscriptions: Vec<(String, Subscription)>,
    connected: bool,
    node_sent: bool,
}

impl ClientStream {
    /// A client that is not connected and wants nothing.
    pub fn new(variant: Variant, node: Node) -> Self {
        Self {
            variant,
            node,
            subscriptions: Vec::new(),
            connected: false,
            node_sent: false,
        }
    }

    /// The protocol that the client speaks.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// A stream is open: the requests that bring back every subscription.
    pub fn connected(&mut self) -> Vec<Request> {
        self.connected = true;
        self.node_sent = false;
        for (_, subscription) in &mut self.subscriptions {
            subscription.reconnect();
        }
        let types: Vec<String> = self.subscriptions.iter().map(|(t, _)| t.clone()).collect();
        types
            .iter()
            .filter_map(|type_url| self.open(type_url))
            .collect()
    }

    /// The stream is gone; subscriptions stay.
    pub fn disconnected(&mut self) {
        self.connected = false;
    }

    /// Takes a command; the request that it causes now, if any.
    pub fn command(&mut self, command: Command) -> Option<Request> {
        match command {
            Command::Wildcard(type_url) => {
                let subscription = self.subscription(&type_url);
                let before = std::mem::replace(&mut subscription.wildcard, true);
                if before {
                    return None;
                }
                self.change(&type_url, vec!["*".to_owned()], Vec::new())
            }
            Command::Subscribe {
                type_url,
                add,
                remove,
            } => {
                let subscription = self.subscription(&type_url);
                let add: Vec<String> = add
                    .into_iter()
                    .filter(|name| subscription.names.insert(name.clone()))
                    .collect();
                let remove: Vec<String> = remove
                    .into_iter()
                    .filter(|name| !add.contains(name) && subscription.names.remove(name))
                    .collect();
                for name in &remove {
                    subscription.held.remove(name);
                }
                subscription.given_up.extend(remove.iter().cloned());
                if add.is_empty() && remove.is_empty() {
                    return None;
                }
                self.change(&type_url, add, remove)
            }
            Command::Ack { type_url, nonce } => {
                let known = self.subscription(&type_url);
                if !known.awaits(&nonce) {
                    return None;
                }
                known.accepted(&nonce);
                self.connected
                    .then(|| self.verdict(&type_url, &nonce, None))
            }
            Command::Nack {
                type_url,
                nonce,
                detail,
            } => {
                let known = self.subscription(&type_url);
                if !known.awaits(&nonce) {
                    return None;
                }
                known.refused(&nonce);
                self.connected
                    .then(|| self.verdict(&type_url, &nonce, Some(detail)))
            }
        }
    }

    /// Takes a response. `None` for a response of a type that nobody subscribed to.
    pub fn receive(&mut self, reply: Reply) -> Option<TypeUpdate> {
        let update = match reply {
            Reply::Delta(response) => delta_update(*response),
            Reply::StateOfTheWorld(response) => self.world_update(*response),
        };
        let (_, subscription) = self
            .subscriptions
            .iter_mut()
            .find(|(type_url, _)| *type_url == update.type_url)?;
        subscription.received(&update);
        Some(update)
    }

    fn world_update(&self, response: DiscoveryResponse) -> TypeUpdate {
        let version = response.version_info;
        let full = self
            .subscriptions
            .iter()
            .any(|(type_url, s)| *type_url == response.type_url && s.wildcard);
        let resources = response
            .resources
            .into_iter()
            .map(|body| named(body, &version))
            .collect();
        TypeUpdate {
            type_url: response.type_url,
            version,
            nonce: response.nonce,
            resources,
            removed: Vec::new(),
            full,
        }
    }

    fn subscription(&mut self, type_url: &str) -> &mut Subscription {
        let index = self
            .subscriptions
            .iter()
            .position(|(known, _)| known == type_url)
            .unwrap_or_else(|| {
                self.subscriptions
                    .push((type_url.to_owned(), Subscription::default()));
                self.subscriptions.len() - 1
            });
        &mut self.subscriptions[index].1
    }

    /// The request for a changed subscription; while disconnected the reconnect brings it.
    fn change(&mut self, type_url: &str, add: Vec<String>, remove: Vec<String>) -> Option<Request> {
        if !self.connected {
            return None;
        }
        if !self.subscription(type_url).opened {
            return self.open(type_url);
        }
        let node = self.node_once();
        let variant = self.variant;
        let subscription = self.subscription(type_url);
        Some(match variant {
            Variant::Delta => Request::Delta(Box::new(DeltaDiscoveryRequest {
                node,
                type_url: type_url.to_owned(),
                resource_names_subscribe: add,
                resource_names_unsubscribe: remove,
                ..DeltaDiscoveryRequest::default()
            })),
            Variant::StateOfTheWorld => {
                // Without a nonce the server begins the type anew and sends everything.
                let again = add.iter().any(|name| subscription.given_up.contains(name));
                let nonce = if again { "" } else { &subscription.nonce };
                world_request(type_url, subscription, node, nonce)
            }
        })
    }

    /// The first request of a type on this connection.
    fn open(&mut self, type_url: &str) -> Option<Request> {
        let subscription = self.subscription(type_url);
        if !subscription.wildcard && subscription.names.is_empty() {
            return None;
        }
        subscription.opened = true;
        let node = self.node_once();
        let variant = self.variant;
        let subscription = self.subscription(type_url);
        Some(match variant {
            Variant::Delta => Request::Delta(Box::new(DeltaDiscoveryRequest {
                node,
                type_url: type_url.to_owned(),
                resource_names_subscribe: subscription.delta_names(),
                initial_resource_versions: subscription.held_versions(),
                ..DeltaDiscoveryRequest::default()
            })),
            Variant::StateOfTheWorld => world_request(type_url, subscription, node, ""),
        })
    }

    fn verdict(&mut self, type_url: &str, nonce: &str, detail: Option<String>) -> Request {
        let node = self.node_once();
        let error_detail = detail.map(|message| Status {
            code: INVALID_ARGUMENT,
            message,
            ..Status::default()
        });
        let variant = self.variant;
        let subscription = self.subscription(type_url);
        match variant {
            Variant::Delta => Request::Delta(Box::new(DeltaDiscoveryRequest {
                node,
                type_url: type_url.to_owned(),
                response_nonce: nonce.to_owned(),
                error_detail,
                ..DeltaDiscoveryRequest::default()
            })),
            Variant::StateOfTheWorld => {
                let mut request = world_request(type_url, subscription, node, nonce);
                if let Request::StateOfTheWorld(request) = &mut request {
                    request.error_detail = error_detail;
                }
                request
            }
        }
    }

    fn node_once(&mut self) -> Option<Node> {
        let first = !std::mem::replace(&mut self.node_sent, true);
        first.then(|| self.node.clone())
    }
}

fn world_request(
    type_url: &str,
    subscription: &Subscription,
    node: Option<Node>,
    nonce: &str,
) -> Request {
    Request::StateOfTheWorld(Box::new(DiscoveryRequest {
        version_info: subscription.version.clone(),
        node,
        resource_names: subscription.delta_names(),
        type_url: type_url.to_owned(),
        response_nonce: nonce.to_owned(),
        ..DiscoveryRequest::default()
    }))
}

fn delta_update(response: DeltaDiscoveryResponse) -> TypeUpdate {
    TypeUpdate {
        type_url: response.type_url,
        version: response.system_version_info,
        nonce: response.nonce,
        resources: response.resources.into_iter().map(unwrapped).collect(),
        removed: response.removed_resources,
        full: false,
    }
}

fn unwrapped(resource: Resource) -> NamedResource {
    NamedResource {
        name: resource.name,
        version: resource.version,
        body: resource.resource.unwrap_or_default(),
    }
}

/// A bare resource, or one that is wrapped for the sake of its name.
fn named(body: Any, version: &str) -> NamedResource {
    if body.type_url == Resource::type_url()
        && let Ok(resource) = Resource::decode(body.value.as_slice())
    {
        return unwrapped(resource);
    }
    NamedResource {
        name: name_in(&body.value),
        version: version.to_owned(),
        body,
    }
}
