//! Compiled filters that look names up before a request or a connection goes on.

use std::sync::Arc;

use ferromesh_types::Str;

use crate::cluster::NameCache;

/// Looks up the host of requests.
#[derive(Clone, Debug)]
pub struct NameFilter {
    /// Its name.
    pub name: Str,
    /// What is known of names.
    pub names: Arc<NameCache>,
}

/// Whose address is looked up instead of that of the request's host; the request goes on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameRewrite {
    /// Nobody's.
    Keep,
    /// This host's.
    Literal(Str),
    /// That of the host which this header names, if it is there.
    FromHeader(Str),
}

/// Looks up the server name of connections.
#[derive(Clone, Debug)]
pub struct ServerNames {
    /// What is known of names.
    pub names: Arc<NameCache>,
    /// The port to connect to.
    pub port: u16,
}
