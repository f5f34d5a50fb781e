//! Figures, their ratios, and how they are shown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::case::Case;
use super::peer::Peer;
use crate::spread::Spread;

/// What `proxy.json` holds.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// One row per case.
    pub rows: Vec<Row>,
}

/// One case.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub case: &'static str,
    /// Figures by peer.
    pub peers: BTreeMap<&'static str, Figures>,
    /// Our CPU time divided by a peer's in the same round.
    pub ratios: BTreeMap<&'static str, Spread>,
    /// Latencies without a proxy, where they were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direct: Option<Latency>,
}

/// One peer in one case.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// CPU microseconds per request; per MiB for bulk bytes.
    pub cpu_us: Spread,
    /// At 1,000 requests a second, where the case has a fixed rate.
    pub p50_ms: Option<f64>,
    /// The same.
    pub p99_ms: Option<f64>,
    /// Memory after the load; in the case of 1,000 connections, while they are idle.
    pub rss_mib: f64,
}

/// Latencies.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half.
    pub p50_ms: f64,
    /// All but one in a hundred.
    pub p99_ms: f64,
}

impl Latency {
    /// The middle of each over the rounds.
    pub fn median(rounds: &[Self]) -> Option<Self> {
        let middle = |part: fn(&Self) -> f64| Some(Spread::of(rounds.iter().map(part))?.median);
        Some(Self {
            p50_ms: middle(|round| round.p50_ms)?,
            p99_ms: middle(|round| round.p99_ms)?,
        })
    }
}

impl Row {
    /// What one request in a hundred waits longer through us than without a proxy, divided by what it
    /// waits longer through Envoy.
    fn added_wait(&self) -> Option<f64> {
        let without = self.direct?.p99_ms;
        let added = |peer: Peer| Some(self.peers.get(peer.name())?.p99_ms? - without);
        let (ours, theirs) = (added(Peer::Ferromesh)?, added(Peer::Envoy)?);
        (theirs > 0.0).then(|| ours.max(0.0) / theirs)
    }

    /// Our memory divided by Envoy's.
    fn memory(&self) -> Option<f64> {
        let resident = |peer: Peer| Some(self.peers.get(peer.name())?.rss_mib);
        Some(resident(Peer::Ferromesh)? / resident(Peer::Envoy)?)
    }
}

/// Prints a row with its ratios and targets. Returns how many targets are met and missed.
pub fn print(case: &Case, row: &Row) -> (usize, usize) {
    println!("{}", case.name);
    for (peer, figures) in &row.peers {
        let Spread { min, median, max } = figures.cpu_us;
        let latency = match (figures.p50_ms, figures.p99_ms) {
            (Some(p50), Some(p99)) => format!("{p50:7.2} {p99:7.2}"),
            _ => "      –       –".to_owned(),
        };
        let rss = figures.rss_mib;
        println!("  {peer:<10} {min:8.1} {median:8.1} {max:8.1}   {latency} {rss:8.1}");
    }
    if let Some(direct) = row.direct {
        println!(
            "  {:<38}{:7.2} {:7.2}",
            "no proxy", direct.p50_ms, direct.p99_ms
        );
    }
    let (mut met, mut missed) = (0, 0);
    let mut judge = |value: f64, target: Option<f64>| match target {
        Some(most) if value <= most => {
            met += 1;
            format!("target {most:.2}: met")
        }
        Some(most) => {
            missed += 1;
            format!("target {most:.2}: MISSED")
        }
        None => String::new(),
    };
    for (peer, Spread { min, median, max }) in &row.ratios {
        let target = case.targets.iter().find(|(other, _)| other.name() == *peer);
        let verdict = judge(*median, target.map(|(_, most)| *most));
        println!("  ÷ {peer:<8} {min:8.2} {median:8.2} {max:8.2}   {verdict}");
    }
    let base = case.name == "http1-64B";
    if let Some(ratio) = row.added_wait() {
        let verdict = judge(ratio, base.then_some(ADDED_WAIT));
        println!("  added p99 ÷ envoy {ratio:10.2}            {verdict}");
    }
    if let Some(ratio) = row.memory().filter(|_| case.name == "http1-1000c") {
        let verdict = judge(ratio, Some(IDLE_MEMORY));
        println!("  RSS ÷ envoy {ratio:16.2}            {verdict}");
    }
    (met, missed)
}

/// Upper bounds beside Envoy: what one request in a hundred waits longer than without a proxy, and
/// the memory with 1,000 idle connections.
const ADDED_WAIT: f64 = 0.5;
const IDLE_MEMORY: f64 = 0.3;

/// Our figures divided by each peer's, round by round.
pub fn ratios(rounds: &[(Peer, Vec<f64>)]) -> BTreeMap<&'static str, Spread> {
    let ours = rounds.iter().find(|(peer, _)| *peer == Peer::Ferromesh);
    let Some((_, ours)) = ours else {
        return BTreeMap::new();
    };
    let others = rounds.iter().filter(|(peer, _)| *peer != Peer::Ferromesh);
    others
        .filter_map(|(peer, theirs)| {
            let each = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs);
            Some((peer.name(), Spread::of(each)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(waits: [(Peer, f64); 2], without: f64) -> Row {
        let peers = waits.map(|(peer, p99_ms)| {
            let figures = Figures {
                cpu_us: Spread::of([1.0]).expect("a value"),
                p50_ms: Some(0.0),
                p99_ms: Some(p99_ms),
                rss_mib: if peer == Peer::Envoy { 100.0 } else { 25.0 },
            };
            (peer.name(), figures)
        });
        Row {
            case: "http1-64B",
            peers: peers.into(),
            ratios: BTreeMap::new(),
            direct: Some(Latency {
                p50_ms: 0.0,
                p99_ms: without,
            }),
        }
    }

    #[test]
    fn waits_and_memory_are_compared_with_envoys() {
        let row =
            |ours, envoys, without| row([(Peer::Ferromesh, ours), (Peer::Envoy, envoys)], without);
        assert_eq!(row(3.0, 9.0, 1.0).added_wait(), Some(0.25));
        assert_eq!(row(0.5, 9.0, 1.0).added_wait(), Some(0.0), "noise");
        assert_eq!(row(3.0, 0.5, 1.0).added_wait(), None, "nothing to compare");
        assert_eq!(row(3.0, 9.0, 1.0).memory(), Some(0.25));
    }

    #[test]
    fn latencies_are_the_middle_of_the_rounds() {
        let rounds = [(1.0, 9.0), (3.0, 2.0), (2.0, 3.0)];
        let rounds = rounds.map(|(p50_ms, p99_ms)| Latency { p50_ms, p99_ms });
        let middle = Latency::median(&rounds).expect("three rounds");
        assert_eq!((middle.p50_ms, middle.p99_ms), (2.0, 3.0));
        assert!(Latency::median(&[]).is_none());
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let rounds = [
            (Peer::Ferromesh, vec![10.0, 30.0, 20.0]),
            (Peer::Envoy, vec![100.0, 100.0, 100.0]),
        ];
        let ratios = ratios(&rounds);
        let expected = Spread {
            min: 0.1,
            median: 0.2,
            max: 0.3,
        };
        assert_eq!(ratios["envoy"], expected);
    }
}
