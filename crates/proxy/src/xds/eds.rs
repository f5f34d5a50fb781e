//! Endpoint assignments (EDS, static clusters) and the names of DNS clusters.

use std::collections::{HashMap, HashSet};
use std::mem::take;
use std::sync::Arc;
use std::time::Duration;

use ferromesh_proto::envoy::config::cluster::v3::cluster::{DnsLookupFamily, RefreshRate};
use ferromesh_proto::envoy::config::core::v3 as core;
use ferromesh_proto::envoy::config::core::v3::HealthStatus;
use ferromesh_proto::envoy::config::core::v3::address::Address as AddressKind;
use ferromesh_proto::envoy::config::endpoint::v3 as pb;
use ferromesh_proto::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use ferromesh_proto::google::protobuf::Duration as PbDuration;
use ferromesh_types::{Locality, Str};

use super::fields::{
    address, duration, locality, metadata_object, number, socket_port, tcp_only, text_member,
};
use super::refusal::{At, Refusal, nothing_left};
use super::{health_checks, matchers, subsets};
use crate::cluster::{
    Address, Endpoint, EndpointCounters, EndpointSet, Health, Refresh, SetSettings,
};
use crate::compiled::{Cluster, DnsFamily, DnsHost, DnsSettings};

/// Envoy's metadata namespace for transport socket matches.
const MATCH_NAMESPACE: &str = "envoy.transport_socket_match";

/// Envoy's default between two lookups.
const DNS_REFRESH: Duration = Duration::from_secs(5);

/// Compiles an assignment for `cluster`. Counters of endpoints that `previous` knows go on.
pub fn compile(
    mut value: pb::ClusterLoadAssignment,
    version: &str,
    cluster: &Cluster,
    previous: Option<&EndpointSet>,
) -> Result<EndpointSet, Refusal> {
    let counters = previous.map(EndpointSet::counters).unwrap_or_default();
    let mut settings = cluster.set_settings;
    policy(value.policy.take(), &mut settings).at("policy")?;
    let mut builder = Builder {
        cluster,
        counters,
        seen: HashSet::new(),
        endpoints: Vec::new(),
        locality_weights: HashMap::new(),
    };
    for (index, group) in take(&mut value.endpoints).into_iter().enumerate() {
        builder.locality(group).at_index("endpoints", index)?;
    }
    value.cluster_name = String::new();
    nothing_left(&value)?;
    Ok(EndpointSet::new(
        builder.endpoints,
        &builder.locality_weights,
        settings,
        version.into(),
    ))
}

fn policy(
    value: Option<pb::cluster_load_assignment::Policy>,
    settings: &mut SetSettings,
) -> Result<(), Refusal> {
    let Some(mut value) = value else {
        return Ok(());
    };
    if let Some(factor) = number(value.overprovisioning_factor.take()) {
        settings.overprovisioning = factor;
    }
    // As in Envoy the first category holds.
    let drop = take(&mut value.drop_overloads).into_iter().next();
    settings.drop_overload = drop
        .and_then(|drop| drop.drop_percentage)
        .map(matchers::fraction);
    value.endpoint_stale_after = None;
    nothing_left(&value)
}

struct Builder<'a> {
    cluster: &'a Cluster,
    counters: HashMap<Address, Arc<EndpointCounters>>,
    /// An address counts once, as in Envoy.
    seen: HashSet<Address>,
    endpoints: Vec<Arc<Endpoint>>,
    locality_weights: HashMap<(u32, Locality), u32>,
}

impl Builder<'_> {
    fn locality(&mut self, mut group: pb::LocalityLbEndpoints) -> Result<(), Refusal> {
        let place = locality(group.locality.take());
        let priority = take(&mut group.priority);
        check_priority(priority)?;
        let weight = number(group.load_balancing_weight.take()).unwrap_or(0);
        *self
            .locality_weights
            .entry((priority, place.clone()))
            .or_default() += weight;
        for (index, each) in take(&mut group.lb_endpoints).into_iter().enumerate() {
            self.endpoint(each, &place, priority)
                .at_index("lb_endpoints", index)?;
        }
        group.metadata = None;
        group.proximity = None;
        nothing_left(&group)
    }

    fn endpoint(
        &mut self,
        mut value: pb::LbEndpoint,
        place: &Locality,
        priority: u32,
    ) -> Result<(), Refusal> {
        let mut host = host(value.host_identifier.take())?;
        let address = address(host.address.take().as_ref()).at("endpoint.address")?;
        if !self.seen.insert(address.clone()) {
            return Ok(());
        }
        let metadata = value.metadata.take();
        let criteria = metadata_object(metadata.as_ref(), MATCH_NAMESPACE);
        let istio = metadata_object(metadata.as_ref(), "istio");
        self.endpoints.push(Arc::new(Endpoint {
            counters: self
                .counters
                .get(&address)
                .cloned()
                .unwrap_or_else(|| self.cluster.new_counters()),
            address,
            hostname: take(&mut host.hostname).into(),
            locality: place.clone(),
            priority,
            weight: number(value.load_balancing_weight.take())
                .unwrap_or(1)
                .max(1),
            health: health(value.health_status()),
            transport: Arc::clone(self.cluster.transports.find(&criteria)),
            workload: text_member(&istio, "workload"),
            metadata: metadata_object(metadata.as_ref(), subsets::NAMESPACE),
            check: health_checks::of_endpoint(host.health_check_config.take())
                .at("endpoint.health_check_config")?,
        }));
        value.health_status = 0;
        // The other family's address of the same endpoint; the first is enough to reach it.
        host.additional_addresses.clear();
        host.observability_name.clear();
        nothing_left(&host).at("endpoint")?;
        nothing_left(&value)
    }
}

/// Envoy's bound; each priority below the highest takes a place of its own.
fn check_priority(priority: u32) -> Result<(), Refusal> {
    const HIGHEST: u32 = 128;
    if priority > HIGHEST {
        let reason = format!("{priority} is above {HIGHEST}");
        return Err(Refusal::field("priority", reason));
    }
    Ok(())
}

fn host(identifier: Option<HostIdentifier>) -> Result<pb::Endpoint, Refusal> {
    match identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => Ok(endpoint),
        Some(HostIdentifier::EndpointName(_)) => {
            Err(Refusal::field("endpoint_name", "is not supported"))
        }
        None => Err(Refusal::field("endpoint", "is needed")),
    }
}

fn health(status: HealthStatus) -> Health {
    match status {
        HealthStatus::Unknown => Health::Unknown,
        HealthStatus::Healthy => Health::Healthy,
        HealthStatus::Draining => Health::Draining,
        HealthStatus::Degraded => Health::Degraded,
        HealthStatus::Unhealthy | HealthStatus::Timeout => Health::Unhealthy,
    }
}

/// The DNS fields of a cluster.
pub(super) struct DnsFields {
    pub(super) refresh: Option<PbDuration>,
    pub(super) failure: Option<RefreshRate>,
    pub(super) jitter: Option<PbDuration>,
    pub(super) respect_ttl: bool,
    pub(super) family: DnsLookupFamily,
}

/// Reads the names of a DNS cluster.
pub(super) fn dns(
    assignment: Option<pb::ClusterLoadAssignment>,
    fields: &DnsFields,
) -> Result<DnsSettings, Refusal> {
    let mut hosts = Vec::new();
    for (index, group) in assignment
        .unwrap_or_default()
        .endpoints
        .into_iter()
        .enumerate()
    {
        dns_locality(group, &mut hosts).at_index("endpoints", index)?;
    }
    if hosts.is_empty() {
        return Err(Refusal::new("a DNS cluster needs at least one endpoint"));
    }
    let refresh = match fields.refresh {
        Some(refresh) => duration(refresh).at("dns_refresh_rate")?,
        None => DNS_REFRESH,
    };
    Ok(DnsSettings {
        hosts,
        refresh: Refresh {
            regular: refresh.max(Duration::from_millis(1)),
            after_failure: fields.failure.map(failure_refresh).transpose()?,
        },
        jitter: match fields.jitter {
            Some(jitter) => duration(jitter).at("dns_jitter")?,
            None => Duration::ZERO,
        },
        respect_ttl: fields.respect_ttl,
        family: family(fields.family),
    })
}

/// Which addresses are wanted.
pub(super) fn family(value: DnsLookupFamily) -> DnsFamily {
    match value {
        DnsLookupFamily::Auto => DnsFamily::Auto,
        DnsLookupFamily::V4Only => DnsFamily::V4Only,
        DnsLookupFamily::V6Only => DnsFamily::V6Only,
        DnsLookupFamily::V4Preferred => DnsFamily::V4Preferred,
        DnsLookupFamily::All => DnsFamily::All,
    }
}

/// Envoy's longest wait after failures is ten times the first.
pub(super) fn failure_refresh(value: RefreshRate) -> Result<(Duration, Duration), Refusal> {
    let Some(base) = value.base_interval else {
        return Err(Refusal::field(
            "dns_failure_refresh_rate",
            "a base_interval is needed",
        ));
    };
    let base = duration(base).at("dns_failure_refresh_rate.base_interval")?;
    let most = match value.max_interval {
        Some(most) => duration(most).at("dns_failure_refresh_rate.max_interval")?,
        None => base * 10,
    };
    let least = Duration::from_millis(1);
    Ok((base.max(least), most.max(base).max(least)))
}

fn dns_locality(group: pb::LocalityLbEndpoints, hosts: &mut Vec<DnsHost>) -> Result<(), Refusal> {
    check_priority(group.priority)?;
    let place = locality(group.locality);
    let locality_weight = number(group.load_balancing_weight).unwrap_or(0);
    for (index, mut each) in group.lb_endpoints.into_iter().enumerate() {
        let mut endpoint = host(each.host_identifier.take()).at_index("lb_endpoints", index)?;
        let check = health_checks::of_endpoint(endpoint.health_check_config.take())
            .at("endpoint.health_check_config")
            .at_index("lb_endpoints", index)?;
        let (name, port) = dns_address(endpoint.address)
            .at("endpoint.address")
            .at_index("lb_endpoints", index)?;
        hosts.push(DnsHost {
            host: name,
            port,
            locality: place.clone(),
            priority: group.priority,
            weight: number(each.load_balancing_weight).unwrap_or(1).max(1),
            locality_weight,
            check,
            match_metadata: metadata_object(each.metadata.as_ref(), MATCH_NAMESPACE),
            metadata: metadata_object(each.metadata.as_ref(), subsets::NAMESPACE),
        });
    }
    Ok(())
}

fn dns_address(value: Option<core::Address>) -> Result<(Str, u16), Refusal> {
    match value.and_then(|address| address.address) {
        Some(AddressKind::SocketAddress(socket)) => {
            tcp_only(&socket).at("socket_address")?;
            let port = socket_port(&socket).at("socket_address")?;
            Ok((socket.address.into(), port))
        }
        _ => Err(Refusal::new("a DNS cluster needs socket addresses")),
    }
}
