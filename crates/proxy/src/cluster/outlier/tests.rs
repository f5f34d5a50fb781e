//! Ejections over a made-up time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::decide::{Court, ejected};
use super::{Cause, Finding, OutlierDetection, OutlierSettings};
use crate::cluster::lb::{LbPolicy, PickContext, pick};
use crate::cluster::{Endpoint, EndpointCounters, EndpointSet, Health, HealthFlags, SetSettings};
use crate::compiled::UpstreamTransport;
use crate::stats::{OutlierStats, Stats};

fn members(count: u8) -> EndpointSet {
    let endpoint = |number| {
        Arc::new(Endpoint {
            address: std::net::SocketAddr::from(([10, 0, 0, number], 80)).into(),
            hostname: "".into(),
            locality: ferromesh_types::Locality::default(),
            priority: 0,
            weight: 1,
            health: Health::Unknown,
            transport: Arc::new(UpstreamTransport::Raw),
            workload: "".into(),
            metadata: serde_json::Map::new(),
            check: None,
            counters: Arc::new(EndpointCounters::default()),
        })
    };
    let settings = SetSettings {
        heeds: HealthFlags::FAILED_OUTLIER,
        panic_threshold: 0,
        ..SetSettings::default()
    };
    let endpoints = (1..=count).map(endpoint).collect();
    EndpointSet::new(endpoints, &HashMap::new(), settings, "1".into())
}

struct Trial {
    detection: OutlierDetection,
    members: EndpointSet,
    random: fastrand::Rng,
}

impl Trial {
    fn new(count: u8, settings: OutlierSettings) -> Self {
        let stats = OutlierStats::new(&Stats::new(1), "cluster.c.outlier_detection.");
        Self {
            detection: OutlierDetection::new(settings, stats),
            members: members(count),
            random: fastrand::Rng::with_seed(3),
        }
    }

    fn endpoint(&self, index: usize) -> Arc<Endpoint> {
        Arc::clone(self.members.endpoints().nth(index).expect("there is one"))
    }

    /// Tells `times` findings, and judges as the watching task would.
    fn tell(&mut self, index: usize, finding: Finding, times: u32, now: u64) {
        let endpoint = self.endpoint(index);
        for _ in 0..times {
            let record = &endpoint.counters.health.outlier;
            if let Some(cause) = record.note(finding, &self.detection.settings) {
                self.court(now).suspect(&endpoint, cause);
            }
        }
        self.members = self.members.rebuilt();
    }

    fn court(&mut self, now: u64) -> Court<'_> {
        Court {
            detection: &self.detection,
            members: &self.members,
            now,
            random: &mut self.random,
        }
    }

    fn review(&mut self, now: u64) {
        self.court(now).review();
        self.members = self.members.rebuilt();
    }

    fn ejected(&self) -> usize {
        ejected(&self.members)
    }
}

fn half() -> OutlierSettings {
    OutlierSettings {
        max_percent: 50,
        ..OutlierSettings::default()
    }
}

#[test]
fn five_bad_answers_in_a_row_eject_and_a_good_one_between_does_not() {
    let mut trial = Trial::new(4, half());
    trial.tell(0, Finding::Answer(500), 4, 0);
    trial.tell(0, Finding::Answer(200), 1, 0);
    trial.tell(0, Finding::Answer(500), 4, 0);
    assert_eq!(trial.ejected(), 0);
    trial.tell(0, Finding::Failed, 1, 0);
    assert_eq!(trial.ejected(), 1);
    assert_eq!(trial.members.usable, 3);
    assert_eq!(trial.detection.stats.enforced_consecutive_5xx().value(), 1);
}

#[test]
fn each_ejection_lasts_longer_than_the_one_before_up_to_the_longest() {
    let settings = OutlierSettings {
        base_ejection: Duration::from_secs(30),
        max_ejection: Duration::from_secs(75),
        ..half()
    };
    let mut trial = Trial::new(4, settings);
    let mut now = 0;
    for seconds in [30, 60, 75, 75] {
        trial.tell(0, Finding::Answer(503), 5, now);
        assert_eq!(trial.ejected(), 1);
        trial.review(now + seconds * 1000 - 1);
        assert_eq!(trial.ejected(), 1, "{seconds} s are not over");
        now += seconds * 1000;
        trial.review(now);
        assert_eq!(trial.ejected(), 0, "{seconds} s are over");
    }
    // Good behaviour shortens the next one.
    for _ in 0..4 {
        trial.review(now);
    }
    trial.tell(0, Finding::Answer(503), 5, now);
    trial.review(now + 30_000);
    assert_eq!(trial.ejected(), 0);
}

#[test]
fn no_more_than_the_percentage_is_ejected_but_one_always_where_that_is_said() {
    let mut trial = Trial::new(4, OutlierSettings::default());
    trial.tell(0, Finding::Answer(500), 5, 0);
    assert_eq!(trial.ejected(), 0, "one of four is more than 10 %");
    assert_eq!(trial.detection.stats.ejections_overflow().value(), 1);
    let settings = OutlierSettings {
        always_one: true,
        ..OutlierSettings::default()
    };
    let mut trial = Trial::new(4, settings);
    for index in 0..4 {
        trial.tell(index, Finding::Answer(500), 5, 0);
    }
    assert_eq!(trial.ejected(), 1);
}

#[test]
fn a_cause_that_is_not_enforced_is_only_counted() {
    let mut trial = Trial::new(4, half());
    trial.detection.settings.enforcing.consecutive_5xx = 0;
    trial.tell(0, Finding::Answer(500), 5, 0);
    assert_eq!(trial.ejected(), 0);
    assert_eq!(trial.detection.stats.detected_consecutive_5xx().value(), 1);
}

#[test]
fn failures_of_our_own_count_apart_where_they_are_split() {
    let settings = OutlierSettings {
        split: true,
        ..half()
    };
    let mut trial = Trial::new(4, settings);
    trial.tell(0, Finding::Answer(500), 4, 0);
    trial.tell(0, Finding::Failed, 4, 0);
    assert_eq!(trial.ejected(), 0);
    trial.tell(0, Finding::Failed, 1, 0);
    assert_eq!(trial.ejected(), 1);
    assert_eq!(trial.detection.stats.enforced_local().value(), 1);
}

#[test]
fn a_success_rate_far_below_the_others_ejects() {
    let mut trial = Trial::new(5, half());
    trial.detection.settings.consecutive_5xx = u32::MAX;
    for index in 0..5 {
        let bad = if index == 4 { 50 } else { 1 };
        trial.tell(index, Finding::Answer(500), bad, 0);
        trial.tell(index, Finding::Answer(200), 150 - bad, 0);
    }
    trial.review(0);
    assert_eq!(trial.ejected(), 1);
    let flags = trial.endpoint(4).counters.health.flags();
    assert!(flags.intersects(HealthFlags::FAILED_OUTLIER));
    assert_eq!(trial.detection.stats.enforced_success_rate().value(), 1);
}

#[test]
fn a_failure_percentage_ejects_where_it_is_enforced() {
    let mut trial = Trial::new(5, half());
    trial.detection.settings.consecutive_5xx = u32::MAX;
    trial.detection.settings.enforcing.success_rate = 0;
    trial.detection.settings.enforcing.failure_percentage = 100;
    for index in 0..5 {
        let bad = if index < 2 { 60 } else { 20 };
        trial.tell(index, Finding::Answer(500), bad, 0);
        trial.tell(index, Finding::Answer(200), 60 - bad, 0);
    }
    trial.review(0);
    assert_eq!(trial.ejected(), 2);
}

#[test]
fn an_ejected_endpoint_gets_no_traffic_until_it_is_back() {
    let mut trial = Trial::new(2, half());
    let picks = |trial: &Trial| {
        let mut random = fastrand::Rng::with_seed(1);
        let mut context = PickContext::new(&mut random);
        let bad = trial.endpoint(0);
        (0..100)
            .filter_map(|_| pick(&trial.members, LbPolicy::RoundRobin, &mut context))
            .filter(|picked| picked.address == bad.address)
            .count()
    };
    assert_eq!(picks(&trial), 50);
    trial.tell(0, Finding::Answer(500), 5, 0);
    assert_eq!(picks(&trial), 0);
    trial.review(30_000);
    assert_eq!(picks(&trial), 50);
}

#[test]
fn two_limits_at_once_name_the_one_that_ejects() {
    let mut trial = Trial::new(4, half());
    trial.detection.settings.enforcing.consecutive_5xx = 0;
    trial.detection.settings.enforcing.consecutive_gateway = 100;
    let endpoint = trial.endpoint(0);
    let record = &endpoint.counters.health.outlier;
    let told: Vec<_> = (0..5)
        .filter_map(|_| record.note(Finding::Answer(503), &trial.detection.settings))
        .collect();
    assert_eq!(told, [Cause::ConsecutiveGateway]);
    assert!(trial.court(0).suspect(&endpoint, told[0]));
}
