//! The ports that a sidecar receives traffic for.
//!
//! In: the snapshot and an [`InboundView`]. Out: one [`ReceivedPort`] per port: those of the
//! workload's services, or, where a Sidecar lists `ingress` listeners, those listeners instead.
//! Listeners and clusters are both made from this list, so they never disagree.

use std::collections::BTreeMap;

use ferromesh_config::kind::sidecar::{CaptureMode, IngressListener, Sidecar};
use ferromesh_model::{InboundPort, InboundView, Snapshot};
use ferromesh_types::Protocol;

use crate::names;

/// A port that a sidecar receives traffic for.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedPort<'a> {
    /// The port that clients connect to.
    pub(crate) port: u16,
    /// What is spoken there, after the TLS that the sidecar itself ends.
    pub(crate) protocol: Protocol,
    /// The services behind it, the oldest first; there may be none.
    pub(crate) services: Vec<&'a InboundPort>,
    /// What a Sidecar says about it.
    pub(crate) ingress: Option<&'a IngressListener>,
}

/// Where the workload listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum WorkloadPlace {
    /// At the address that the client asked for.
    Asked,
    /// At this loopback address.
    Loopback(String, u16),
    /// At the pod's own address.
    Own(String, u16),
    /// At a Unix socket.
    Socket(String),
}

impl ReceivedPort<'_> {
    /// The port that clients mean: that of a Sidecar's listener, else of the service.
    pub(crate) fn client_port(&self) -> u16 {
        match self.ingress {
            Some(_) => self.port,
            None => self.services[0].port.port,
        }
    }

    /// The name of its filter chains: a Sidecar's listener is bound to the workload's address.
    pub(crate) fn chain_name(&self, view: &InboundView, wildcard: &str) -> String {
        let own = view.own_addresses.first().map(ToString::to_string);
        match self.ingress {
            Some(ingress) if !ingress.bind.is_empty() => names::listener(&ingress.bind, self.port),
            Some(_) => names::listener(own.as_deref().unwrap_or(wildcard), self.port),
            None => names::listener(wildcard, self.port),
        }
    }

    /// Whether applications and clients connect to it without redirection.
    pub(crate) fn binds(&self) -> bool {
        self.ingress
            .is_some_and(|ingress| ingress.capture_mode == CaptureMode::None)
    }

    /// Where the workload listens, if a Sidecar says so.
    pub(crate) fn place(&self, view: &InboundView) -> Option<WorkloadPlace> {
        let endpoint = self.ingress?.default_endpoint.as_str();
        if let Some(path) = endpoint.strip_prefix("unix://") {
            return Some(WorkloadPlace::Socket(path.to_owned()));
        }
        let Some((host, port)) = endpoint.rsplit_once(':') else {
            return Some(WorkloadPlace::Asked);
        };
        let port = port.parse().unwrap_or(self.port);
        let host = host.trim_matches(['[', ']']);
        let own = view.own_addresses.first();
        Some(match (host, own) {
            ("0.0.0.0" | "::", Some(own)) => WorkloadPlace::Own(own.to_string(), port),
            _ => WorkloadPlace::Loopback(host.to_owned(), port),
        })
    }
}

/// The Sidecar that says something about the inbound side, if one does.
pub(crate) fn sidecar<'a>(snapshot: &'a Snapshot, view: &InboundView) -> Option<&'a Sidecar> {
    let key = view.sidecar.as_ref()?;
    Some(&snapshot.sidecars().by_key(key)?.spec)
}

/// The ports, by number.
pub(crate) fn received_ports<'a>(
    snapshot: &'a Snapshot,
    view: &'a InboundView,
) -> Vec<ReceivedPort<'a>> {
    let mut by_port: BTreeMap<u16, Vec<&InboundPort>> = BTreeMap::new();
    for port in &view.ports {
        by_port.entry(port.target_port).or_default().push(port);
    }
    let ingress = sidecar(snapshot, view).map_or(&[][..], |sidecar| &sidecar.ingress);
    if ingress.is_empty() {
        return by_port
            .into_iter()
            .map(|(port, services)| ReceivedPort {
                port,
                protocol: services[0].port.protocol,
                services,
                ingress: None,
            })
            .collect();
    }
    let mut listed: BTreeMap<u16, ReceivedPort<'a>> = BTreeMap::new();
    for listener in ingress {
        let Some(port) = &listener.port else { continue };
        let protocol = port.protocol();
        // Of two listeners on one port the first counts.
        listed.entry(port.number).or_insert_with(|| ReceivedPort {
            port: port.number,
            protocol: if listener.tls.is_some() {
                inside_tls(protocol)
            } else {
                protocol
            },
            services: by_port.remove(&port.number).unwrap_or_default(),
            ingress: Some(listener),
        });
    }
    listed.into_values().collect()
}

/// What is left of a protocol when its TLS is ended.
fn inside_tls(protocol: Protocol) -> Protocol {
    match protocol {
        Protocol::Https => Protocol::Http,
        Protocol::Tls => Protocol::Tcp,
        other => other,
    }
}
