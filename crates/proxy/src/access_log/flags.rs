//! Response flags: why a request did not go as it should.

/// A set of flags with Envoy's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseFlags(u32);

/// Bit, short name, long name; in the order in which Envoy writes them for requests
/// (it writes them as they are set, and the retry limit is looked at first; see `joined`).
const NAMES: [(ResponseFlags, &str, &str); 26] = [
    (ResponseFlags::DROP_OVERLOAD, "DO", "DropOverload"),
    (
        ResponseFlags::RETRY_LIMIT_EXCEEDED,
        "URX",
        "UpstreamRetryLimitExceeded",
    ),
    (
        ResponseFlags::FAILED_LOCAL_HEALTH_CHECK,
        "LH",
        "FailedLocalHealthCheck",
    ),
    (
        ResponseFlags::NO_HEALTHY_UPSTREAM,
        "UH",
        "NoHealthyUpstream",
    ),
    (
        ResponseFlags::UPSTREAM_REQUEST_TIMEOUT,
        "UT",
        "UpstreamRequestTimeout",
    ),
    (ResponseFlags::LOCAL_RESET, "LR", "LocalReset"),
    (
        ResponseFlags::UPSTREAM_REMOTE_RESET,
        "UR",
        "UpstreamRemoteReset",
    ),
    (
        ResponseFlags::UPSTREAM_CONNECTION_FAILURE,
        "UF",
        "UpstreamConnectionFailure",
    ),
    (
        ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
        "UC",
        "UpstreamConnectionTermination",
    ),
    (ResponseFlags::UPSTREAM_OVERFLOW, "UO", "UpstreamOverflow"),
    (ResponseFlags::NO_ROUTE, "NR", "NoRouteFound"),
    (ResponseFlags::DELAY_INJECTED, "DI", "DelayInjected"),
    (ResponseFlags::FAULT_INJECTED, "FI", "FaultInjected"),
    (ResponseFlags::RATE_LIMITED, "RL", "RateLimited"),
    (
        ResponseFlags::UNAUTHORIZED,
        "UAEX",
        "UnauthorizedExternalService",
    ),
    (
        ResponseFlags::RATE_LIMIT_ERROR,
        "RLSE",
        "RateLimitServiceError",
    ),
    (
        ResponseFlags::DOWNSTREAM_TERMINATION,
        "DC",
        "DownstreamConnectionTermination",
    ),
    (
        ResponseFlags::STREAM_IDLE_TIMEOUT,
        "SI",
        "StreamIdleTimeout",
    ),
    (
        ResponseFlags::INVALID_ENVOY_HEADERS,
        "IH",
        "InvalidEnvoyRequestHeaders",
    ),
    (
        ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR,
        "DPE",
        "DownstreamProtocolError",
    ),
    (
        ResponseFlags::MAX_STREAM_DURATION,
        "UMSDR",
        "UpstreamMaxStreamDurationReached",
    ),
    (
        ResponseFlags::NO_FILTER_CONFIG,
        "NFCF",
        "NoFilterConfigFound",
    ),
    (ResponseFlags::DURATION_TIMEOUT, "DT", "DurationTimeout"),
    (
        ResponseFlags::UPSTREAM_PROTOCOL_ERROR,
        "UPE",
        "UpstreamProtocolError",
    ),
    (ResponseFlags::NO_CLUSTER, "NC", "NoClusterFound"),
    (
        ResponseFlags::DNS_RESOLUTION_FAILED,
        "DF",
        "DnsResolutionFailed",
    ),
];

impl ResponseFlags {
    /// LH
    pub const FAILED_LOCAL_HEALTH_CHECK: Self = Self(1);
    /// UH: no usable endpoint.
    pub const NO_HEALTHY_UPSTREAM: Self = Self(1 << 1);
    /// UT: no complete answer in time.
    pub const UPSTREAM_REQUEST_TIMEOUT: Self = Self(1 << 2);
    /// LR: the proxy reset the stream.
    pub const LOCAL_RESET: Self = Self(1 << 3);
    /// UR: upstream reset the stream.
    pub const UPSTREAM_REMOTE_RESET: Self = Self(1 << 4);
    /// UF: no connection upstream.
    pub const UPSTREAM_CONNECTION_FAILURE: Self = Self(1 << 5);
    /// UC: upstream closed the connection.
    pub const UPSTREAM_CONNECTION_TERMINATION: Self = Self(1 << 6);
    /// UO: a circuit breaker was open.
    pub const UPSTREAM_OVERFLOW: Self = Self(1 << 7);
    /// NR: no route, or no filter chain.
    pub const NO_ROUTE: Self = Self(1 << 8);
    /// DI
    pub const DELAY_INJECTED: Self = Self(1 << 9);
    /// FI
    pub const FAULT_INJECTED: Self = Self(1 << 10);
    /// RL
    pub const RATE_LIMITED: Self = Self(1 << 11);
    /// UAEX
    pub const UNAUTHORIZED: Self = Self(1 << 12);
    /// RLSE
    pub const RATE_LIMIT_ERROR: Self = Self(1 << 13);
    /// DC: the client went away.
    pub const DOWNSTREAM_TERMINATION: Self = Self(1 << 14);
    /// URX: all retries (or connect attempts) were used.
    pub const RETRY_LIMIT_EXCEEDED: Self = Self(1 << 15);
    /// SI: the stream idle timeout.
    pub const STREAM_IDLE_TIMEOUT: Self = Self(1 << 16);
    /// IH
    pub const INVALID_ENVOY_HEADERS: Self = Self(1 << 17);
    /// DPE: the client broke the protocol.
    pub const DOWNSTREAM_PROTOCOL_ERROR: Self = Self(1 << 18);
    /// UMSDR
    pub const MAX_STREAM_DURATION: Self = Self(1 << 19);
    /// NFCF
    pub const NO_FILTER_CONFIG: Self = Self(1 << 20);
    /// DT: the connection or stream reached its greatest age.
    pub const DURATION_TIMEOUT: Self = Self(1 << 21);
    /// UPE: upstream broke the protocol.
    pub const UPSTREAM_PROTOCOL_ERROR: Self = Self(1 << 22);
    /// NC: the route's cluster does not exist.
    pub const NO_CLUSTER: Self = Self(1 << 23);
    /// DO: the control plane wanted the request dropped.
    pub const DROP_OVERLOAD: Self = Self(1 << 24);

    /// DF: the name of the request has no address.
    pub const DNS_RESOLUTION_FAILED: Self = Self(1 << 25);

    /// Adds `other`.
    pub fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether all of `other` is set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set.
    pub fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The flag with this short name.
    pub fn named(short: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(_, name, _)| *name == short)
            .map(|(flag, _, _)| *flag)
    }

    /// Short names, separated by commas; empty without flags.
    pub fn short(self) -> String {
        self.joined(|(_, short, _)| short)
    }

    /// Long names, separated by commas; empty without flags.
    pub fn long(self) -> String {
        self.joined(|(_, _, long)| long)
    }

    fn joined(self, name: fn(&(Self, &'static str, &'static str)) -> &'static str) -> String {
        let set = NAMES.iter().filter(|(flag, _, _)| self.contains(*flag));
        set.map(name).collect::<Vec<_>>().join(",")
    }

    /// As a TCP proxy writes them, which finds out last that there were enough tries.
    pub(super) fn of_connection(self, name: fn(Self) -> String) -> String {
        let limit = Self::RETRY_LIMIT_EXCEEDED;
        let others = Self(self.0 & !limit.0);
        if self == others || others.is_empty() {
            return name(self);
        }
        format!("{},{}", name(others), name(limit))
    }
}

impl std::ops::BitOr for ResponseFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_written_in_a_fixed_order() {
        let flags =
            ResponseFlags::RETRY_LIMIT_EXCEEDED | ResponseFlags::UPSTREAM_CONNECTION_FAILURE;
        assert_eq!(flags.short(), "URX,UF");
        assert_eq!(ResponseFlags::default().short(), "");
        assert_eq!(ResponseFlags::named("NR"), Some(ResponseFlags::NO_ROUTE));
    }
}
