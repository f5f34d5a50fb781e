//! A share of all requests, as `numerator / denominator`.

/// A share; the denominator is 100, 10,000 or 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    /// How many of `denominator`.
    pub numerator: u32,
    /// Out of how many; never zero.
    pub denominator: u32,
}

impl Fraction {
    /// Every request.
    pub const ALL: Self = Self {
        numerator: 100,
        denominator: 100,
    };

    /// Whether the request that drew `random` belongs to the share.
    pub fn holds(self, random: u64) -> bool {
        random % u64::from(self.denominator.max(1)) < u64::from(self.numerator)
    }
}
