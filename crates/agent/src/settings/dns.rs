//! The DNS proxy.

use std::net::SocketAddr;
use std::time::Duration;

use super::environment::wrong;
use super::{Environment, Role, SettingsError};

/// Settings of the DNS proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsSettings {
    /// Where it listens, UDP and TCP.
    pub listen: SocketAddr,
    /// Ask all servers at once instead of one after the other.
    pub parallel: bool,
    /// How long one server has to answer.
    pub timeout: Duration,
}

impl DnsSettings {
    /// On for sidecars unless switched off; gateways make no lookups for applications.
    pub(super) fn read(
        environment: &Environment,
        role: Role,
    ) -> Result<Option<Self>, SettingsError> {
        if !environment.flag("ISTIO_META_DNS_CAPTURE", role == Role::Sidecar)? {
            return Ok(None);
        }
        const NAME: &str = "DNS_PROXY_ADDR";
        let text = environment.text(NAME, "localhost:15053");
        let numeric = text.replace("localhost", "127.0.0.1");
        let listen = numeric
            .parse()
            .map_err(|_| wrong(NAME, &text, "address:port"))?;
        Ok(Some(Self {
            listen,
            parallel: environment.flag("DNS_FORWARD_PARALLEL", false)?,
            timeout: environment.duration("DNS_FORWARD_TIMEOUT", Duration::from_secs(5))?,
        }))
    }
}
