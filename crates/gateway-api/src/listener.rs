//! Listeners of the Gateways that are served here, each as a Gateway of Istio's with one server.

use std::sync::Arc;

use ferromesh_config::kind::gateway::{Gateway as MadeGateway, Server, ServerPort};
use ferromesh_config::kind::gateway_api::{
    AddressType, Expression, From, GROUP, Gateway, Listener, ListenerTlsMode, NamespaceSelector,
    Operator,
};
use ferromesh_config::{Kind, Object, Spec};
use ferromesh_types::{Hostname, Labels, Namespace, Selector, Str};

use crate::class;
use crate::listener_tls::{self, Tls};
use crate::synthetic::{Identity, MARK, object};
use crate::written::{Entry, Meta, Written};

/// The label of pods that serve a Gateway.
const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The annotation of a Gateway of Istio's that is bound to Services instead of labels; host names
/// with commas between them.
pub const SERVICES: &str = "internal.istio.io/gateway-service";

/// The kinds of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RouteKind {
    Http,
    Grpc,
    Tls,
    Tcp,
}

impl RouteKind {
    /// The kind as the API names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::Grpc => "GRPCRoute",
            Self::Tls => "TLSRoute",
            Self::Tcp => "TCPRoute",
        }
    }
}

/// A listener that is served.
#[derive(Debug)]
pub(crate) struct BoundListener<'a> {
    /// The Gateway.
    pub(crate) gateway: Entry<'a, Gateway>,
    /// The listener.
    pub(crate) listener: &'a Listener,
    services: Vec<Hostname>,
    tls: Option<Tls>,
}

/// The listeners that are served, those of the oldest Gateway first. One whose certificate is
/// missing or not open to the Gateway is not.
pub(crate) fn bound(written: &Written) -> Vec<BoundListener<'_>> {
    let served =
        |gateway: &Entry<'_, Gateway>| class::is_served(written, &gateway.spec.gateway_class_name);
    let gateways = written.gateways().into_iter().filter(served);
    gateways
        .flat_map(|gateway| {
            let services = services(written, gateway);
            let listeners = gateway.spec.listeners.iter();
            listeners.filter_map(move |listener| {
                let tls = match listener.protocol.as_str() {
                    "HTTP" | "TCP" => None,
                    "HTTPS" | "TLS" => Some(listener_tls::settings(written, gateway, listener)?),
                    _ => return None,
                };
                Some(BoundListener {
                    gateway,
                    listener,
                    services: services.clone(),
                    tls,
                })
            })
        })
        .collect()
}

/// The Services that the addresses of a Gateway name.
fn services(written: &Written, gateway: Entry<'_, Gateway>) -> Vec<Hostname> {
    let addresses = gateway.spec.addresses.iter();
    addresses
        .filter(|address| address.r#type == AddressType::Hostname && !address.value.is_empty())
        .map(|address| {
            Hostname::from(address.value.as_str()).expand(gateway.meta.namespace(), &written.domain)
        })
        .collect()
}

impl BoundListener<'_> {
    fn meta(&self) -> Meta<'_> {
        self.gateway.meta
    }

    /// The name of the made Gateway.
    fn made_name(&self) -> String {
        format!("{}~{MARK}~{}", self.meta().name(), self.listener.name)
    }

    /// The made Gateway as VirtualServices name it.
    pub(crate) fn reference(&self) -> Str {
        format!("{}/{}", self.meta().namespace(), self.made_name()).into()
    }

    /// The hosts that it takes.
    pub(crate) fn hostname(&self) -> Hostname {
        host_of(self.listener)
    }

    /// Whether TLS passes.
    pub(crate) fn passes_tls(&self) -> bool {
        let tls = self.listener.tls.as_ref();
        tls.is_some_and(|tls| tls.mode == ListenerTlsMode::Passthrough)
    }

    /// Whether routes of this kind can be attached.
    pub(crate) fn takes(&self, kind: RouteKind) -> bool {
        let fits = match self.listener.protocol.as_str() {
            "HTTP" | "HTTPS" => matches!(kind, RouteKind::Http | RouteKind::Grpc),
            "TLS" if self.passes_tls() => kind == RouteKind::Tls,
            "TLS" => matches!(kind, RouteKind::Tls | RouteKind::Tcp),
            _ => kind == RouteKind::Tcp,
        };
        let kinds = &self.listener.allowed_routes.kinds;
        let named = kinds
            .iter()
            .any(|known| known.group == GROUP && known.kind == kind.name());
        fits && (kinds.is_empty() || named)
    }

    /// Whether routes of this namespace can be attached.
    pub(crate) fn admits(&self, written: &Written, namespace: &Namespace) -> bool {
        let allowed = &self.listener.allowed_routes.namespaces;
        match allowed.from {
            From::All => true,
            From::None => false,
            From::Same => self.meta().namespace() == namespace,
            From::Selector => allowed
                .selector
                .as_ref()
                .is_some_and(|selector| selects(selector, &written.namespace_labels(namespace))),
        }
    }

    /// The made Gateway, and the roots that its server needs.
    pub(crate) fn objects(&self) -> Vec<Object> {
        let server = Server {
            port: Some(ServerPort {
                number: self.listener.port,
                protocol: self.listener.protocol.clone(),
                name: "default".into(),
                target_port: None,
            }),
            hosts: vec![self.server_host()],
            tls: self.tls.as_ref().map(|tls| tls.settings.clone()),
            ..Server::default()
        };
        let mut made = MadeGateway {
            servers: vec![server],
            is_made: true,
            ..MadeGateway::default()
        };
        let mut annotations = Labels::default();
        if self.services.is_empty() {
            made.selector = Selector(Labels::from_iter([(
                GATEWAY_NAME,
                self.meta().name().as_str(),
            )]));
        } else {
            let names: Vec<&str> = self.services.iter().map(Hostname::as_str).collect();
            annotations = Labels::from_iter([(SERVICES, names.join(","))]);
        }
        let identity = Identity::new(
            Kind::Gateway,
            self.meta().namespace(),
            self.made_name(),
            self.meta().created(),
        );
        let roots = self.tls.as_ref().and_then(|tls| tls.roots.clone());
        let gateway = object(
            identity.annotated(annotations),
            Spec::Gateway(Arc::new(made)),
        );
        std::iter::once(gateway).chain(roots).collect()
    }

    /// Routes of every namespace may bind to the made Gateway: who may was decided before.
    fn server_host(&self) -> Str {
        format!("*/{}", self.hostname()).into()
    }

    /// Whether another listener of the Gateway on the same port is the one for a host.
    pub(crate) fn yields(&self, host: &Hostname) -> bool {
        let own = self.hostname();
        self.gateway.spec.listeners.iter().any(|other| {
            let pattern = host_of(other);
            other.port == self.listener.port
                && other.protocol == self.listener.protocol
                && pattern != own
                && pattern.is_covered_by(&own)
                && host.is_covered_by(&pattern)
        })
    }
}

fn host_of(listener: &Listener) -> Hostname {
    if listener.hostname.is_empty() {
        return Hostname::from("*");
    }
    Hostname::from(listener.hostname.as_str())
}

fn selects(selector: &NamespaceSelector, labels: &Labels) -> bool {
    let holds = |condition: &Expression| {
        let value = labels.get(&condition.key);
        let among = value.is_some_and(|value| condition.values.contains(value));
        match condition.operator {
            Operator::In => among,
            Operator::NotIn => !among,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    };
    selector.match_labels.matches(labels) && selector.match_expressions.iter().all(holds)
}
