//! The way of a call through a proxy, step by step.

use std::fmt;

use bytes::Bytes;
use ferromesh_proxy::compiled::{DownstreamTransport, FilterChain, TerminalFilter};
use ferromesh_tls::ClientAuth;
use ferromesh_types::Str;

use crate::call::{Call, Protocol, Tls};
use crate::forward::{self, Forwarding};
use crate::plane::Plane;
use crate::{chain, listener, route};

/// A place where something is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Which listener takes the connection.
    Listener,
    /// Which of its filter chains.
    FilterChain,
    /// Whether the connection's TLS fits the chain.
    Tls,
    /// Which route configuration.
    RouteConfig,
    /// Which virtual host.
    VirtualHost,
    /// Which route.
    Route,
    /// Which cluster.
    Cluster,
    /// With which endpoints, limits and TLS.
    Policy,
}

impl Stage {
    /// Its name as people say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::FilterChain => "filter chain",
            Self::Tls => "TLS",
            Self::RouteConfig => "route configuration",
            Self::VirtualHost => "virtual host",
            Self::Route => "route",
            Self::Cluster => "cluster",
            Self::Policy => "policy",
        }
    }
}

/// One decision.
#[derive(Clone, Debug)]
pub struct Step {
    /// What was decided.
    pub stage: Stage,
    /// What was chosen; empty if nothing.
    pub chosen: String,
    /// Why.
    pub because: String,
    /// What else there was, and why not that.
    pub others: Vec<Other>,
}

/// A candidate that was not chosen.
#[derive(Clone, Debug)]
pub struct Other {
    /// Its name.
    pub name: String,
    /// Why not.
    pub because: String,
}

/// Why a call gets nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No listener takes the connection.
    NoListener,
    /// No filter chain of the listener is for it.
    NoFilterChain,
    /// No virtual host serves the authority.
    NoVirtualHost,
    /// The virtual host has no route for the request.
    NoRoute,
    /// The virtual host redirects to HTTPS.
    TlsRedirect,
    /// TLS, or bytes that are not HTTP, at a chain that expects HTTP.
    ProtocolError,
    /// Plaintext at a chain that expects TLS.
    TlsError,
    /// TLS where mutual TLS is expected, or the reverse.
    MtlsError,
}

impl Failure {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoListener => "no-listener",
            Self::NoFilterChain => "no-filter-chain",
            Self::NoVirtualHost => "no-virtual-host",
            Self::NoRoute => "no-route",
            Self::TlsRedirect => "tls-redirect",
            Self::ProtocolError => "protocol-error",
            Self::TlsError => "tls-error",
            Self::MtlsError => "mtls-error",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a call ends.
#[derive(Clone, Debug)]
pub enum End {
    /// It gets nowhere.
    Failed(Failure),
    /// The proxy answers a request by itself.
    Answered {
        /// The status.
        status: u16,
        /// The body.
        body: Bytes,
    },
    /// The proxy redirects.
    Redirected {
        /// The status.
        status: u16,
        /// The `location`.
        location: String,
    },
    /// The proxy answers a connection with these bytes.
    Said(Bytes),
    /// It goes to one of some clusters.
    Forwarded(Box<Forwarding>),
}

/// The way of a call.
#[derive(Clone, Debug)]
pub struct Walk {
    /// The decisions in order.
    pub steps: Vec<Step>,
    /// The listener; empty if none.
    pub listener: Str,
    /// The filter chain's name; empty if none, or if it has none.
    pub filter_chain: Str,
    /// The route configuration; empty if none.
    pub route_config: Str,
    /// The virtual host; empty if none.
    pub virtual_host: Str,
    /// The route's name; empty if none, or if it has none.
    pub route: Str,
    /// The end.
    pub end: End,
}

impl Walk {
    /// Why it got nowhere, if so.
    pub fn failure(&self) -> Option<Failure> {
        match &self.end {
            End::Failed(failure) => Some(*failure),
            _ => None,
        }
    }

    /// The only cluster that it can go to; empty if there is none, or a choice.
    pub fn cluster(&self) -> &str {
        match &self.end {
            End::Forwarded(forwarding) => match forwarding.shares.as_slice() {
                [only] => &only.target.cluster,
                _ => "",
            },
            _ => "",
        }
    }

    pub(crate) fn step(&mut self, stage: Stage, chosen: &str, because: impl Into<String>) {
        self.decided(stage, chosen, because, Vec::new());
    }

    pub(crate) fn decided(
        &mut self,
        stage: Stage,
        chosen: &str,
        because: impl Into<String>,
        others: Vec<Other>,
    ) {
        self.steps.push(Step {
            stage,
            chosen: chosen.to_owned(),
            because: because.into(),
            others,
        });
    }
}

impl fmt::Display for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            let chosen = match step.chosen.as_str() {
                "" => "none",
                chosen => chosen,
            };
            writeln!(f, "{}: {chosen}: {}", step.stage.name(), step.because)?;
            for other in &step.others {
                writeln!(f, "  not {}: {}", other.name, other.because)?;
            }
        }
        match &self.end {
            End::Failed(failure) => writeln!(f, "end: {failure}"),
            End::Answered { status, .. } => writeln!(f, "end: answered with {status}"),
            End::Redirected { status, location } => {
                writeln!(f, "end: redirected to {location} with {status}")
            }
            End::Said(bytes) => writeln!(f, "end: answered with {} bytes", bytes.len()),
            End::Forwarded(_) => writeln!(f, "end: forwarded"),
        }
    }
}

impl Plane {
    /// Walks a call. `mesh_identity` is the name of the secret by which a chain with mutual TLS of
    /// the mesh is known, `default` for workloads.
    pub fn walk(&self, call: &Call, mesh_identity: &str) -> Walk {
        let mut walk = Walk {
            steps: Vec::new(),
            listener: Str::default(),
            filter_chain: Str::default(),
            route_config: Str::default(),
            virtual_host: Str::default(),
            route: Str::default(),
            end: End::Failed(Failure::NoListener),
        };
        walk.end = self
            .go(call, mesh_identity, &mut walk)
            .unwrap_or_else(End::Failed);
        walk
    }

    fn go(&self, call: &Call, mesh_identity: &str, walk: &mut Walk) -> Result<End, Failure> {
        let listener = listener::choose(self, call, walk).ok_or(Failure::NoListener)?;
        walk.listener = listener.name.clone();
        let chain = chain::choose(self, listener, call, walk).ok_or(Failure::NoFilterChain)?;
        walk.filter_chain = chain.name.clone();
        let terminated = open_tls(chain, call, mesh_identity, walk)?;
        match &chain.terminal {
            TerminalFilter::TcpProxy(proxy) => Ok(forward::bytes(self, proxy, call, walk)),
            TerminalFilter::DirectResponse(bytes) => Ok(End::Said(bytes.clone())),
            TerminalFilter::Http(manager) => {
                let unreadable = call.tls != Tls::Plaintext && !terminated;
                if unreadable || call.protocol == Protocol::Tcp {
                    walk.step(
                        Stage::Tls,
                        "",
                        "the chain expects HTTP, and this is not HTTP",
                    );
                    return Err(Failure::ProtocolError);
                }
                route::choose(self, manager, call, terminated, walk)
            }
        }
    }
}

/// Whether the chain ends the call's TLS, if the two fit.
fn open_tls(
    chain: &FilterChain,
    call: &Call,
    mesh_identity: &str,
    walk: &mut Walk,
) -> Result<bool, Failure> {
    let DownstreamTransport::Tls(server) = &chain.transport else {
        return Ok(false);
    };
    if call.tls == Tls::Plaintext {
        walk.step(
            Stage::Tls,
            "",
            "the chain expects TLS, and this is plaintext",
        );
        return Err(Failure::TlsError);
    }
    let settings = server.settings();
    let shows_mesh = settings.identities.iter().any(|name| name == mesh_identity);
    let mutual = shows_mesh && settings.client_auth == ClientAuth::Required;
    if mutual != (call.tls == Tls::Mutual) {
        let because = if mutual {
            "the chain asks for a certificate of the mesh, and the client has none"
        } else {
            "the client offers mutual TLS of the mesh, and the chain does not know it"
        };
        walk.step(Stage::Tls, "", because);
        return Err(Failure::MtlsError);
    }
    let names: Vec<&str> = settings.identities.iter().map(|name| &**name).collect();
    let identity = names.join(", ");
    let because = format!("the chain ends TLS with the certificate {identity}");
    walk.step(Stage::Tls, &identity, because);
    Ok(true)
}
