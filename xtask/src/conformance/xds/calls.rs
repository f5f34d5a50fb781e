//! Calls that two states of one proxy give rise to: every listener, filter chain and route that
//! either mentions, and near misses.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ferromesh_simulate::recording::keyed;
use ferromesh_simulate::{Call, Direction, Protocol, Tls};
use serde_json::Value;

use super::requests::{self, concrete, list};

/// An address that no service has.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
/// A server name that nobody asks for.
const UNKNOWN_NAME: &str = "unknown.example";
/// Requests that are sent over each of the less likely connections of a chain.
const FEW: usize = 2;

/// The calls; each once.
pub(super) fn of(states: [&Value; 2], node: &Value) -> Vec<Call> {
    let mut all = Calls::default();
    let own = own_address(node);
    for state in states {
        let tables = keyed(&state["routes"], "name");
        for listener in list(&state["listeners"]) {
            let chains = list(&listener["filterChains"]);
            let rest = Some(&listener["defaultFilterChain"]).filter(|chain| chain.is_object());
            for chain in chains.chain(rest) {
                let ways = ways(listener, chain, &states, own);
                let asked = asked(chain, &tables);
                for (at, way) in ways.iter().enumerate() {
                    let take = if at == 0 { asked.len() } else { FEW };
                    for request in asked.iter().take(take) {
                        let mut call = way.clone();
                        call.request = request.clone();
                        all.add(call);
                    }
                }
            }
        }
    }
    all.list
}

#[derive(Default)]
struct Calls {
    seen: HashSet<String>,
    list: Vec<Call>,
}

impl Calls {
    fn add(&mut self, call: Call) {
        if self.seen.insert(format!("{call:?}")) {
            self.list.push(call);
        }
    }
}

/// One line about a call.
pub(super) fn describe(call: &Call) -> String {
    let request = &call.request;
    let direction = match call.direction {
        Direction::Inbound => "in",
        Direction::Outbound => "out",
    };
    let name = match call.server_name.as_str() {
        "" => String::new(),
        name => format!(" for {name}"),
    };
    let protocols = call.application_protocols.iter().flatten();
    let protocols: String = protocols.map(|protocol| format!(" {protocol}")).collect();
    format!(
        "{direction} {} {:?} {:?}{name}{protocols} from {}, {} {}{} {:?}",
        call.destination,
        call.tls,
        call.protocol,
        call.source.ip(),
        request.method,
        request.authority,
        request.path,
        request.headers
    )
}

fn own_address(node: &Value) -> IpAddr {
    let id = node["id"].as_str().unwrap_or_default();
    let address = id
        .split('~')
        .nth(1)
        .and_then(|address| address.parse().ok());
    address.unwrap_or(ELSEWHERE)
}

/// The requests that a chain's routes ask for.
fn asked(
    chain: &Value,
    tables: &std::collections::BTreeMap<String, Value>,
) -> Vec<ferromesh_route::request::PlainRequest> {
    for filter in list(&chain["filters"]) {
        let config = &filter["typedConfig"];
        if config["routeConfig"].is_object() {
            return requests::of_table(&config["routeConfig"]);
        }
        let named = config["rds"]["routeConfigName"].as_str();
        if let Some(table) = named.and_then(|name| tables.get(name)) {
            return requests::of_table(table);
        }
    }
    requests::of_table(&Value::Null)
}

/// Connections to a chain: the first is the most likely one, the others vary it.
fn ways(listener: &Value, chain: &Value, states: &[&Value; 2], own: IpAddr) -> Vec<Call> {
    let matcher = &chain["filterChainMatch"];
    let mut ways = Vec::new();
    let sources = sources(matcher);
    let names = server_names(matcher);
    for destination in destinations(listener, matcher, states, own) {
        for source in &sources {
            for name in &names {
                for (tls, protocol, offered) in spoken(matcher) {
                    let mut call = Call::http(destination, "", "");
                    if listener["trafficDirection"] == "INBOUND" {
                        call.direction = Direction::Inbound;
                    }
                    call.source = SocketAddr::new(*source, 40_000);
                    call.tls = tls;
                    call.protocol = protocol;
                    call.application_protocols = offered;
                    if tls != Tls::Plaintext {
                        call.server_name.clone_from(name);
                    }
                    ways.push(call);
                }
            }
        }
    }
    ways
}

fn destinations(
    listener: &Value,
    matcher: &Value,
    states: &[&Value; 2],
    own: IpAddr,
) -> Vec<SocketAddr> {
    let socket = &listener["address"]["socketAddress"];
    let bound: IpAddr = parse(&socket["address"]).unwrap_or(ELSEWHERE);
    let mut addresses: Vec<IpAddr> = list(&matcher["prefixRanges"])
        .filter_map(|range| parse(&range["addressPrefix"]))
        .collect();
    if listener["trafficDirection"] == "INBOUND" {
        addresses.push(own);
    } else if !bound.is_unspecified() {
        addresses.push(bound);
    }
    for more in list(&listener["additionalAddresses"]) {
        addresses.extend(parse(&more["address"]["socketAddress"]["address"]));
    }
    addresses.push(ELSEWHERE);
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    let bound_port = port(&socket["portValue"]).unwrap_or(0);
    let ports = match port(&matcher["destinationPort"]) {
        Some(asked) => vec![asked, bound_port],
        None if is_capture(listener) => known_ports(states),
        None => vec![bound_port, bound_port.saturating_add(1)],
    };
    let mut all = Vec::new();
    for port in ports {
        for address in &addresses {
            all.push(SocketAddr::new(*address, port));
        }
    }
    all
}

/// Whether redirected connections to any port come here.
fn is_capture(listener: &Value) -> bool {
    listener["name"]
        .as_str()
        .is_some_and(|name| name.starts_with("virtual"))
}

/// The ports of all listeners and inbound chains, and one that nobody has.
fn known_ports(states: &[&Value; 2]) -> Vec<u16> {
    let mut ports = vec![7];
    for listener in states.iter().flat_map(|state| list(&state["listeners"])) {
        let chains = list(&listener["filterChains"]);
        let asked = chains.map(|chain| &chain["filterChainMatch"]["destinationPort"]);
        let own = &listener["address"]["socketAddress"]["portValue"];
        for port in asked.chain([own]) {
            ports.extend(port.as_u64().and_then(|port| u16::try_from(port).ok()));
        }
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn sources(matcher: &Value) -> Vec<IpAddr> {
    let named = ["sourcePrefixRanges", "directSourcePrefixRanges"];
    let ranges = named.iter().flat_map(|key| list(&matcher[*key]));
    let mut sources: Vec<IpAddr> = ranges
        .filter_map(|range| parse(&range["addressPrefix"]))
        .collect();
    sources.push(IpAddr::V4(Ipv4Addr::new(10, 255, 0, 1)));
    sources
}

fn server_names(matcher: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for name in list(&matcher["serverNames"]).filter_map(Value::as_str) {
        names.push(concrete(name));
        names.push(format!("near.{}", name.trim_start_matches("*.")));
        names.push(name.trim_start_matches("*.").to_owned());
    }
    names.push(UNKNOWN_NAME.to_owned());
    names
}

/// How a connection speaks, the likely ways for this chain first.
fn spoken(matcher: &Value) -> Vec<(Tls, Protocol, Option<Vec<String>>)> {
    let mut ways = Vec::new();
    let asks_tls = matcher["transportProtocol"] == "tls" || matcher["serverNames"].is_array();
    let protocols: Vec<&str> = list(&matcher["applicationProtocols"])
        .filter_map(Value::as_str)
        .collect();
    if asks_tls {
        for protocol in &protocols {
            let offered = Some(vec![(*protocol).to_owned()]);
            let spoken = match *protocol {
                "h2" | "istio-h2" => Protocol::Http2,
                "istio" | "istio-peer-exchange" => Protocol::Tcp,
                _ => Protocol::Http,
            };
            ways.push((Tls::Mutual, spoken, offered.clone()));
            ways.push((Tls::Tls, spoken, offered));
        }
        ways.extend([
            (Tls::Tls, Protocol::Http, None),
            (Tls::Mutual, Protocol::Http, None),
        ]);
    }
    for tls in [Tls::Plaintext, Tls::Tls, Tls::Mutual] {
        for protocol in [Protocol::Http, Protocol::Http2, Protocol::Tcp] {
            ways.push((tls, protocol, None));
        }
    }
    ways
}

fn parse(address: &Value) -> Option<IpAddr> {
    address.as_str()?.parse().ok()
}
