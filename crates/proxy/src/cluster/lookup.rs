//! One lookup of a name: the addresses of the wanted family; and when the next one is due.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tracing::debug;

use crate::compiled::DnsFamily;

/// How often a name is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Between two lookups.
    pub regular: Duration,
    /// After failures: the first wait and the longest; `None` waits as always.
    pub after_failure: Option<(Duration, Duration)>,
}

impl Refresh {
    /// The wait before the next lookup, after so many that failed in a row.
    pub(super) fn wait(&self, failures: u32) -> Duration {
        match self.after_failure {
            Some((first, longest)) if failures > 0 => {
                let factor = 2_u32.saturating_pow((failures - 1).min(16));
                first.saturating_mul(factor).min(longest)
            }
            _ => self.regular,
        }
    }
}

/// The addresses of `host`, with `port`; an error says why there are none. An address is its own
/// answer.
pub(super) async fn lookup(
    host: &str,
    port: u16,
    family: DnsFamily,
) -> Result<Vec<SocketAddr>, String> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    match tokio::net::lookup_host((host, port)).await {
        Ok(addresses) => Ok(of_family(addresses.collect(), family)),
        Err(error) => {
            debug!(%host, %error, "name lookup failed");
            Err(error.to_string())
        }
    }
}

fn of_family(addresses: Vec<SocketAddr>, family: DnsFamily) -> Vec<SocketAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(SocketAddr::is_ipv4);
    match family {
        DnsFamily::V4Only => v4,
        DnsFamily::V6Only => v6,
        DnsFamily::V4Preferred if !v4.is_empty() => v4,
        DnsFamily::V4Preferred => v6,
        DnsFamily::Auto if !v6.is_empty() => v6,
        DnsFamily::Auto => v4,
        DnsFamily::All => v4.into_iter().chain(v6).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_followed_by_longer_and_longer_waits() {
        let seconds = Duration::from_secs;
        let mut refresh = Refresh {
            regular: seconds(3600),
            after_failure: None,
        };
        assert_eq!(refresh.wait(3), refresh.regular);
        refresh.after_failure = Some((seconds(1), seconds(5)));
        let waits = [0, 1, 2, 3, 4].map(|failures| refresh.wait(failures).as_secs());
        assert_eq!(waits, [3600, 1, 2, 4, 5]);
    }

    #[test]
    fn the_wanted_family_is_kept() {
        let v4: SocketAddr = "10.0.0.1:80".parse().expect("an address");
        let v6: SocketAddr = "[::1]:80".parse().expect("an address");
        for (family, expected) in [
            (DnsFamily::V4Only, vec![v4]),
            (DnsFamily::V6Only, vec![v6]),
            (DnsFamily::V4Preferred, vec![v4]),
            (DnsFamily::Auto, vec![v6]),
            (DnsFamily::All, vec![v4, v6]),
        ] {
            assert_eq!(of_family(vec![v4, v6], family), expected);
        }
    }
}
