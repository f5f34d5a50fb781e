//! Memory, descriptors and threads of the proxy over time.

use std::time::{Duration, Instant};

use anyhow::Context;
use ferromesh_bench::process::resident_bytes;

/// What a process has at one time.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub resident_kib: u64,
    pub descriptors: usize,
    pub threads: u64,
}

/// Samples of one process.
pub struct Watch {
    pid: u32,
    before: Sample,
    samples: Vec<(f64, Sample)>,
}

/// What memory may grow in the second half: less is how allocators breathe.
const ALLOWED_KIB: f64 = 2048.0;
/// As a share of the memory in use, for larger processes.
const ALLOWED_SHARE: f64 = 0.03;

impl Watch {
    /// Looks at the process now.
    pub fn look(pid: u32) -> anyhow::Result<Sample> {
        let gone = || format!("process {pid} is gone");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).with_context(gone)?;
        let threads = status
            .lines()
            .find_map(|line| line.strip_prefix("Threads:")?.trim().parse().ok())
            .context("no number of threads")?;
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).with_context(gone)?;
        Ok(Sample {
            resident_kib: resident_bytes(pid).with_context(gone)? / 1024,
            descriptors: descriptors.count(),
            threads,
        })
    }

    pub fn new(pid: u32, before: Sample) -> Self {
        Self {
            pid,
            before,
            samples: Vec::new(),
        }
    }

    pub fn before(&self) -> Sample {
        self.before
    }

    pub fn sample(&mut self, at: Duration) -> anyhow::Result<Sample> {
        let now = Self::look(self.pid)?;
        self.samples.push((at.as_secs_f64(), now));
        Ok(now)
    }

    /// Waits until the descriptors are as many as before, at most for `limit`.
    pub async fn settle(&mut self, limit: Duration) -> anyhow::Result<Sample> {
        let began = Instant::now();
        loop {
            let now = Self::look(self.pid)?;
            if now.descriptors <= self.before.descriptors || began.elapsed() > limit {
                return Ok(now);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    pub fn threads_are_constant(&self) -> bool {
        let constant = |(_, sample): &(f64, Sample)| sample.threads == self.before.threads;
        self.samples.iter().all(constant)
    }

    /// How much memory grows in the second half, by the line that fits its samples best.
    pub fn growth_kib(&self) -> f64 {
        let half = &self.samples[self.samples.len() / 2..];
        let points: Vec<(f64, f64)> = half
            .iter()
            .map(|(at, sample)| (*at, sample.resident_kib as f64))
            .collect();
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return 0.0;
        };
        slope(&points) * (last.0 - first.0)
    }

    pub fn allowed_kib(&self) -> f64 {
        let last = self
            .samples
            .last()
            .map_or(0, |(_, sample)| sample.resident_kib);
        ALLOWED_KIB.max(ALLOWED_SHARE * last as f64)
    }
}

/// The slope of the line through `points` with the least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len().max(1) as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let below: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    if below == 0.0 { 0.0 } else { above / below }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_a_line_is_found_in_noise() {
        let noisy = |at: u32| (f64::from(at), 7.0 + 3.0 * f64::from(at) + f64::from(at % 2));
        let points: Vec<_> = (0..100).map(noisy).collect();
        assert!((slope(&points) - 3.0).abs() < 0.01);
        assert!(slope(&[(1.0, 5.0)]).abs() < f64::EPSILON);
    }
}
