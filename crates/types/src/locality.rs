//! Where a workload runs: region, zone, sub-zone.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Str;

/// A place. Parts that are not known are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Locality {
    /// `topology.kubernetes.io/region`.
    pub region: Str,
    /// `topology.kubernetes.io/zone`.
    pub zone: Str,
    /// `topology.istio.io/subzone`.
    pub sub_zone: Str,
}

impl Locality {
    /// Reads `region/zone/subzone`; parts on the right may be missing.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/').map(Str::from);
        Self {
            region: parts.next().unwrap_or_default(),
            zone: parts.next().unwrap_or_default(),
            sub_zone: parts.next().unwrap_or_default(),
        }
    }

    /// Whether no part is known.
    pub fn is_empty(&self) -> bool {
        self.region.is_empty() && self.zone.is_empty() && self.sub_zone.is_empty()
    }
}

impl fmt::Display for Locality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.region)?;
        if !self.zone.is_empty() || !self.sub_zone.is_empty() {
            write!(f, "/{}", self.zone)?;
        }
        if !self.sub_zone.is_empty() {
            write!(f, "/{}", self.sub_zone)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locality_reads_what_it_writes() {
        for text in ["", "r", "r/z", "r/z/s", "r//s"] {
            assert_eq!(Locality::parse(text).to_string(), text);
        }
    }
}
