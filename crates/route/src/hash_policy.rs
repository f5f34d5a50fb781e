//! What the consistent-hash load balancers hash.

use std::time::Duration;

use ferromesh_types::Str;

/// One source of hash input; several are combined in order.
#[derive(Clone, Debug)]
pub struct HashPolicy {
    /// Where the input comes from.
    pub source: HashSource,
    /// Whether a hash found here ends the search.
    pub terminal: bool,
}

/// Where hash input comes from.
#[derive(Clone, Debug)]
pub enum HashSource {
    /// A request header.
    Header(Str),
    /// A cookie; with a lifetime it is made when missing.
    Cookie {
        /// The cookie's name.
        name: Str,
        /// Its path attribute.
        path: Str,
        /// Its lifetime when the proxy makes it; `None` never makes one.
        lifetime: Option<Duration>,
    },
    /// The client's address.
    SourceIp,
    /// A query parameter.
    QueryParameter(Str),
}
