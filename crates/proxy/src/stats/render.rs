//! Writing numbers out: Envoy's text and JSON, and Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;

use regex::Regex;
use serde_json::json;

use super::tags::{Tagged, tagged};
use super::{BOUNDS, HistogramSample, Sample, Value};

/// The quantiles of Envoy's text form.
const QUANTILES: [f64; 9] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 1.0];

/// Which numbers are wanted.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only those that were ever counted.
    pub used_only: bool,
    /// Only those whose name matches, anywhere.
    pub filter: Option<Regex>,
}

impl Selection {
    /// Whether a sample is wanted.
    pub fn wants(&self, sample: &Sample) -> bool {
        (!self.used_only || sample.is_used())
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.is_match(&sample.name))
    }
}

/// One line per number; counters and gauges first, then histograms, each sorted by name.
pub fn text(samples: &[Sample]) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let mut histograms: Vec<(&str, String)> = Vec::new();
    for sample in samples {
        match &sample.value {
            Value::Counter(value) | Value::Gauge(value) => {
                lines.push((&sample.name, value.to_string()));
            }
            Value::Histogram(histogram) => {
                histograms.push((&sample.name, quantiles(histogram)));
            }
        }
    }
    lines.sort_unstable();
    histograms.sort_unstable();
    let mut out = String::new();
    for (name, value) in lines.into_iter().chain(histograms) {
        out.push_str(name);
        out.push_str(": ");
        out.push_str(&value);
        out.push('\n');
    }
    out
}

fn quantiles(histogram: &HistogramSample) -> String {
    if histogram.count() == 0 {
        return "No recorded values".to_owned();
    }
    let each = |quantile: &f64| {
        let value = histogram.quantile(*quantile).unwrap_or_default();
        // No interval is kept apart from the sum over all time.
        format!("P{}(nan,{value:.3})", quantile * 100.0)
    };
    QUANTILES.iter().map(each).collect::<Vec<_>>().join(" ")
}

/// Envoy's JSON form.
pub fn json(samples: &[Sample]) -> serde_json::Value {
    let mut out = Vec::new();
    let mut histograms = Vec::new();
    for sample in samples {
        match &sample.value {
            Value::Counter(value) | Value::Gauge(value) => {
                out.push(json!({"name": sample.name, "value": value}));
            }
            Value::Histogram(histogram) => {
                let values: Vec<_> = QUANTILES
                    .iter()
                    .map(|quantile| json!({"interval": null, "cumulative": histogram.quantile(*quantile)}))
                    .collect();
                histograms.push(json!({"name": sample.name, "values": values}));
            }
        }
    }
    if !histograms.is_empty() {
        let supported: Vec<f64> = QUANTILES.iter().map(|quantile| quantile * 100.0).collect();
        out.push(json!({"histograms": {
            "supported_quantiles": supported,
            "computed_quantiles": histograms,
        }}));
    }
    json!({"stats": out})
}

/// The Prometheus text form: names with tags taken out of them.
pub fn prometheus(samples: &[Sample]) -> String {
    let mut families: BTreeMap<String, Vec<(Tagged, &Value)>> = BTreeMap::new();
    for sample in samples {
        let tagged = tagged(&sample.name);
        families
            .entry(tagged.family.clone())
            .or_default()
            .push((tagged, &sample.value));
    }
    let mut out = String::new();
    for (family, members) in families {
        let kind = match members.first().map(|(_, value)| value) {
            Some(Value::Counter(_)) => "counter",
            Some(Value::Gauge(_)) => "gauge",
            _ => "histogram",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "# TYPE {family} {kind}");
        for (tagged, value) in members {
            write_member(&mut out, &family, &tagged.labels(), value);
        }
    }
    out
}

fn write_member(out: &mut String, family: &str, labels: &str, value: &Value) {
    let _ = match value {
        Value::Counter(value) | Value::Gauge(value) => {
            writeln!(out, "{family}{{{labels}}} {value}")
        }
        Value::Histogram(histogram) => {
            write_histogram(out, family, labels, histogram);
            Ok(())
        }
    };
}

fn write_histogram(out: &mut String, family: &str, labels: &str, histogram: &HistogramSample) {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut cumulated = 0;
    for (index, values) in histogram.buckets.iter().enumerate() {
        cumulated += values;
        let bound = BOUNDS
            .get(index)
            .map_or_else(|| "+Inf".to_owned(), ToString::to_string);
        let _ = writeln!(
            out,
            "{family}_bucket{{{labels}{comma}le=\"{bound}\"}} {cumulated}"
        );
    }
    let _ = writeln!(out, "{family}_sum{{{labels}}} {}", histogram.sum);
    let _ = writeln!(out, "{family}_count{{{labels}}} {}", histogram.count());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{ClusterStats, HttpStats, Stats};

    #[test]
    fn names_and_tags_are_those_of_envoy() {
        let stats = Stats::new(1);
        let cluster = ClusterStats::new(&stats, "cluster.outbound|80||catalog.shop.svc;.");
        cluster.upstream_rq_total().add(3);
        cluster.completed(200);
        let http = HttpStats::new(&stats, "http.inbound_0.0.0.0_8080;.");
        http.downstream_rq_time().record(7.0);
        let used = Selection {
            used_only: true,
            filter: None,
        };
        let samples: Vec<_> = stats
            .samples()
            .into_iter()
            .filter(|sample| used.wants(sample))
            .collect();
        let text = text(&samples);
        assert!(text.contains("cluster.outbound|80||catalog.shop.svc;.upstream_rq_total: 3\n"));
        let page = prometheus(&samples);
        for line in [
            "envoy_cluster_upstream_rq_total{cluster_name=\"outbound|80||catalog.shop.svc\"} 3",
            "envoy_cluster_upstream_rq{cluster_name=\"outbound|80||catalog.shop.svc\",response_code=\"200\"} 1",
            "envoy_cluster_upstream_rq_xx{cluster_name=\"outbound|80||catalog.shop.svc\",response_code_class=\"2\"} 1",
            "envoy_http_downstream_rq_time_bucket{http_conn_manager_prefix=\"inbound_0.0.0.0_8080\",le=\"10\"} 1",
        ] {
            assert!(page.lines().any(|each| each == line), "{line}\n{page}");
        }
    }
}
