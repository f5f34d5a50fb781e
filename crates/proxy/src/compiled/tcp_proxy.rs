//! The compiled TCP proxy filter.

use std::sync::Arc;
use std::time::Duration;

use ferromesh_route::{ClusterChoice, EndpointMatch, HeaderMutations, Template};
use ferromesh_types::Str;

use crate::access_log::AccessLog;
use crate::stats::TcpStats;

/// Sends a connection's bytes to a cluster.
#[derive(Debug)]
pub struct TcpProxy {
    /// Prefix of its numbers.
    pub stat_prefix: Str,
    /// Where to.
    pub cluster: ClusterChoice,
    /// Which of its endpoints, where it has subsets.
    pub endpoint_match: Option<Arc<EndpointMatch>>,
    /// Time without a byte in either direction; `None` is without limit. Envoy's default is 1 h.
    pub idle_timeout: Option<Duration>,
    /// The connection's whole life.
    pub max_duration: Option<Duration>,
    /// By how many percent at most `max_duration` is lengthened at random, so that connections that
    /// began together do not end together.
    pub max_duration_jitter: f64,
    /// How often a connection is tried, at least once.
    pub max_connect_attempts: u32,
    /// Pause between tries; `None` tries again at once.
    pub backoff: Option<ConnectBackoff>,
    /// The request that carries the bytes; `None` sends them as they are.
    pub tunnel: Option<Tunneling>,
    /// Whether the client's address is hashed for consistent-hash clusters.
    pub hash_source_ip: bool,
    /// Written when the connection ends.
    pub access_logs: Vec<Arc<AccessLog>>,
    /// Its numbers.
    pub stats: TcpStats,
}

impl TcpProxy {
    /// How long a connection may live; `None` is without limit.
    pub fn life(&self, random: &mut fastrand::Rng) -> Option<Duration> {
        let limit = self.max_duration?;
        Some(limit.mul_f64(1.0 + random.f64() * self.max_duration_jitter / 100.0))
    }
}

/// A request that carries the bytes of a connection through an HTTP proxy.
#[derive(Clone, Debug)]
pub struct Tunneling {
    /// Its authority: where the proxy is to connect to.
    pub hostname: Template,
    /// The path of a POST; `None` makes it a CONNECT.
    pub post: Option<Str>,
    /// Fields of its head.
    pub headers: HeaderMutations,
}

/// Growing pauses between tries to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectBackoff {
    /// Bound of the first pause.
    pub base: Duration,
    /// Bound of every pause.
    pub most: Duration,
}

impl ConnectBackoff {
    /// The pause before try number `attempt`, the first one after a failure being 1: anything up to
    /// a bound that doubles each time.
    pub fn pause(&self, attempt: u32, random: &mut fastrand::Rng) -> Duration {
        let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let bound = self.base.saturating_mul(doubled).min(self.most);
        bound.mul_f64(random.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_their_bound() {
        let backoff = ConnectBackoff {
            base: Duration::from_millis(10),
            most: Duration::from_millis(25),
        };
        let mut random = fastrand::Rng::with_seed(1);
        for (attempt, bound) in [(1, 10), (2, 20), (3, 25), (u32::MAX, 25)] {
            let longest = (0..1000).map(|_| backoff.pause(attempt, &mut random)).max();
            let longest = longest.expect("some");
            let bound = Duration::from_millis(bound);
            assert!(
                longest <= bound && longest > bound.mul_f64(0.9),
                "{longest:?}"
            );
        }
    }
}
