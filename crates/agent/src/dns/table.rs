//! The name table, prepared for lookups.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ferromesh_proto::istio::nds::NameTable;
use ferromesh_proto::istio::nds::name_table::NameInfo;

/// Names to addresses. Keys are lower case, without a trailing dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameIndex {
    hosts: HashMap<String, Addresses>,
    search: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Addresses {
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
}

/// A name that the mesh knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup<'a> {
    /// Set when the name was found only without a search domain: what it really is.
    pub canonical: Option<&'a str>,
    /// IPv4 addresses.
    pub v4: &'a [Ipv4Addr],
    /// IPv6 addresses.
    pub v6: &'a [Ipv6Addr],
}

impl NameIndex {
    /// Prepares a table for a pod in `namespace` with the search domains of its resolver.
    pub fn new(table: &NameTable, namespace: &str, search: &[String]) -> Self {
        let mut hosts: HashMap<String, Addresses> = HashMap::new();
        for (host, entry) in &table.table {
            let addresses = addresses(entry);
            for name in spellings(host, entry, namespace) {
                hosts.insert(name, addresses.clone());
            }
        }
        Self {
            hosts,
            search: search.to_vec(),
        }
    }

    /// How many spellings are known.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// All spellings with their addresses, for whoever looks for a mistake.
    pub fn to_json(&self) -> serde_json::Value {
        let texts = |addresses: &Addresses| -> Vec<String> {
            let v4 = addresses.v4.iter().map(ToString::to_string);
            v4.chain(addresses.v6.iter().map(ToString::to_string))
                .collect()
        };
        let hosts = self
            .hosts
            .iter()
            .map(|(name, found)| (name.clone(), texts(found).into()));
        serde_json::Value::Object(hosts.collect())
    }

    /// Looks a name up: as it is, by wildcards from the longest to the shortest, and without a
    /// search domain that the resolver may have added. `name` is lower case and has no final dot.
    pub fn find<'a>(&'a self, name: &'a str) -> Option<Lookup<'a>> {
        if let Some(found) = self.find_as_is(name) {
            return Some(lookup(found, None));
        }
        let stripped = self.search.iter().filter_map(|domain| {
            let rest = name.strip_suffix(domain.as_str())?.strip_suffix('.')?;
            Some((rest, self.find_as_is(rest)?))
        });
        stripped
            .map(|(rest, found)| lookup(found, Some(rest)))
            .next()
    }

    fn find_as_is(&self, name: &str) -> Option<&Addresses> {
        if let Some(found) = self.hosts.get(name) {
            return Some(found);
        }
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(found) = self.hosts.get(&format!("*.{parent}")) {
                return Some(found);
            }
            rest = parent;
        }
        None
    }
}

fn lookup<'a>(found: &'a Addresses, canonical: Option<&'a str>) -> Lookup<'a> {
    Lookup {
        canonical,
        v4: &found.v4,
        v6: &found.v6,
    }
}

fn addresses(entry: &NameInfo) -> Addresses {
    let mut addresses = Addresses::default();
    for text in &entry.ips {
        match text.parse() {
            Ok(IpAddr::V4(address)) => addresses.v4.push(address),
            Ok(IpAddr::V6(address)) => addresses.v6.push(address),
            // The control plane may know addresses of other kinds, such as Unix sockets.
            Err(_) => {}
        }
    }
    addresses
}

/// The ways in which a pod may write a host: Kubernetes services also have their short forms, the
/// shortest one only in their own namespace.
fn spellings(host: &str, entry: &NameInfo, own_namespace: &str) -> Vec<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let (name, namespace) = (&entry.shortname, &entry.namespace);
    let mut spellings = Vec::new();
    if entry.registry == "Kubernetes" && !name.is_empty() {
        if namespace == own_namespace {
            spellings.push(name.to_ascii_lowercase());
        }
        spellings.push(format!("{name}.{namespace}").to_ascii_lowercase());
        spellings.push(format!("{name}.{namespace}.svc").to_ascii_lowercase());
    }
    spellings.extend(entry.alt_hosts.iter().map(|host| host.to_ascii_lowercase()));
    spellings.push(host);
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ips: &[&str], name: &str, namespace: &str) -> NameInfo {
        NameInfo {
            ips: ips.iter().map(|ip| (*ip).to_owned()).collect(),
            registry: if name.is_empty() {
                "External"
            } else {
                "Kubernetes"
            }
            .to_owned(),
            shortname: name.to_owned(),
            namespace: namespace.to_owned(),
            alt_hosts: Vec::new(),
        }
    }

    fn index() -> NameIndex {
        let table = NameTable {
            table: [
                (
                    "web.shop.svc.cluster.local",
                    entry(&["10.0.0.1"], "web", "shop"),
                ),
                (
                    "db.data.svc.cluster.local",
                    entry(&["10.0.0.2", "fd00::2"], "db", "data"),
                ),
                ("*.example.com", entry(&["240.240.0.1"], "", "")),
                ("api.example.com", entry(&["240.240.0.2"], "", "")),
            ]
            .map(|(host, entry)| (host.to_owned(), entry))
            .into(),
        };
        let search = [
            "shop.svc.cluster.local",
            "svc.cluster.local",
            "cluster.local",
        ];
        NameIndex::new(&table, "shop", &search.map(str::to_owned))
    }

    fn first(index: &NameIndex, name: &str) -> Option<String> {
        let found = index.find(name)?;
        Some(found.v4.first()?.to_string())
    }

    #[test]
    fn kubernetes_names_have_short_forms_the_shortest_only_at_home() {
        let index = index();
        for name in [
            "web",
            "web.shop",
            "web.shop.svc",
            "web.shop.svc.cluster.local",
        ] {
            assert_eq!(first(&index, name).as_deref(), Some("10.0.0.1"), "{name}");
        }
        assert_eq!(first(&index, "db.data").as_deref(), Some("10.0.0.2"));
        assert_eq!(first(&index, "db"), None);
    }

    #[test]
    fn an_exact_name_wins_over_a_wildcard() {
        let index = index();
        assert_eq!(
            first(&index, "api.example.com").as_deref(),
            Some("240.240.0.2")
        );
        assert_eq!(
            first(&index, "a.b.example.com").as_deref(),
            Some("240.240.0.1")
        );
        assert_eq!(first(&index, "example.com"), None);
    }

    #[test]
    fn a_search_domain_is_cut_off_and_the_real_name_told() {
        let index = index();
        let found = index
            .find("api.example.com.shop.svc.cluster.local")
            .expect("found");
        assert_eq!(found.canonical, Some("api.example.com"));
        assert_eq!(index.find("nobody.org.shop.svc.cluster.local"), None);
    }
}
