//! What the agent needs of a data plane, whichever it is.

use futures_util::future::BoxFuture;

/// A running data plane, ours or a stock Envoy.
pub trait DataPlaneControl: Send + Sync {
    /// Whether it can serve traffic; otherwise why not, in words for whoever looks at the probe.
    fn ready(&self) -> BoxFuture<'_, Result<(), String>>;

    /// Its metrics in Prometheus text format; an error is told in the log of the scrape.
    fn metrics(&self) -> BoxFuture<'_, Result<String, String>>;

    /// Stops taking new work and lets go of idle connections, without waiting.
    fn drain(&self) -> BoxFuture<'_, ()>;
}
