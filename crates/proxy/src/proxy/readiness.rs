//! Whether the proxy serves, with Envoy's names for what it does otherwise.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{ProxyHandle, lock};

/// How long what was first accepted may warm before the proxy calls itself ready nevertheless: a
/// gateway whose certificate is missing still serves its other listeners.
const WARM_UP: Duration = Duration::from_secs(5);

/// Since when config has been there, and whether the proxy has been ready since.
#[derive(Debug, Default)]
pub(crate) struct Readiness {
    pub(super) configured: Option<Instant>,
    pub(super) ready: bool,
}

/// What the proxy is doing, with Envoy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// Serving.
    Live,
    /// Finishing requests, taking no new ones.
    Draining,
    /// Without config.
    PreInitializing,
    /// Config has come and warms.
    Initializing,
}

impl ServerState {
    /// As in Envoy's `/ready`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "LIVE",
            Self::Draining => "DRAINING",
            Self::PreInitializing => "PRE_INITIALIZING",
            Self::Initializing => "INITIALIZING",
        }
    }
}

impl ProxyHandle {
    /// What the proxy is doing.
    pub fn state(&self) -> ServerState {
        if self.shared.draining.load(Ordering::Relaxed)
            || self.shared.health_failed.load(Ordering::Relaxed)
        {
            return ServerState::Draining;
        }
        let mut readiness = lock(&self.shared.readiness);
        if readiness.ready {
            return ServerState::Live;
        }
        let Some(configured) = readiness.configured else {
            return ServerState::PreInitializing;
        };
        let warm = !lock(&self.shared.live).is_warming_first();
        readiness.ready = warm || configured.elapsed() >= WARM_UP;
        if readiness.ready {
            ServerState::Live
        } else {
            ServerState::Initializing
        }
    }

    /// Whether the proxy serves.
    pub fn is_ready(&self) -> bool {
        self.state() == ServerState::Live
    }
}
