//! What to capture. Field names on the wire are those of istio-iptables' own configuration, so
//! that its recorded configurations can be read as they are.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

/// A setting that cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Not a port number.
    #[error("{setting}: {value:?} is not a port between 1 and 65535, nor `*`")]
    Port {
        /// Which setting.
        setting: &'static str,
        /// What it says.
        value: String,
    },
    /// Not an address range.
    #[error("{setting}: {value:?} is not an address range such as 10.0.0.0/8, nor `*`")]
    Range {
        /// Which setting.
        setting: &'static str,
        /// What it says.
        value: String,
    },
    /// A name with characters that a rule cannot hold.
    #[error("{setting}: {value:?} may only have letters, digits, `.`, `-` and `_`")]
    Word {
        /// Which setting.
        setting: &'static str,
        /// What it says.
        value: String,
    },
}

/// How inbound connections reach the proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum InterceptionMode {
    /// By destination address translation; the proxy sees itself as the destination.
    #[default]
    #[serde(rename = "REDIRECT", alias = "")]
    Redirect,
    /// Transparently; source and destination addresses stay.
    #[serde(rename = "TPROXY")]
    Tproxy,
}

/// A list of ports, or all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Every port (`*`).
    All,
    /// These ports; none when empty.
    List(Vec<u16>),
}

impl Default for Ports {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Ports {
    /// Reads `*` or a comma-separated list.
    pub fn parse(setting: &'static str, text: &str) -> Result<Self, ConfigError> {
        if text.trim() == "*" {
            return Ok(Self::All);
        }
        words(text)
            .map(|word| match word.parse::<u16>() {
                Ok(port) if port > 0 => Ok(port),
                _ => Err(ConfigError::Port {
                    setting,
                    value: word.to_owned(),
                }),
            })
            .collect::<Result<_, _>>()
            .map(Self::List)
    }
}

/// A list of address ranges, or all addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// Every address (`*`).
    All,
    /// These ranges; none when empty.
    List(Vec<IpNet>),
}

impl Default for Ranges {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Ranges {
    /// Reads `*` or a comma-separated list of ranges; a bare address is a range of one.
    pub fn parse(setting: &'static str, text: &str) -> Result<Self, ConfigError> {
        if text.trim() == "*" {
            return Ok(Self::All);
        }
        words(text)
            .map(|word| {
                word.parse::<IpNet>()
                    .or_else(|_| word.parse::<IpAddr>().map(IpNet::from))
                    .map_err(|_| ConfigError::Range {
                        setting,
                        value: word.to_owned(),
                    })
            })
            .collect::<Result<_, _>>()
            .map(Self::List)
    }
}

/// What to capture and what to leave alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "SCREAMING_SNAKE_CASE")]
pub struct Config {
    /// Where outbound connections go (15001).
    #[serde(deserialize_with = "port")]
    pub proxy_port: u16,
    /// Where inbound connections go (15006).
    #[serde(deserialize_with = "port")]
    pub inbound_capture_port: u16,
    /// Where tunnels arrive; never captured (15008).
    #[serde(deserialize_with = "port")]
    pub inbound_tunnel_port: u16,
    /// User ids of the proxy, whose own connections are exempt.
    #[serde(deserialize_with = "word_list")]
    pub proxy_uid: Vec<String>,
    /// Group ids of the proxy, exempt likewise.
    #[serde(deserialize_with = "word_list")]
    pub proxy_gid: Vec<String>,
    /// How inbound connections are captured.
    pub inbound_interception_mode: InterceptionMode,
    /// The packet mark of transparent interception.
    #[serde(deserialize_with = "number")]
    pub inbound_tproxy_mark: u32,
    /// The routing table of transparent interception.
    #[serde(deserialize_with = "number")]
    pub inbound_tproxy_route_table: u32,
    /// Inbound ports to capture.
    #[serde(deserialize_with = "ports")]
    pub inbound_ports_include: Ports,
    /// Inbound ports to leave alone when all are captured.
    #[serde(deserialize_with = "ports")]
    pub inbound_ports_exclude: Ports,
    /// Outbound ports to capture whatever their address.
    #[serde(deserialize_with = "ports")]
    pub outbound_ports_include: Ports,
    /// Outbound ports to leave alone.
    #[serde(deserialize_with = "ports")]
    pub outbound_ports_exclude: Ports,
    /// Outbound addresses to capture.
    #[serde(rename = "OUTBOUND_IPRANGES_INCLUDE", deserialize_with = "ranges")]
    pub outbound_ip_ranges_include: Ranges,
    /// Outbound addresses to leave alone.
    #[serde(rename = "OUTBOUND_IPRANGES_EXCLUDE", deserialize_with = "ranges")]
    pub outbound_ip_ranges_exclude: Ranges,
    /// Only connections of these groups are captured (`*`: of all).
    #[serde(deserialize_with = "word_list")]
    pub outbound_owner_groups_include: Vec<String>,
    /// Connections of these groups are not captured.
    #[serde(deserialize_with = "word_list")]
    pub outbound_owner_groups_exclude: Vec<String>,
    /// Interfaces of virtual machines, whose inbound traffic counts as outbound.
    #[serde(deserialize_with = "word_list")]
    pub kube_virt_interfaces: Vec<String>,
    /// Interfaces to leave alone.
    #[serde(deserialize_with = "word_list")]
    pub exclude_interfaces: Vec<String>,
    /// Whether IPv6 is captured as well.
    pub enable_inbound_ipv6: bool,
    /// Whether DNS queries go to the proxy's DNS server.
    pub redirect_dns: bool,
    /// Whether all DNS queries do, not only those to `dns_servers`.
    pub capture_all_dns: bool,
    /// The IPv4 name servers of the pod.
    pub dns_servers_v4: Vec<IpAddr>,
    /// The IPv6 name servers of the pod.
    pub dns_servers_v6: Vec<IpAddr>,
    /// Whether packets that belong to no known connection are dropped.
    pub drop_invalid: bool,
    /// The loopback range of the host.
    pub host_ipv4_loopback_cidr: IpNet,
}

/// The port of the proxy's DNS server.
pub(crate) const DNS_PORT: u16 = 15053;

impl Default for Config {
    fn default() -> Self {
        Self {
            proxy_port: 15001,
            inbound_capture_port: 15006,
            inbound_tunnel_port: 15008,
            proxy_uid: vec!["1337".to_owned()],
            proxy_gid: vec!["1337".to_owned()],
            inbound_interception_mode: InterceptionMode::Redirect,
            inbound_tproxy_mark: 1337,
            inbound_tproxy_route_table: 133,
            inbound_ports_include: Ports::default(),
            inbound_ports_exclude: Ports::default(),
            outbound_ports_include: Ports::default(),
            outbound_ports_exclude: Ports::default(),
            outbound_ip_ranges_include: Ranges::default(),
            outbound_ip_ranges_exclude: Ranges::default(),
            outbound_owner_groups_include: vec!["*".to_owned()],
            outbound_owner_groups_exclude: Vec::new(),
            kube_virt_interfaces: Vec::new(),
            exclude_interfaces: Vec::new(),
            enable_inbound_ipv6: false,
            redirect_dns: false,
            capture_all_dns: false,
            dns_servers_v4: Vec::new(),
            dns_servers_v6: Vec::new(),
            drop_invalid: false,
            host_ipv4_loopback_cidr: IpNet::new(IpAddr::from([127, 0, 0, 1]), 32)
                .expect("32 is a prefix length of IPv4"),
        }
    }
}

impl Config {
    /// Splits a comma-separated setting into words that are safe inside a rule.
    pub fn parse_words(setting: &'static str, text: &str) -> Result<Vec<String>, ConfigError> {
        words(text)
            .map(|word| {
                let safe = word == "*"
                    || word
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
                if safe {
                    Ok(word.to_owned())
                } else {
                    Err(ConfigError::Word {
                        setting,
                        value: word.to_owned(),
                    })
                }
            })
            .collect()
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    String::deserialize(deserializer)?
        .parse()
        .map_err(serde::de::Error::custom)
}

fn word_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Config::parse_words("list", &String::deserialize(deserializer)?)
        .map_err(serde::de::Error::custom)
}

fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ports, D::Error> {
    Ports::parse("ports", &String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

fn ranges<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Ranges, D::Error> {
    Ranges::parse("ranges", &String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_words_ports_and_ranges_are_refused_by_name() {
        assert_eq!(
            Ports::parse("ports", "80, 443"),
            Ok(Ports::List(vec![80, 443]))
        );
        assert!(Ports::parse("inbound ports", "0").is_err());
        assert!(Ranges::parse("outbound ranges", "10.0.0.0/33").is_err());
        let error = Config::parse_words("owner groups", "a;b").expect_err("not a word");
        assert!(error.to_string().starts_with("owner groups"), "{error}");
    }
}
