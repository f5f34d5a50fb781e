//! Figures, their ratios, and how they are shown.

use std::collections::BTreeMap;

use ferromesh_bench::traffic::rate::Latencies;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::case::Case;
use super::peer::Peer;
use crate::spread::{Spread, lower_quarter};

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
    #[serde(serialize_with = "all_fields", flatten)]
    pub latency: Option<Latency>,
    /// Memory after the load; in the case of 1,000 connections, while they are idle.
    pub rss_mib: f64,
}

/// Writes `null` for each field where there is nothing.
fn all_fields<S: Serializer>(latency: &Option<Latency>, to: S) -> Result<S::Ok, S::Error> {
    let mut fields = to.serialize_map(None)?;
    fields.serialize_entry("p50_ms", &latency.map(|latency| latency.p50_ms))?;
    fields.serialize_entry("p99_ms", &latency.map(|latency| latency.p99_ms))?;
    fields.serialize_entry("p99_all_ms", &latency.map(|latency| latency.p99_all_ms))?;
    fields.end()
}

/// Latencies out of many short looks. Where the machine's host does something else for ten milliseconds,
/// a look's slowest requests tell of that alone, and so may most looks: what counts is the quietest
/// quarter of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half of the requests, in the quietest quarter of the looks.
    pub p50_ms: f64,
    /// All but one in a hundred, in the quietest quarter of the looks.
    pub p99_ms: f64,
    /// All but one in a hundred, in the middle of all looks.
    pub p99_all_ms: f64,
}

impl Latency {
    /// Of at least one look.
    pub fn of(looks: &[Latencies]) -> Option<Self> {
        let p99 = || looks.iter().map(|look| look.p99_ms);
        Some(Self {
            p50_ms: lower_quarter(looks.iter().map(|look| look.p50_ms))?,
            p99_ms: lower_quarter(p99())?,
            p99_all_ms: Spread::of(p99())?.median,
        })
    }

    fn shown(&self) -> String {
        let Self {
            p50_ms,
            p99_ms,
            p99_all_ms,
        } = self;
        format!("{p50_ms:7.2} {p99_ms:7.2} {p99_all_ms:8.2}")
    }
}

impl Row {
    /// What one request in a hundred waits longer through us than without a proxy, divided by what it
    /// waits longer through Envoy.
    fn added_wait(&self) -> Option<f64> {
        let without = self.direct?.p99_ms;
        let added = |peer: Peer| Some(self.peers.get(peer.name())?.latency?.p99_ms - without);
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
        let none = || format!("{:>7} {:>7} {:>8}", "–", "–", "–");
        let latency = figures.latency.as_ref().map_or_else(none, Latency::shown);
        let rss = figures.rss_mib;
        println!("  {peer:<10} {min:8.1} {median:8.1} {max:8.1}   {latency} {rss:8.1}");
    }
    if let Some(direct) = row.direct {
        println!("  {:<38}{}", "no proxy", direct.shown());
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
    use serde_json::json;

    use super::*;

    fn waiting(p99_ms: f64) -> Latency {
        Latency {
            p50_ms: 0.0,
            p99_ms,
            p99_all_ms: 0.0,
        }
    }

    fn row(waits: [(Peer, f64); 2], without: f64) -> Row {
        let peers = waits.map(|(peer, p99_ms)| {
            let figures = Figures {
                cpu_us: Spread::of([1.0]).expect("a value"),
                latency: Some(waiting(p99_ms)),
                rss_mib: if peer == Peer::Envoy { 100.0 } else { 25.0 },
            };
            (peer.name(), figures)
        });
        Row {
            case: "http1-64B",
            peers: peers.into(),
            ratios: BTreeMap::new(),
            direct: Some(waiting(without)),
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
    fn latencies_are_those_of_the_quietest_looks() {
        let looks = [(1.0, 9.0), (3.0, 2.0), (2.0, 3.0), (4.0, 8.0)];
        let looks = looks.map(|(p50_ms, p99_ms)| Latencies {
            requests: 500,
            p50_ms,
            p99_ms,
        });
        let latency = Latency::of(&looks).expect("four looks");
        assert_eq!((latency.p50_ms, latency.p99_ms), (2.0, 3.0));
        assert_eq!(latency.p99_all_ms, 8.0);
        assert!(Latency::of(&[]).is_none());
    }

    #[test]
    fn cases_without_a_rate_have_no_latencies() -> serde_json::Result<()> {
        let mut figures = row([(Peer::Ferromesh, 2.0), (Peer::Envoy, 2.0)], 1.0).peers;
        let ours = figures.remove("ferromesh").expect("a peer");
        let written = serde_json::to_value(&ours)?;
        assert_eq!(
            (&written["p50_ms"], &written["p99_ms"]),
            (&json!(0.0), &json!(2.0))
        );
        let without = Figures {
            latency: None,
            ..ours
        };
        let written = serde_json::to_value(&without)?;
        assert_eq!(written.get("p99_ms"), Some(&serde_json::Value::Null));
        Ok(())
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
