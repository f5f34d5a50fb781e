//! A weighted order, worked out once per set: the smooth interleaving of weighted round robin.
//!
//! Weights are brought down so that the order stays short; shares are then exact to one part in
//! [`MAX_LENGTH`], which is finer than anybody configures.

/// The longest order that is kept.
const MAX_LENGTH: u64 = 4096;

/// Positions in the order in which they come up. Empty when every weight is equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    order: Vec<u32>,
}

impl Schedule {
    /// The order for `weights`; empty when all are equal.
    pub(crate) fn new(weights: &[u32]) -> Self {
        if weights.windows(2).all(|pair| pair[0] == pair[1]) {
            return Self::default();
        }
        Self::always(weights)
    }

    /// The order for `weights`, also when all are equal; empty when all are zero.
    pub(crate) fn always(weights: &[u32]) -> Self {
        let weights = reduced(weights);
        let total: i64 = weights.iter().sum();
        let mut current = vec![0_i64; weights.len()];
        let mut order = Vec::with_capacity(total as usize);
        for _ in 0..total {
            for (value, weight) in current.iter_mut().zip(&weights) {
                *value += weight;
            }
            // The first of the largest, so that the order is the same everywhere.
            let best = (0..current.len())
                .max_by_key(|index| (current[*index], std::cmp::Reverse(*index)))
                .unwrap_or(0);
            current[best] -= total;
            order.push(best as u32);
        }
        Self { order }
    }

    /// The position at step `step`; `None` when there is no order.
    pub(crate) fn at(&self, step: usize) -> Option<usize> {
        let index = step.checked_rem(self.order.len())?;
        Some(self.order[index] as usize)
    }

    /// How many steps the order has.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}

fn reduced(weights: &[u32]) -> Vec<i64> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let total: u64 = weights
        .iter()
        .map(|weight| u64::from(weight / divisor))
        .sum();
    let scale = |weight: u32| -> i64 {
        let weight = u64::from(weight / divisor);
        if total <= MAX_LENGTH || weight == 0 {
            weight as i64
        } else {
            (weight * MAX_LENGTH / total).max(1) as i64
        }
    };
    weights.iter().map(|weight| scale(*weight)).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_ones_come_more_often_but_not_in_a_row() {
        let schedule = Schedule::new(&[5, 1, 1]);
        let order: Vec<_> = (0..7).filter_map(|step| schedule.at(step)).collect();
        assert_eq!(order, [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(Schedule::new(&[3, 3]).len(), 0);
        assert_eq!(Schedule::always(&[0, 0]).len(), 0);
    }

    #[test]
    fn huge_weights_keep_the_order_short_and_everybody_in_it() {
        let schedule = Schedule::new(&[4_000_000_000, 1, 2_000_000_000]);
        assert!(schedule.len() <= MAX_LENGTH as usize + 3);
        assert!((0..schedule.len()).any(|step| schedule.at(step) == Some(1)));
    }
}
