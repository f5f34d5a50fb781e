//! Who is ejected, for how long, and who comes back. Pure but for the endpoints' own marks: time and
//! randomness are parameters.

use std::sync::Arc;

use super::record::Window;
use super::{Cause, OutlierDetection};
use crate::cluster::{Endpoint, EndpointSet, HealthFlags};

/// One judgement: the members of the cluster, the time in milliseconds, a random source.
pub(super) struct Court<'a> {
    pub(super) detection: &'a OutlierDetection,
    pub(super) members: &'a EndpointSet,
    pub(super) now: u64,
    pub(super) random: &'a mut fastrand::Rng,
}

impl Court<'_> {
    /// Judges an endpoint that reached a limit. True when it was ejected.
    pub(super) fn suspect(&mut self, endpoint: &Arc<Endpoint>, cause: Cause) -> bool {
        if is_ejected(endpoint) {
            return false;
        }
        let ejected = self.judge(endpoint, cause);
        endpoint.counters.health.outlier.reset(cause);
        ejected
    }

    /// Looks at all members: who comes back, and whose rates are bad. True when anything changed.
    pub(super) fn review(&mut self) -> bool {
        let members: Vec<Arc<Endpoint>> = self.members.endpoints().cloned().collect();
        let mut changed = false;
        for endpoint in &members {
            changed |= self.release(endpoint);
        }
        let external = rates(&members, |endpoint| {
            endpoint.counters.health.outlier.external()
        });
        changed |= self.by_rates(&external, Cause::SuccessRate, Cause::FailurePercentage);
        if self.detection.settings.split {
            let local = rates(&members, |endpoint| {
                endpoint.counters.health.outlier.local()
            });
            let causes = (Cause::LocalSuccessRate, Cause::LocalFailurePercentage);
            changed |= self.by_rates(&local, causes.0, causes.1);
        }
        changed
    }

    /// Takes an endpoint back whose time is over. One that behaved since the last look is, at its
    /// next ejection, away for less.
    fn release(&self, endpoint: &Arc<Endpoint>) -> bool {
        let settings = &self.detection.settings;
        let record = &endpoint.counters.health.outlier;
        let mut ejection = record.ejection();
        if !is_ejected(endpoint) {
            ejection.steps = ejection.steps.saturating_sub(1);
            return false;
        }
        let base = settings.base_ejection.as_millis() as u64;
        let longest = settings.max_ejection.as_millis() as u64;
        let span = (base * u64::from(ejection.steps)).min(longest) + ejection.jitter;
        if self.now.saturating_sub(ejection.at) < span {
            return false;
        }
        drop(ejection);
        readmit(endpoint)
    }

    fn by_rates(&mut self, rates: &[Rate], success: Cause, failure: Cause) -> bool {
        let settings = &self.detection.settings;
        let rule = settings.success_rate;
        let mut bad: Vec<(Arc<Endpoint>, Cause)> = Vec::new();
        let judged = enough(rates, rule.request_volume, rule.minimum_hosts);
        if let Some(threshold) = threshold(&judged, rule.deviations) {
            let below = judged.iter().filter(|rate| rate.success < threshold);
            bad.extend(below.map(|rate| (Arc::clone(&rate.endpoint), success)));
        }
        let rule = settings.failure_percentage;
        let judged = enough(rates, rule.request_volume, rule.minimum_hosts);
        let above = judged
            .iter()
            .filter(|rate| 100.0 - rate.success >= f64::from(rule.threshold));
        bad.extend(above.map(|rate| (Arc::clone(&rate.endpoint), failure)));
        let mut changed = false;
        for (endpoint, cause) in bad {
            if !is_ejected(&endpoint) {
                changed |= self.judge(&endpoint, cause);
            }
        }
        changed
    }

    fn judge(&mut self, endpoint: &Arc<Endpoint>, cause: Cause) -> bool {
        let settings = &self.detection.settings;
        let stats = &self.detection.stats;
        stats.detected(cause);
        let active = ejected(self.members);
        let share = 100 * (active + 1) as u32 / (self.members.total as u32).max(1);
        let first = settings.always_one && active == 0;
        if !first && share > settings.max_percent {
            stats.ejections_overflow().inc();
            return false;
        }
        if self.random.u32(0..100) >= settings.enforcing.of(cause) {
            return false;
        }
        let record = &endpoint.counters.health.outlier;
        let mut ejection = record.ejection();
        let base = settings.base_ejection.as_millis() as u64;
        let longest = settings.max_ejection.as_millis() as u64;
        if u64::from(ejection.steps) * base < longest + base {
            ejection.steps += 1;
        }
        ejection.at = self.now;
        let most = settings.jitter.as_millis() as u64;
        ejection.jitter = self.random.u64(0..=most);
        drop(ejection);
        endpoint.counters.health.set(HealthFlags::FAILED_OUTLIER);
        stats.enforced(cause);
        true
    }
}

/// Lets an ejected endpoint take traffic again; true when it was ejected.
pub(super) fn readmit(endpoint: &Endpoint) -> bool {
    let health = &endpoint.counters.health;
    health.outlier.reset_all();
    health.clear(HealthFlags::FAILED_OUTLIER)
}

/// How many members are ejected.
pub(super) fn ejected(members: &EndpointSet) -> usize {
    members.endpoints().filter(|each| is_ejected(each)).count()
}

fn is_ejected(endpoint: &Endpoint) -> bool {
    let flags = endpoint.counters.health.flags();
    flags.intersects(HealthFlags::FAILED_OUTLIER)
}

/// How an endpoint did since the last look.
#[derive(Clone)]
struct Rate {
    endpoint: Arc<Endpoint>,
    requests: u32,
    /// In percent.
    success: f64,
}

fn rates(members: &[Arc<Endpoint>], window: impl Fn(&Endpoint) -> &Window) -> Vec<Rate> {
    let all = members.iter().map(|endpoint| {
        let (good, requests) = window(endpoint).take();
        Rate {
            endpoint: Arc::clone(endpoint),
            requests,
            success: 100.0 * f64::from(good) / f64::from(requests.max(1)),
        }
    });
    all.filter(|rate| rate.requests > 0 && !is_ejected(&rate.endpoint))
        .collect()
}

/// Those with enough requests, if they are enough.
fn enough(rates: &[Rate], volume: u32, hosts: u32) -> Vec<Rate> {
    let busy: Vec<Rate> = rates
        .iter()
        .filter(|rate| rate.requests >= volume)
        .cloned()
        .collect();
    if busy.len() < hosts as usize {
        return Vec::new();
    }
    busy
}

/// The success rate below which one is an outlier: so many standard deviations below the mean.
fn threshold(rates: &[Rate], deviations: f64) -> Option<f64> {
    if rates.is_empty() {
        return None;
    }
    let count = rates.len() as f64;
    let mean = rates.iter().map(|rate| rate.success).sum::<f64>() / count;
    let variance = rates
        .iter()
        .map(|rate| (rate.success - mean).powi(2))
        .sum::<f64>()
        / count;
    Some(mean - deviations * variance.sqrt())
}
