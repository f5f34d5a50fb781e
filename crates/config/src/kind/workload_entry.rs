//! `WorkloadEntry`: a workload outside the cluster; also the endpoints of a ServiceEntry.

use std::collections::BTreeMap;

use ferromesh_types::{Labels, Str};
use serde::Deserialize;

/// A workload with its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadEntry {
    /// An IP address, a host name (DNS resolution), or `unix:///path`.
    pub address: Str,
    /// Ports by the names of the service's ports.
    pub ports: BTreeMap<Str, u16>,
    /// Its labels.
    pub labels: Labels,
    /// The network that it is in.
    pub network: Str,
    /// `region/zone/subzone`.
    pub locality: Str,
    /// Its share among the endpoints; 0 counts as 1.
    pub weight: u32,
    /// The service account that it runs as.
    pub service_account: Str,
}
