//! Compiled clusters.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ferromesh_http::http1::NameCase;
use ferromesh_runtime::Publisher;
use ferromesh_types::Str;

use super::http2::Http2Settings;
use super::transport::{Transports, UpstreamTransport};
use crate::cluster::health_check::{EndpointCheck, is_pending};
use crate::cluster::lb::{PickContext, pick};
use crate::cluster::subset::SubsetSettings;
use crate::cluster::{
    CircuitBreakers, Endpoint, EndpointCounters, EndpointSet, EndpointsOnDemand, Finding,
    HealthChecks, LbPolicy, NameCache, OutlierDetection, Refresh, SetSettings,
};
use crate::stats::ClusterStats;

/// One cluster. Immutable except for its endpoint set and its counters.
#[derive(Debug)]
pub struct Cluster {
    /// Its name.
    pub name: Str,
    /// Its name in numbers and logs; the name unless the config gives another.
    pub observability_name: Str,
    /// Where its endpoints come from.
    pub discovery: Discovery,
    /// How it balances.
    pub lb: LbPolicy,
    /// How its endpoints form subsets.
    pub subsets: Option<Arc<SubsetSettings>>,
    /// How its endpoint sets are put together.
    pub set_settings: SetSettings,
    /// How long a connection may take to be made, handshake included.
    pub connect_timeout: Duration,
    /// Which HTTP it speaks.
    pub http: UpstreamHttp,
    /// Which connections are made before a request needs them.
    pub preconnect: Option<Preconnect>,
    /// Limits of its connections.
    pub connections: ConnectionLimits,
    /// Transports by endpoint metadata; endpoints have theirs resolved already.
    pub transports: Transports,
    /// Limits of what is in flight.
    pub circuit_breakers: CircuitBreakers,
    /// The local address to connect from; port 0 leaves the port to the system.
    pub bind_source: Option<SocketAddr>,
    /// Keepalive of its TCP connections.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// False when `istio.alpn_override` of its metadata says so.
    pub alpn_override_allowed: bool,
    /// Whether it leads out of the mesh (`istio.external` of its metadata).
    pub mesh_external: bool,
    /// Host, name and namespace of the first service in its metadata.
    pub service: Option<(Str, Str, Str)>,
    /// Whether connections are closed when their endpoint turns unhealthy.
    pub close_connections_on_health_failure: bool,
    /// Checks of the endpoints' health.
    pub health_checks: Option<HealthChecks>,
    /// Ejection of endpoints that fail.
    pub outlier: Option<OutlierDetection>,
    /// Whether open connections are closed when their endpoint goes.
    pub close_connections_on_host_removal: bool,
    /// Whether its endpoints have come once (from EDS or DNS); static clusters need not wait.
    pub endpoints_arrived: AtomicBool,
    /// The endpoints of now. Swapped alone; load once per request.
    pub endpoints: Publisher<EndpointSet>,
    /// Held while endpoints are replaced, so that a change of health never brings back old ones.
    pub(crate) membership: Mutex<()>,
    /// The share of requests to drop: numerator in the upper half, denominator in the lower; zero
    /// for none.
    pub(crate) drop_overload: AtomicU64,
    /// The endpoints that clients asked for, where they choose.
    pub on_demand: EndpointsOnDemand,
    /// Its numbers.
    pub stats: ClusterStats,
}

impl Cluster {
    /// The endpoint for a request; `None` when there is none (flag `UH`). Where clients choose, use
    /// [`Self::choice_of_client`].
    pub fn pick(&self, context: &mut PickContext<'_>) -> Option<Arc<Endpoint>> {
        let set = self.endpoints.current();
        let chosen = match &self.subsets {
            Some(subsets) => set.subsets.find(subsets, &set, context.wanted)?,
            None => &set,
        };
        pick(chosen, self.lb, context).cloned()
    }

    /// The endpoint that a client asks for, by the address that it connected to or by the name in
    /// its request or hello, where the cluster goes by that.
    /// `asked` is called only then.
    pub fn choice_of_client<'a>(&self, asked: impl FnOnce() -> AskedFor<'a>) -> ClientChoice {
        match &self.discovery {
            Discovery::OriginalDestination(original) => {
                let address = original.endpoint(asked().destination);
                let endpoint =
                    self.on_demand
                        .endpoint(Str::default(), address, &self.transports.fallback);
                ClientChoice::Endpoint(endpoint)
            }
            Discovery::ByName(names) => {
                let asked = asked();
                let port = asked.port.unwrap_or_else(|| self.default_port());
                match names.known(asked.host, port) {
                    Some(found) => ClientChoice::Endpoint(self.on_demand.endpoint(
                        found.name,
                        found.address,
                        &self.transports.fallback,
                    )),
                    None => ClientChoice::Unknown,
                }
            }
            _ => ClientChoice::Balanced,
        }
    }

    /// The port of names that come without one.
    pub fn default_port(&self) -> u16 {
        match self.transports.fallback.tls() {
            Some(_) => 443,
            None => 80,
        }
    }

    /// Puts a new set of endpoints in force and notes that endpoints have come.
    pub fn replace_endpoints(&self, set: EndpointSet) {
        let _alone = self
            .membership
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.stats.membership_change().inc();
        self.stats.update_success().inc();
        // What was found out while the set was put together counts, too.
        let heeds_findings = !set.settings.heeds.is_empty();
        self.publish_endpoints(if heeds_findings { set.rebuilt() } else { set });
        self.endpoints_arrived.store(true, Ordering::Release);
    }

    /// Puts the endpoints of now together again, since the health of some has changed.
    pub fn refresh_health(&self) {
        let _alone = self
            .membership
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.publish_endpoints(self.endpoints.current().rebuilt());
    }

    fn publish_endpoints(&self, mut set: EndpointSet) {
        if let Some(subsets) = &self.subsets {
            set.make_subsets(subsets);
        }
        self.stats.membership_total().set(set.total as u64);
        self.stats.membership_healthy().set(set.usable as u64);
        self.stats.membership_degraded().set(set.degraded as u64);
        self.stats.membership_excluded().set(set.excluded as u64);
        let share = set.settings.drop_overload.map_or(0, |share| {
            (u64::from(share.numerator) << 32) | u64::from(share.denominator)
        });
        self.drop_overload.store(share, Ordering::Relaxed);
        self.endpoints.publish(Arc::new(set));
    }

    /// Whether a request is to be dropped, as the control plane asked for; `random` is only asked
    /// where it matters.
    pub fn drops(&self, random: impl FnOnce() -> u64) -> bool {
        let share = self.drop_overload.load(Ordering::Relaxed);
        share != 0 && random() % (share & u64::from(u32::MAX)).max(1) < share >> 32
    }

    /// Notes what was found out about an endpoint, where outlier detection wants to know.
    pub fn note(&self, endpoint: &Arc<Endpoint>, finding: Finding) {
        if let Some(detection) = &self.outlier {
            detection.note(endpoint, finding);
        }
    }

    /// Whether it must wait for its first endpoints.
    pub fn awaits_endpoints(&self) -> bool {
        let external = matches!(
            self.discovery,
            Discovery::Eds { .. } | Discovery::StrictDns(_) | Discovery::LogicalDns(_)
        );
        external && !self.endpoints_arrived.load(Ordering::Acquire)
    }

    /// Whether some endpoint has not had its first health check.
    pub fn awaits_checks(&self) -> bool {
        self.health_checks.is_some() && self.endpoints.current().endpoints().any(is_pending)
    }

    /// Counters for an endpoint that was not there before.
    pub fn new_counters(&self) -> Arc<EndpointCounters> {
        let counters = EndpointCounters::default();
        if self.health_checks.is_some() {
            HealthChecks::begin(&counters);
        }
        Arc::new(counters)
    }

    /// Whether clients choose the endpoint, so that there is no set of them.
    pub fn follows_clients(&self) -> bool {
        self.discovery.follows_clients()
    }

    /// Names of all secrets that its transports need.
    pub fn secrets(&self) -> Vec<Str> {
        let mut names: Vec<Str> = self
            .transports
            .iter()
            .flat_map(|transport: &Arc<UpstreamTransport>| transport.secrets())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct AskedFor<'a> {
    /// The address that it connected to.
    pub destination: SocketAddr,
    /// The host of its request, or the server name of its hello; empty without.
    pub host: &'a str,
    /// The port, where a filter says it.
    pub port: Option<u16>,
}

/// The endpoint that a client asks for.
#[derive(Clone, Debug)]
pub enum ClientChoice {
    /// It has no say: the cluster balances.
    Balanced,
    /// This one.
    Endpoint(Arc<Endpoint>),
    /// None that is known.
    Unknown,
}

/// Where a cluster's endpoints come from.
#[derive(Clone, Debug)]
pub enum Discovery {
    /// An assignment from the control plane.
    Eds {
        /// The assignment's name.
        service_name: Str,
    },
    /// Part of the cluster.
    Static,
    /// All addresses of names.
    StrictDns(DnsSettings),
    /// One address of one name.
    LogicalDns(DnsSettings),
    /// Where the client wanted to go.
    OriginalDestination(OriginalDestination),
    /// The addresses of the names that requests are for.
    ByName(Arc<NameCache>),
}

impl Discovery {
    /// Whether clients choose the endpoint.
    pub fn follows_clients(&self) -> bool {
        matches!(self, Self::OriginalDestination(_) | Self::ByName(_))
    }
}

/// How original destinations become endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginalDestination {
    /// Instead of the original port.
    pub port_override: Option<u16>,
}

impl OriginalDestination {
    /// The endpoint's address for a client that connected to `destination`.
    pub fn endpoint(self, mut destination: SocketAddr) -> SocketAddr {
        if let Some(port) = self.port_override {
            destination.set_port(port);
        }
        destination
    }
}

/// How names are resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsSettings {
    /// The names.
    pub hosts: Vec<DnsHost>,
    /// How often they are looked up.
    pub refresh: Refresh,
    /// A random part of this is added to every wait.
    pub jitter: Duration,
    /// Whether the answer's lifetime is used instead.
    pub respect_ttl: bool,
    /// Which addresses are wanted.
    pub family: DnsFamily,
}

/// One name with its place in the assignment.
#[derive(Clone, Debug, PartialEq)]
pub struct DnsHost {
    /// The name, or an address.
    pub host: Str,
    /// The port.
    pub port: u16,
    /// What the endpoints made from it look like.
    pub locality: ferromesh_types::Locality,
    /// 0 is tried first.
    pub priority: u32,
    /// The endpoints' weight.
    pub weight: u32,
    /// The weight of its locality; 0 when the config gives none.
    pub locality_weight: u32,
    /// What it says about its own health checks.
    pub check: Option<Box<EndpointCheck>>,
    /// `envoy.transport_socket_match` of its metadata.
    pub match_metadata: serde_json::Map<String, serde_json::Value>,
    /// Its metadata for load balancing.
    pub metadata: serde_json::Map<String, serde_json::Value>,
}

/// Which addresses of a name are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsFamily {
    /// IPv6, else IPv4.
    #[default]
    Auto,
    /// IPv4.
    V4Only,
    /// IPv6.
    V6Only,
    /// IPv4, else IPv6.
    V4Preferred,
    /// Both.
    All,
}

/// Which HTTP a cluster speaks.
#[derive(Clone, Debug, PartialEq)]
pub enum UpstreamHttp {
    /// HTTP/1.1.
    Http1(Http1Upstream),
    /// HTTP/2.
    Http2(Http2Settings),
    /// The protocol of the request.
    Downstream(Http1Upstream, Http2Settings),
    /// What ALPN says.
    Alpn(Http1Upstream, Http2Settings),
}

/// HTTP/1 options towards a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Http1Upstream {
    /// The case in which names of fields are written, or whether they are kept as they come.
    pub names: NameCase,
    /// Whether trailers are sent.
    pub enable_trailers: bool,
}

/// How many requests places are kept ready for, per request in flight; HTTP only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preconnect {
    /// At each endpoint, from 1 to 3.
    pub per_endpoint: f64,
    /// Over the whole cluster, in each worker, from 1 to 3.
    pub predictive: f64,
}

/// Limits of connections to a cluster. `None` is without limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// A pooled connection without requests.
    pub idle_timeout: Option<Duration>,
    /// A connection's whole life.
    pub max_duration: Option<Duration>,
    /// The whole life of one exchange.
    pub max_stream_duration: Option<Duration>,
    /// Requests per connection.
    pub max_requests: Option<u32>,
    /// Soft limit of the buffers of one connection, in bytes.
    pub buffer_limit: u32,
}

impl Default for ConnectionLimits {
    /// Envoy's: idle for 1 h, 1 MiB.
    fn default() -> Self {
        Self {
            idle_timeout: Some(Duration::from_hours(1)),
            max_duration: None,
            max_stream_duration: None,
            max_requests: None,
            buffer_limit: 1 << 20,
        }
    }
}

/// Keepalive of TCP connections. `None` leaves the system's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// Unanswered probes before the connection is given up.
    pub probes: Option<u32>,
    /// Silence before the first probe.
    pub time: Option<Duration>,
    /// Between two probes.
    pub interval: Option<Duration>,
}
