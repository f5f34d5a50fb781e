//! What the results of checks mean for one endpoint. Pure.

use std::time::Duration;

use super::{HealthCheckSettings, Intervals};

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Well.
    Well,
    /// Well, but only to be used after others.
    Degraded,
    /// It answered that it is not well.
    Ill,
    /// It may be a passing failure.
    Unsure,
    /// It could not be asked, or gave no answer.
    Unreachable,
}

/// What is known of one endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) healthy: bool,
    checked: bool,
    good: u32,
    bad: u32,
    /// The last result speaks for a change that is not there yet.
    changing: bool,
}

impl Progress {
    /// Before the first check.
    pub(super) fn new(healthy: bool) -> Self {
        Self {
            healthy,
            checked: false,
            good: 0,
            bad: 0,
            changing: false,
        }
    }

    /// Takes a result in. True when the endpoint is healthy now and was not, or the other way.
    pub(super) fn note(&mut self, verdict: Verdict, settings: &HealthCheckSettings) -> bool {
        let before = self.healthy;
        match verdict {
            Verdict::Well | Verdict::Degraded => {
                self.bad = 0;
                if !self.healthy {
                    self.good += 1;
                    // The very first check decides at once, so that a start is quick.
                    self.healthy = !self.checked || self.good >= settings.healthy_threshold;
                }
                self.changing = !self.healthy;
            }
            Verdict::Ill | Verdict::Unsure | Verdict::Unreachable => {
                self.good = 0;
                if self.healthy {
                    self.bad += 1;
                    let enough = self.bad >= settings.unhealthy_threshold;
                    self.healthy = verdict != Verdict::Ill && !enough;
                }
                self.changing = self.healthy;
            }
        }
        self.checked = true;
        before != self.healthy
    }

    /// The wait before the next check. `traffic`: the cluster has had a connection.
    pub(super) fn wait(&self, intervals: &Intervals, traffic: bool) -> Duration {
        match (traffic, self.healthy, self.changing) {
            (false, true, false) => intervals.no_traffic_healthy,
            (false, ..) => intervals.no_traffic,
            (true, true, false) => intervals.healthy,
            // Failures have begun, but do not suffice yet.
            (true, true, true) => intervals.unhealthy_edge,
            (true, false, false) => intervals.unhealthy,
            (true, false, true) => intervals.healthy_edge,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::health_check::Question;

    fn settings() -> HealthCheckSettings {
        let seconds = Duration::from_secs;
        HealthCheckSettings {
            timeout: seconds(1),
            intervals: Intervals {
                healthy: seconds(1),
                healthy_edge: seconds(2),
                unhealthy: seconds(3),
                unhealthy_edge: seconds(4),
                no_traffic: seconds(5),
                no_traffic_healthy: seconds(6),
            },
            initial_jitter: Duration::ZERO,
            jitter: Duration::ZERO,
            jitter_percent: 0,
            unhealthy_threshold: 2,
            healthy_threshold: 3,
            port: None,
            question: Question::Tcp {
                send: Vec::new(),
                receive: Vec::new(),
            },
        }
    }

    fn healthy_after(verdicts: &[Verdict]) -> Vec<bool> {
        let settings = settings();
        let mut progress = Progress::new(false);
        verdicts
            .iter()
            .map(|verdict| {
                progress.note(*verdict, &settings);
                progress.healthy
            })
            .collect()
    }

    #[test]
    fn the_first_check_decides_at_once_later_ones_by_their_thresholds() {
        use Verdict::{Unreachable, Well};
        let verdicts = [Well, Unreachable, Unreachable, Well, Well, Well];
        let expected = [true, true, false, false, false, true];
        assert_eq!(healthy_after(&verdicts), expected);
        assert_eq!(healthy_after(&[Unreachable, Well]), [false, false]);
    }

    #[test]
    fn an_answer_that_says_ill_counts_at_once_and_an_unsure_one_by_the_threshold() {
        use Verdict::{Ill, Unsure, Well};
        assert_eq!(healthy_after(&[Well, Ill]), [true, false]);
        assert_eq!(healthy_after(&[Well, Unsure, Unsure]), [true, true, false]);
        assert_eq!(healthy_after(&[Well, Unsure, Well, Unsure]), [true; 4]);
    }

    #[test]
    fn the_wait_depends_on_where_the_endpoint_is_heading() {
        let settings = settings();
        let mut progress = Progress::new(false);
        let wait =
            |progress: &Progress, traffic| progress.wait(&settings.intervals, traffic).as_secs();
        progress.note(Verdict::Well, &settings);
        assert_eq!((wait(&progress, true), wait(&progress, false)), (1, 6));
        progress.note(Verdict::Unreachable, &settings);
        assert_eq!((wait(&progress, true), wait(&progress, false)), (4, 5));
        progress.note(Verdict::Unreachable, &settings);
        assert_eq!(wait(&progress, true), 3);
        progress.note(Verdict::Well, &settings);
        assert_eq!(wait(&progress, true), 2);
    }
}
