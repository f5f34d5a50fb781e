//! A small set of header names that may say "perhaps" and never errs when it says "no".
//!
//! A proxy asks each message for dozens of fields that it does not have. One bit per name, by a
//! hash of four instructions that the compiler works out for names it knows, answers most of them.

/// Names as bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NameFilter(u64);

/// Set when a name begins with `x-envoy-`.
const ENVOY: u64 = 1 << 63;

impl NameFilter {
    /// Of a few names in lower case that are known beforehand.
    pub(crate) const fn of(names: &[&str]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < names.len() {
            bits |= bit(names[index].as_bytes());
            index += 1;
        }
        Self(bits)
    }

    /// Whether a name of `other` may have been added.
    #[inline]
    pub(crate) fn may_share(self, other: Self) -> bool {
        self.0 & other.0 & !ENVOY != 0
    }

    /// Adds a name in lower case.
    #[inline]
    pub(crate) fn add(&mut self, name: &[u8]) {
        self.0 |= bit(name);
        if name.starts_with(b"x-envoy-") {
            self.0 |= ENVOY;
        }
    }

    /// Whether the name may have been added.
    #[inline]
    pub(crate) fn may_have(self, name: &[u8]) -> bool {
        self.0 & bit(name) != 0
    }

    /// Whether a name that begins with `x-envoy-` may have been added.
    #[inline]
    pub(crate) fn may_ask_envoy(self) -> bool {
        self.0 & ENVOY != 0
    }
}

/// By length, first, middle and last byte: in most requests no two usual names share it.
#[inline]
const fn bit(name: &[u8]) -> u64 {
    let [first, .., last] = name else {
        return 1;
    };
    let middle = name[name.len() / 2];
    let mixed = (name.len() as u32)
        .wrapping_mul(31)
        .wrapping_add(*first as u32)
        .wrapping_add((middle as u32).wrapping_mul(7))
        .wrapping_add((*last as u32).wrapping_mul(13));
    1 << (mixed % 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_that_was_added_is_denied() {
        let names = ["", "a", "te", "host", "x-request-id", "x-envoy-max-retries"];
        for added in names {
            let mut filter = NameFilter::default();
            assert!(!filter.may_have(added.as_bytes()), "nothing was added");
            filter.add(added.as_bytes());
            assert!(filter.may_have(added.as_bytes()), "{added}");
            assert_eq!(filter.may_ask_envoy(), added.starts_with("x-envoy-"));
        }
    }

    #[test]
    fn few_of_the_names_that_a_proxy_asks_for_are_taken_for_those_that_a_browser_sends() {
        let mut filter = NameFilter::default();
        for name in [
            "user-agent",
            "accept",
            "accept-encoding",
            "accept-language",
            "cookie",
            "referer",
            "cache-control",
        ] {
            filter.add(name.as_bytes());
        }
        let asked = [
            "x-request-id",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-client-cert",
            "x-envoy-force-trace",
            "expect",
            "upgrade",
            "connection",
            "content-type",
            "content-length",
            "te",
            "transfer-encoding",
            "via",
            "host",
            "x-envoy-expected-rq-timeout-ms",
        ];
        let wrong = asked.iter().filter(|name| filter.may_have(name.as_bytes()));
        assert!(wrong.count() <= 3, "the filter would be of little use");
    }
}
