//! Copies of requests that are sent to another cluster and whose answers nobody sees.

use ferromesh_types::Str;

use crate::fraction::Fraction;

/// Where copies go, and how many.
#[derive(Clone, Debug)]
pub struct MirrorPolicy {
    /// Which cluster.
    pub cluster: MirrorCluster,
    /// The share of the requests that is copied.
    pub share: Fraction,
    /// Whether the copy's authority gets the suffix `-shadow`.
    pub shadow_suffix: bool,
}

/// The cluster that copies go to.
#[derive(Clone, Debug)]
pub enum MirrorCluster {
    /// Always this one.
    Named(Str),
    /// The one that this request header names.
    FromHeader(Str),
}

/// The authority of a copy: `-shadow` goes between the name and the port.
pub fn shadow_authority(authority: &str) -> String {
    let bare = crate::virtual_host::without_port(authority);
    let is_address = bare.parse::<std::net::IpAddr>().is_ok() || bare.starts_with('[');
    if is_address {
        return authority.to_owned();
    }
    format!("{bare}-shadow{}", &authority[bare.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_goes_before_the_port() {
        assert_eq!(shadow_authority("shop"), "shop-shadow");
        assert_eq!(shadow_authority("shop:8080"), "shop-shadow:8080");
    }
}
