//! The end of a process that serves: no request may be lost by it.
//!
//! After SIGTERM, those who send us traffic learn of it only some time later. Listeners therefore
//! stay open while every answer says that the connection ends (`connection: close`, GOAWAY), until
//! nobody has connected for a while, or half of the time is over; then they close, and what is in
//! flight ends. A process that was replaced by a successor only has to finish what is open.

use std::time::Duration;

use ferromesh_proxy::ProxyHandle;
use ferromesh_runtime::terminated_or_interrupted;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

/// Listeners close when nobody has connected for this long: clients that look for endpoints anew
/// have heard by then that we are leaving.
const QUIET: Duration = Duration::from_secs(1);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// As good as for ever.
const NO_LIMIT: Duration = Duration::from_hours(365 * 24);

/// How long leaving may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    /// Listeners stay open for this long at least.
    minimum: Duration,
    /// Connections that are open after this are cut.
    limit: Duration,
}

impl Leaving {
    /// As soon as nothing is in flight, at most after `limit`.
    pub(crate) fn within(limit: Duration) -> Self {
        Self {
            minimum: Duration::ZERO,
            limit,
        }
    }

    /// When the last connection has ended, but not before `minimum`.
    pub(crate) fn without_limit(minimum: Duration) -> Self {
        Self {
            minimum,
            limit: NO_LIMIT,
        }
    }

    /// Leaves. `replaced` is the time that a successor gives us; it serves already. A second signal
    /// cuts it short.
    pub(crate) async fn leave(self, proxy: &ProxyHandle, replaced: Option<Duration>) {
        let limit = replaced.unwrap_or(self.limit);
        let (open, _) = proxy.connections();
        info!(?limit, open, "leaving: draining first");
        let end = Instant::now() + limit;
        proxy.begin_drain();
        let draining = async {
            if replaced.is_none() {
                // Clients that connect without end must not take the time of what is in flight.
                let half = end - limit / 2;
                let _ = timeout_at(half, self.quiet(proxy)).await;
            }
            proxy
                .drain(end.saturating_duration_since(Instant::now()))
                .await;
        };
        tokio::select! {
            () = draining => info!("drained"),
            _ = terminated_or_interrupted() => warn!("told to leave at once"),
        }
    }

    /// Resolves when nobody has connected for a while.
    async fn quiet(self, proxy: &ProxyHandle) {
        let begun = Instant::now();
        let (_, mut accepted) = proxy.connections();
        let mut since = begun;
        while since.elapsed() < QUIET || begun.elapsed() < self.minimum {
            sleep(LOOK).await;
            let (_, now) = proxy.connections();
            if now != accepted {
                (accepted, since) = (now, Instant::now());
            }
        }
    }
}
