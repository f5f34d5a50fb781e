//! How the traffic is shared among priorities, by how many of their endpoints are available.
//!
//! Pure: counts in, hundredths out. A priority gets traffic in proportion to its available share
//! times the overprovisioning factor; what it cannot take spills over to the next. When all
//! together cannot take everything, priorities below the panic threshold use all their endpoints.

/// The endpoints of one priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) total: usize,
    pub(crate) healthy: usize,
    pub(crate) degraded: usize,
    /// Not counted at all: their first health check is still to come.
    pub(crate) excluded: usize,
}

/// The result, by priority.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Hundredths of the traffic for healthy endpoints.
    pub(crate) healthy: Vec<u32>,
    /// Hundredths of the traffic for degraded ones.
    pub(crate) degraded: Vec<u32>,
    /// Whether the priority uses all its endpoints.
    pub(crate) panic: Vec<bool>,
    /// What each priority could take of the traffic, healthy and degraded, in hundredths.
    capacity: Vec<(u32, u32)>,
}

impl Counts {
    fn counted(self) -> usize {
        self.total - self.excluded
    }

    fn percent(self, available: usize, factor: u32) -> u32 {
        let share = (available * factor as usize).checked_div(self.counted());
        share.unwrap_or(0).min(100) as u32
    }
}

impl Shares {
    /// `overprovisioning` in hundredths; `panic_threshold` in percent, 0 for never.
    pub(crate) fn new(counts: &[Counts], overprovisioning: u32, panic_threshold: u32) -> Self {
        let capacity: Vec<(u32, u32)> = counts
            .iter()
            .map(|each| {
                let healthy = each.percent(each.healthy, overprovisioning);
                (healthy, each.percent(each.degraded, overprovisioning))
            })
            .collect();
        let (healthy, degraded) = distribute(&capacity);
        let enough = capacity.iter().map(|(h, d)| h + d).sum::<u32>() >= 100;
        let panic: Vec<bool> = counts
            .iter()
            .map(|each| {
                let percent = each.percent(each.healthy + each.degraded, 100);
                !enough && percent < panic_threshold
            })
            .collect();
        let mut shares = Self {
            healthy,
            degraded,
            panic,
            capacity,
        };
        let nothing = shares.capacity.iter().all(|(h, d)| h + d == 0);
        if panic_threshold == 0 && nothing {
            // Somebody has to say that there is nobody.
            if let Some(first) = shares.healthy.first_mut() {
                *first = 100;
            }
        } else if !counts.is_empty() && shares.panic.iter().all(|panic| *panic) {
            shares.by_number(counts);
        }
        shares
    }

    /// All priorities are in panic: their sizes decide.
    fn by_number(&mut self, counts: &[Counts]) {
        let total: usize = counts.iter().map(|each| each.counted()).sum();
        let mut left = 100;
        for (share, each) in self.healthy.iter_mut().zip(counts) {
            let part = (100 * each.counted()).checked_div(total).unwrap_or(0);
            *share = (part as u32).min(left);
            left -= *share;
        }
        self.degraded.fill(0);
        let first = counts.iter().position(|each| each.counted() > 0);
        if let Some(share) = self.healthy.get_mut(first.unwrap_or(0)) {
            *share += left;
        }
    }

    /// The priority for a request that drew `point` of 100, and whether its degraded endpoints are
    /// meant. Priorities in `tried` are left out while another one can take anything.
    pub(crate) fn choose(&self, point: u32, tried: &[u32]) -> Option<(usize, bool)> {
        if tried.is_empty() {
            return place(&self.healthy, &self.degraded, point);
        }
        let untried: Vec<(u32, u32)> = self
            .capacity
            .iter()
            .enumerate()
            .map(|(priority, capacity)| {
                let is_tried = tried.contains(&(priority as u32));
                if is_tried { (0, 0) } else { *capacity }
            })
            .collect();
        if untried.iter().all(|(h, d)| h + d == 0) {
            return place(&self.healthy, &self.degraded, point);
        }
        let (healthy, degraded) = distribute(&untried);
        place(&healthy, &degraded, point)
    }
}

fn place(healthy: &[u32], degraded: &[u32], mut point: u32) -> Option<(usize, bool)> {
    for (shares, is_degraded) in [(healthy, false), (degraded, true)] {
        for (priority, share) in shares.iter().enumerate() {
            if point < *share {
                return Some((priority, is_degraded));
            }
            point -= share;
        }
    }
    None
}

/// Shares that sum up to 100 unless nobody can take anything: healthy endpoints of all priorities
/// first, then degraded ones.
fn distribute(capacity: &[(u32, u32)]) -> (Vec<u32>, Vec<u32>) {
    let all = capacity.iter().map(|(h, d)| h + d).sum::<u32>().min(100);
    let mut left = 100;
    let mut take = |part: &u32| {
        let share = (part * 100).checked_div(all).unwrap_or(0).min(left);
        left -= share;
        share
    };
    let mut healthy: Vec<u32> = capacity.iter().map(|(h, _)| take(h)).collect();
    let mut degraded: Vec<u32> = capacity.iter().map(|(_, d)| take(d)).collect();
    if all > 0 {
        // What rounding left over.
        let first_healthy = healthy.iter_mut().find(|share| **share > 0);
        let first = first_healthy.or_else(|| degraded.iter_mut().find(|share| **share > 0));
        if let Some(first) = first {
            *first += left;
        }
    }
    (healthy, degraded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(total: usize, healthy: usize, degraded: usize) -> Counts {
        Counts {
            total,
            healthy,
            degraded,
            excluded: 0,
        }
    }

    fn shares(list: &[(usize, usize, usize)]) -> Shares {
        let list: Vec<_> = list.iter().map(|(t, h, d)| counts(*t, *h, *d)).collect();
        Shares::new(&list, 140, 50)
    }

    #[test]
    fn traffic_spills_over_as_envoys_table_of_priorities_says() {
        for (healthy, expected) in [
            ([100, 100], [100, 0]),
            ([72, 100], [100, 0]),
            ([71, 100], [99, 1]),
            ([50, 50], [70, 30]),
            ([25, 100], [35, 65]),
            ([0, 100], [0, 100]),
            ([25, 25], [50, 50]),
        ] {
            let found = shares(&[(100, healthy[0], 0), (100, healthy[1], 0)]);
            assert_eq!(found.healthy, expected, "{healthy:?}");
        }
    }

    #[test]
    fn degraded_endpoints_come_after_all_healthy_ones() {
        let found = shares(&[(100, 50, 50), (100, 20, 0)]);
        assert_eq!((found.healthy, found.degraded), (vec![70, 28], vec![2, 0]));
    }

    #[test]
    fn there_is_no_panic_while_all_together_can_take_everything() {
        assert_eq!(shares(&[(4, 1, 0), (4, 4, 0)]).panic, [false, false]);
        assert_eq!(shares(&[(4, 1, 0), (4, 1, 0)]).panic, [true, true]);
        assert_eq!(shares(&[(10, 4, 0), (10, 0, 0)]).panic, [true, true]);
        let never = Shares::new(&[counts(4, 0, 0)], 140, 0);
        assert_eq!((never.panic, never.healthy), (vec![false], vec![100]));
    }

    #[test]
    fn in_total_panic_the_sizes_decide() {
        assert_eq!(shares(&[(9, 0, 0), (1, 0, 0)]).healthy, [90, 10]);
    }

    #[test]
    fn a_tried_priority_is_left_out_while_another_can_take_anything() {
        let found = shares(&[(4, 4, 0), (4, 4, 0)]);
        assert_eq!(found.choose(0, &[]), Some((0, false)));
        assert_eq!(found.choose(0, &[0]), Some((1, false)));
        assert_eq!(found.choose(0, &[0, 1]), Some((0, false)));
    }
}
