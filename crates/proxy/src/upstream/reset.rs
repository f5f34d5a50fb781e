//! Why an exchange with an endpoint came to nothing, in Envoy's words.

use crate::access_log::ResponseFlags;

/// The reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetReason {
    /// The connection was refused, or TLS failed.
    RemoteConnectionFailure,
    /// No connection in time.
    ConnectionTimeout,
    /// The endpoint closed before the answer was complete.
    ConnectionTermination,
    /// The endpoint reset the stream.
    RemoteReset,
    /// The endpoint refused the stream without having looked at it.
    RemoteRefused,
    /// A circuit breaker was open.
    Overflow,
    /// The endpoint broke the protocol.
    ProtocolError,
    /// The request cannot be sent on.
    LocalReset,
}

impl ResetReason {
    /// As the answer's body writes it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::RemoteConnectionFailure => "remote connection failure",
            Self::ConnectionTimeout => "connection timeout",
            Self::ConnectionTermination => "connection termination",
            Self::RemoteReset => "remote reset",
            Self::RemoteRefused => "remote refused-stream reset",
            Self::Overflow => "overflow",
            Self::ProtocolError => "protocol error",
            Self::LocalReset => "local reset",
        }
    }

    /// The flag that goes with it.
    pub(crate) fn flag(self) -> ResponseFlags {
        match self {
            Self::RemoteConnectionFailure | Self::ConnectionTimeout => {
                ResponseFlags::UPSTREAM_CONNECTION_FAILURE
            }
            Self::ConnectionTermination => ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
            Self::RemoteReset | Self::RemoteRefused => ResponseFlags::UPSTREAM_REMOTE_RESET,
            Self::Overflow => ResponseFlags::UPSTREAM_OVERFLOW,
            Self::ProtocolError => ResponseFlags::UPSTREAM_PROTOCOL_ERROR,
            Self::LocalReset => ResponseFlags::LOCAL_RESET,
        }
    }

    /// Whether no connection came about.
    pub(crate) fn is_connect_failure(self) -> bool {
        matches!(
            self,
            Self::RemoteConnectionFailure | Self::ConnectionTimeout
        )
    }
}
