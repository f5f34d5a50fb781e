//! `/etc/resolv.conf`: which servers to ask and which domains are searched.

use std::net::{IpAddr, SocketAddr};

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// Servers, in order.
    pub servers: Vec<SocketAddr>,
    /// Search domains, in order, lower case, without a trailing dot.
    pub search: Vec<String>,
}

impl ResolvConf {
    /// Reads the text; lines that cannot be read are passed over, as the resolver does.
    pub fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    parsed
                        .servers
                        .extend(address.map(|address| SocketAddr::new(address, 53)));
                }
                // The last such line wins.
                Some("search" | "domain") => {
                    let domain = |word: &str| word.trim_end_matches('.').to_ascii_lowercase();
                    parsed.search = words.map(domain).collect();
                }
                _ => {}
            }
        }
        parsed
    }

    /// Removes the proxy's own address, which would make it ask itself.
    pub fn without(mut self, own: SocketAddr) -> Self {
        self.servers.retain(|server| *server != own);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_domains_are_read_and_the_rest_is_passed_over() {
        let text = "# made by hand\nnameserver 10.0.0.10\nnameserver nonsense\n\
                    search a.svc.cluster.local. SVC.cluster.local\noptions ndots:5\n\
                    nameserver fe80::1%eth0\nnameserver ::1 ; local\n";
        let parsed = ResolvConf::parse(text);
        let servers: Vec<_> = parsed.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.10:53", "[::1]:53"]);
        assert_eq!(parsed.search, ["a.svc.cluster.local", "svc.cluster.local"]);
        let own = "10.0.0.10:53".parse().expect("an address");
        assert_eq!(parsed.without(own).servers.len(), 1);
    }
}
