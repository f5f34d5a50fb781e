//! Histograms with the bucket bounds that Envoy shows to Prometheus.

/// Upper bounds in the recorded unit (milliseconds for times); the last bucket has none.
pub const BOUNDS: [f64; 19] = [
    0.5,
    1.0,
    5.0,
    10.0,
    25.0,
    50.0,
    100.0,
    250.0,
    500.0,
    1_000.0,
    2_500.0,
    5_000.0,
    10_000.0,
    30_000.0,
    60_000.0,
    300_000.0,
    600_000.0,
    1_800_000.0,
    3_600_000.0,
];

/// Cells of one histogram: the buckets, the one without bound, and the sum in microunits.
pub(crate) const WIDTH: usize = BOUNDS.len() + 2;

/// The cell of the sum.
pub(crate) const SUM: usize = BOUNDS.len() + 1;

/// Sums are kept in thousandths, so that microseconds add up exactly.
pub(crate) const SCALE: f64 = 1000.0;

/// The bucket of a value.
pub(crate) fn bucket(value: f64) -> usize {
    BOUNDS.partition_point(|bound| *bound < value)
}

/// What a histogram has seen.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSample {
    /// Values per bucket, not cumulated; the last has no upper bound.
    pub buckets: Vec<u64>,
    /// All values together.
    pub sum: f64,
}

impl HistogramSample {
    /// How many values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The value below which a share `quantile` (0 to 1) of the values lies, interpolated inside its
    /// bucket; `None` without values.
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let target = quantile * count as f64;
        let mut seen = 0.0;
        let mut lower = 0.0;
        for (index, values) in self.buckets.iter().enumerate() {
            let values = *values as f64;
            let Some(upper) = BOUNDS.get(index) else {
                return Some(lower);
            };
            if values > 0.0 && seen + values >= target {
                return Some(lower + (upper - lower) * ((target - seen) / values).clamp(0.0, 1.0));
            }
            seen += values;
            lower = *upper;
        }
        Some(lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_belongs_below_it() {
        assert_eq!(bucket(0.0), 0);
        assert_eq!(bucket(0.5), 0);
        assert_eq!(bucket(0.6), 1);
        assert_eq!(bucket(1e9), BOUNDS.len());
    }
}
