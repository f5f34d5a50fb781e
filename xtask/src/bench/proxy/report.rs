//! Figures, their ratios, and how they are shown.

use std::collections::BTreeMap;

use serde::Serialize;

use super::case::Case;
use super::peer::Peer;

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

/// Over the rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// Middle.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

/// Latencies.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Latency {
    /// Half.
    pub p50_ms: f64,
    /// All but one in a hundred.
    pub p99_ms: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Some(Self {
            min: *sorted.first()?,
            median: sorted[sorted.len() / 2],
            max: *sorted.last()?,
        })
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
    for (peer, Spread { min, median, max }) in &row.ratios {
        let target = case.targets.iter().find(|(other, _)| other.name() == *peer);
        let verdict = match target {
            Some((_, most)) if median <= most => {
                met += 1;
                format!("target {most:.2}: met")
            }
            Some((_, most)) => {
                missed += 1;
                format!("target {most:.2}: MISSED")
            }
            None => String::new(),
        };
        println!("  ÷ {peer:<8} {min:8.2} {median:8.2} {max:8.2}   {verdict}");
    }
    (met, missed)
}

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
