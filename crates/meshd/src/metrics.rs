//! Counters under Istio's names, and their text form.
//!
//! The names are those that dashboards of Istio read; they have no `_total` at their end, which is why
//! this is not a metrics library.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ferromesh_model::Snapshot;
use ferromesh_proto::type_url;
use ferromesh_xds::server::Response;

/// Upper bounds in seconds, as Istio's.
const SECONDS: [f64; 11] = [0.01, 0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];

/// A count of durations by upper bound.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; SECONDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Histogram {
    fn record(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        for (bucket, bound) in self.buckets.iter().zip(SECONDS) {
            if seconds <= bound {
                bucket.fetch_add(1, Relaxed);
            }
        }
        self.count.fetch_add(1, Relaxed);
        self.micros.fetch_add(duration.as_micros() as u64, Relaxed);
    }

    fn write(&self, name: &str, help: &str, out: &mut String) {
        head(name, help, "histogram", out);
        for (bucket, bound) in self.buckets.iter().zip(SECONDS) {
            let _ = writeln!(
                out,
                "{name}_bucket{{le=\"{bound}\"}} {}",
                bucket.load(Relaxed)
            );
        }
        let count = self.count.load(Relaxed);
        let sum = self.micros.load(Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum {sum}\n{name}_count {count}");
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    proxies: AtomicU64,
    services: AtomicU64,
    virtual_services: AtomicU64,
    pushes: Mutex<BTreeMap<&'static str, u64>>,
    rejects: Mutex<BTreeMap<&'static str, u64>>,
    convergence: Histogram,
    queue: Histogram,
    csr: AtomicU64,
    csr_unreadable: AtomicU64,
    issued: AtomicU64,
    authentication_failures: AtomicU64,
    root_expiry: AtomicU64,
}

impl Metrics {
    /// How many proxies are connected.
    pub(crate) fn proxies(&self, count: usize) {
        self.proxies.store(count as u64, Relaxed);
    }

    /// A new snapshot.
    pub(crate) fn config(&self, snapshot: &Snapshot) {
        self.services
            .store(snapshot.services().len() as u64, Relaxed);
        let routes = snapshot.virtual_services().iter().count();
        self.virtual_services.store(routes as u64, Relaxed);
    }

    /// A response is on its way.
    pub(crate) fn sent(&self, response: &Response) {
        count(&self.pushes, short_type(&response.type_url));
    }

    /// A proxy rejected a response.
    pub(crate) fn rejected(&self, kind: &str) {
        count(&self.rejects, short_type(kind));
    }

    /// A change has been sent to a proxy this long after it was heard of.
    pub(crate) fn converged(&self, after: Duration) {
        self.convergence.record(after);
    }

    /// A push waited this long for its turn.
    pub(crate) fn queued(&self, waited: Duration) {
        self.queue.record(waited);
    }

    /// A certificate was asked for.
    pub(crate) fn csr(&self) {
        self.csr.fetch_add(1, Relaxed);
    }

    /// A certificate was asked for in a way that cannot be served.
    pub(crate) fn csr_unreadable(&self) {
        self.csr_unreadable.fetch_add(1, Relaxed);
    }

    /// A certificate was issued.
    pub(crate) fn issued(&self) {
        self.issued.fetch_add(1, Relaxed);
    }

    /// A caller was not believed.
    pub(crate) fn authentication_failure(&self) {
        self.authentication_failures.fetch_add(1, Relaxed);
    }

    /// When the signing certificate ends, in seconds since 1970.
    pub(crate) fn root_expiry(&self, at: i64) {
        self.root_expiry.store(at.max(0) as u64, Relaxed);
    }

    /// The Prometheus text form.
    pub(crate) fn text(&self) -> String {
        let mut out = String::with_capacity(4096);
        let version = env!("CARGO_PKG_VERSION");
        head(
            "istio_build",
            "The build of the control plane.",
            "gauge",
            &mut out,
        );
        let _ = writeln!(
            out,
            "istio_build{{component=\"pilot\",tag=\"{version}\"}} 1"
        );
        head("pilot_xds", "Connected proxies.", "gauge", &mut out);
        let proxies = self.proxies.load(Relaxed);
        let _ = writeln!(out, "pilot_xds{{version=\"{version}\"}} {proxies}");
        by_type(
            &self.pushes,
            "pilot_xds_pushes",
            "Responses sent.",
            &mut out,
        );
        by_type(
            &self.rejects,
            "pilot_total_xds_rejects",
            "Responses that proxies rejected.",
            &mut out,
        );
        self.convergence.write(
            "pilot_proxy_convergence_time",
            "Seconds from a change to its response being sent.",
            &mut out,
        );
        self.queue.write(
            "pilot_proxy_queue_time",
            "Seconds from a change to its push being begun.",
            &mut out,
        );
        for (name, help, kind, value) in self.plain() {
            head(name, help, kind, &mut out);
            let _ = writeln!(out, "{name} {}", value.load(Relaxed));
        }
        out
    }

    fn plain(&self) -> [(&'static str, &'static str, &'static str, &AtomicU64); 7] {
        [
            ("pilot_services", "Services known.", "gauge", &self.services),
            (
                "pilot_virt_services",
                "VirtualServices known.",
                "gauge",
                &self.virtual_services,
            ),
            (
                "citadel_server_csr_count",
                "Certificates asked for.",
                "counter",
                &self.csr,
            ),
            (
                "citadel_server_csr_parsing_err_count",
                "Requests for certificates that cannot be served.",
                "counter",
                &self.csr_unreadable,
            ),
            (
                "citadel_server_success_cert_issuance_count",
                "Certificates issued.",
                "counter",
                &self.issued,
            ),
            (
                "citadel_server_authentication_failure_count",
                "Callers that were not believed.",
                "counter",
                &self.authentication_failures,
            ),
            (
                "citadel_server_root_cert_expiry_timestamp",
                "When the signing certificate ends.",
                "gauge",
                &self.root_expiry,
            ),
        ]
    }
}

fn count(counts: &Mutex<BTreeMap<&'static str, u64>>, kind: &'static str) {
    *counts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .entry(kind)
        .or_default() += 1;
}

fn by_type(counts: &Mutex<BTreeMap<&'static str, u64>>, name: &str, help: &str, out: &mut String) {
    head(name, help, "counter", out);
    for (kind, value) in counts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let _ = writeln!(out, "{name}{{type=\"{kind}\"}} {value}");
    }
}

fn head(name: &str, help: &str, kind: &str, out: &mut String) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// The short name of a type, as `cds`.
pub(crate) fn short_type(kind: &str) -> &'static str {
    match kind {
        type_url::CLUSTER => "cds",
        type_url::ENDPOINT => "eds",
        type_url::LISTENER => "lds",
        type_url::ROUTE => "rds",
        type_url::SECRET => "sds",
        type_url::EXTENSION_CONFIG => "ecds",
        type_url::NAME_TABLE => "nds",
        type_url::PROXY_CONFIG => "pcds",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_istios_names_and_cumulative_buckets() {
        let metrics = Metrics::default();
        metrics.rejected(type_url::LISTENER);
        metrics.converged(Duration::from_millis(50));
        let text = metrics.text();
        assert!(
            text.contains("pilot_total_xds_rejects{type=\"lds\"} 1"),
            "{text}"
        );
        assert!(text.contains("pilot_proxy_convergence_time_bucket{le=\"0.01\"} 0"));
        assert!(text.contains("pilot_proxy_convergence_time_bucket{le=\"0.1\"} 1"));
        assert!(text.contains("pilot_proxy_convergence_time_bucket{le=\"+Inf\"} 1"));
    }
}
