//! Where a call goes, and under which policy.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_proxy::compiled::{Cluster, Discovery, TcpProxy, UpstreamTransport};
use ferromesh_route::mirror::{MirrorCluster, shadow_authority};
use ferromesh_route::request::PlainRequest;
use ferromesh_route::virtual_host::without_port;
use ferromesh_route::{ClusterChoice, Forward, Fraction, HeaderMutations, RetryPolicy};
use ferromesh_types::Str;

use crate::call::{Call, Protocol};
use crate::headers::{self, Headers};
use crate::plane::Plane;
use crate::walk::{End, Stage, Walk};

/// Where a call goes.
#[derive(Clone, Debug)]
pub struct Forwarding {
    /// The clusters with their shares.
    pub shares: Vec<Share>,
    /// The cluster that the call's own random number draws.
    pub drawn: Str,
    /// From the complete request to the complete response; `None` is without limit.
    pub timeout: Option<Duration>,
    /// Without a byte; `None` is without limit or the listener's own.
    pub idle: Option<Duration>,
    /// Retries.
    pub retries: Option<Retrying>,
    /// The path that is sent; empty for bytes.
    pub path: String,
    /// The authority that is sent; empty for bytes.
    pub authority: String,
    /// The request's headers after the edits of its route; `None` for bytes.
    pub request_headers: Option<Headers>,
    /// Copies that are sent besides.
    pub mirrors: Vec<Mirror>,
    /// How many keys decide about consistent hashing.
    pub hash_keys: usize,
    /// The status when the cluster does not exist.
    pub not_found: u16,
}

/// A copy of the request whose answer nobody sees.
#[derive(Clone, Debug)]
pub struct Mirror {
    /// Where it goes.
    pub target: Target,
    /// The share of the requests that is copied.
    pub share: Fraction,
    /// The authority that is sent.
    pub authority: String,
}

/// The status when no endpoint can be used.
const NO_ENDPOINT: u16 = 503;

impl Forwarding {
    /// The answer when nobody behind `target` can be asked.
    pub fn unavailable(&self, target: &Target) -> u16 {
        if target.exists {
            NO_ENDPOINT
        } else {
            self.not_found
        }
    }
}

/// A route that was taken.
#[derive(Clone, Copy)]
pub(crate) struct Taken<'a> {
    /// What it does.
    pub(crate) how: &'a Forward,
    /// The retries in force.
    pub(crate) retry: Option<&'a RetryPolicy>,
    /// How many bytes of the path it matched.
    pub(crate) matched: usize,
    /// Header edits in the order in which they are made: route, virtual host, table.
    pub(crate) edits: [&'a HeaderMutations; 3],
}

/// How failed tries are repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrying {
    /// How often after the first try.
    pub retries: u32,
    /// How long one try may take.
    pub per_try: Option<Duration>,
    /// The conditions.
    pub on: ferromesh_route::RetryOn,
    /// Statuses that are retried.
    pub status_codes: Vec<u16>,
}

/// One cluster with its share.
#[derive(Clone, Debug)]
pub struct Share {
    /// Its weight among the others'.
    pub weight: u32,
    /// The cluster.
    pub target: Target,
}

/// A cluster as the destination of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub cluster: Str,
    /// Whether there is such a cluster.
    pub exists: bool,
    /// Its endpoints, in order.
    pub endpoints: Vec<TargetEndpoint>,
}

/// One endpoint of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetEndpoint {
    /// 0 is tried first.
    pub priority: u32,
    /// Address and port, or name and port before resolution.
    pub address: String,
    /// Its weight.
    pub weight: u32,
    /// How it is spoken to.
    pub tls: UpstreamTlsMode,
}

/// How an endpoint is spoken to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UpstreamTlsMode {
    /// In plaintext.
    Plaintext,
    /// With TLS.
    Tls {
        /// The secret with our own certificate; empty shows none.
        identity: Str,
        /// The server name; empty sends none, or the request's authority.
        server_name: Str,
    },
}

/// Follows a TCP proxy.
pub(crate) fn bytes(plane: &Plane, proxy: &TcpProxy, call: &Call, walk: &mut Walk) -> End {
    let drawn = proxy.cluster.choose(&call.request, call.random);
    let drawn = Str::from(drawn.name.as_ref());
    let forwarding = Forwarding {
        shares: shares(plane, &proxy.cluster, &drawn, call),
        drawn,
        timeout: None,
        idle: proxy.idle_timeout,
        retries: None,
        path: String::new(),
        authority: String::new(),
        request_headers: None,
        mirrors: Vec::new(),
        hash_keys: usize::from(proxy.hash_source_ip),
        not_found: NO_ENDPOINT,
    };
    arrive(forwarding, walk)
}

/// Follows a route.
pub(crate) fn request(
    plane: &Plane,
    taken: Taken<'_>,
    request: &PlainRequest,
    call: &Call,
    walk: &mut Walk,
) -> End {
    let Taken {
        how,
        retry,
        matched,
        edits,
    } = taken;
    let drawn = how.cluster.choose(request, call.random);
    let levels: Vec<&HeaderMutations> = drawn
        .weighted
        .map(|weighted| &weighted.headers)
        .into_iter()
        .chain(edits)
        .collect();
    let weighted_host = drawn
        .weighted
        .and_then(|weighted| weighted.host_rewrite.clone());
    let drawn = Str::from(drawn.name.as_ref());
    let path = match &how.path_rewrite {
        Some(rewrite) => rewrite.apply(&request.path, matched),
        None => request.path.clone(),
    };
    let rewritten = how
        .host_rewrite
        .as_ref()
        .and_then(|rewrite| rewrite.apply(request, None));
    let authority = weighted_host
        .map(|host| host.to_string())
        .or(rewritten)
        .unwrap_or_else(|| request.authority.clone());
    let forwarding = Forwarding {
        shares: shares(plane, &how.cluster, &drawn, call),
        drawn,
        timeout: how.timeouts.request,
        idle: how.timeouts.idle.flatten(),
        retries: retry.map(|policy| Retrying {
            retries: policy.retries,
            per_try: policy.per_try_timeout,
            on: policy.on,
            status_codes: policy.status_codes.clone(),
        }),
        path,
        mirrors: mirrors(plane, how, &authority, request, call),
        authority,
        request_headers: Some(headers::edited(&request.headers, &levels)),
        hash_keys: how.hash_policies.len(),
        not_found: how.cluster_not_found_status,
    };
    arrive(forwarding, walk)
}

fn mirrors(
    plane: &Plane,
    how: &Forward,
    authority: &str,
    request: &PlainRequest,
    call: &Call,
) -> Vec<Mirror> {
    let named = |cluster: &MirrorCluster| match cluster {
        MirrorCluster::Named(name) => Some(name.clone()),
        MirrorCluster::FromHeader(header) => {
            let mut headers = request.headers.iter();
            let found = headers.find(|(name, _)| *name == **header);
            found.map(|(_, value)| Str::from(value.as_str()))
        }
    };
    let each = how.mirrors.iter().filter_map(|mirror| {
        let name = named(&mirror.cluster)?;
        Some(Mirror {
            target: target(plane, &name, call),
            share: mirror.share,
            authority: if mirror.shadow_suffix {
                shadow_authority(authority)
            } else {
                authority.to_owned()
            },
        })
    });
    each.collect()
}

fn arrive(forwarding: Forwarding, walk: &mut Walk) -> End {
    let because = match forwarding.shares.as_slice() {
        [_] => "the route names it".to_owned(),
        several => {
            let all: Vec<String> = several
                .iter()
                .map(|share| format!("{} × {}", share.weight, share.target.cluster))
                .collect();
            format!("drawn of {}", all.join(", "))
        }
    };
    walk.step(Stage::Cluster, &forwarding.drawn, because);
    let policy = format!("{forwarding:?}");
    walk.step(Stage::Policy, "", policy);
    End::Forwarded(Box::new(forwarding))
}

fn shares(plane: &Plane, choice: &ClusterChoice, drawn: &Str, call: &Call) -> Vec<Share> {
    let share = |name: &Str, weight| Share {
        weight,
        target: target(plane, name, call),
    };
    match choice {
        ClusterChoice::Weighted(clusters) => clusters
            .clusters()
            .iter()
            .map(|each| share(&each.name, each.weight))
            .collect(),
        ClusterChoice::Named(_) | ClusterChoice::FromHeader(_) => vec![share(drawn, 1)],
    }
}

fn target(plane: &Plane, name: &Str, call: &Call) -> Target {
    let Some(cluster) = plane.cluster(name) else {
        return Target {
            cluster: name.clone(),
            exists: false,
            endpoints: Vec::new(),
        };
    };
    let mut endpoints = endpoints(cluster, call);
    endpoints.sort();
    Target {
        cluster: name.clone(),
        exists: true,
        endpoints,
    }
}

fn endpoints(cluster: &Arc<Cluster>, call: &Call) -> Vec<TargetEndpoint> {
    match &cluster.discovery {
        Discovery::OriginalDestination(original) => {
            let address = original.endpoint(call.destination);
            vec![chosen_by_client(cluster, address.to_string())]
        }
        Discovery::ByName(_) => vec![chosen_by_client(cluster, name_of(cluster, call))],
        Discovery::StrictDns(dns) | Discovery::LogicalDns(dns) => dns
            .hosts
            .iter()
            .map(|host| TargetEndpoint {
                priority: host.priority,
                address: format!("{}:{}", host.host, host.port),
                weight: host.weight,
                tls: tls_mode(cluster.transports.find(&host.match_metadata)),
            })
            .collect(),
        Discovery::Eds { .. } | Discovery::Static => cluster
            .endpoints
            .current()
            .endpoints()
            .map(|endpoint| TargetEndpoint {
                priority: endpoint.priority,
                address: endpoint.address.to_string(),
                weight: endpoint.weight,
                tls: tls_mode(&endpoint.transport),
            })
            .collect(),
    }
}

/// The name that the call is for, with a port.
fn name_of(cluster: &Cluster, call: &Call) -> String {
    match call.protocol {
        Protocol::Http | Protocol::Http2 => {
            let authority = call.request.authority.as_str();
            if without_port(authority) == authority {
                format!("{authority}:{}", cluster.default_port())
            } else {
                authority.to_owned()
            }
        }
        Protocol::Tcp => format!("{}:{}", call.server_name, call.destination.port()),
    }
}

fn chosen_by_client(cluster: &Cluster, address: String) -> TargetEndpoint {
    TargetEndpoint {
        priority: 0,
        address,
        weight: 1,
        tls: tls_mode(&cluster.transports.fallback),
    }
}

fn tls_mode(transport: &UpstreamTransport) -> UpstreamTlsMode {
    match transport.tls() {
        None => UpstreamTlsMode::Plaintext,
        Some(tls) => {
            let settings = tls.client.settings();
            UpstreamTlsMode::Tls {
                identity: settings.identity.clone().unwrap_or_default(),
                server_name: settings.sni.clone().unwrap_or_default(),
            }
        }
    }
}
