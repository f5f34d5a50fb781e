//! What compiling needs besides the resource, and what it finds out on the way.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use ferromesh_tls::{Secret, SecretStore};
use ferromesh_types::Str;

use crate::access_log::LogSinks;
use crate::cluster::NameCaches;
use crate::stats::Stats;

/// The proxy's shared parts that compiled config points to.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// Where numbers are registered.
    pub stats: Stats,
    /// Where TLS finds its secrets.
    pub secrets: SecretStore,
    /// Where log lines go.
    pub sinks: Arc<LogSinks>,
    /// What is known of the names of requests.
    pub names: NameCaches,
}

/// Collects what one resource asks for besides its own content.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) compiler: &'a Compiler,
    /// Names of secrets that the aggregated stream must be asked for.
    pub(super) ads_secrets: Vec<Str>,
    /// Names of route tables.
    pub(super) route_names: Vec<Str>,
    /// What was accepted although it has no effect.
    pub(super) notices: Vec<String>,
}

/// A compiled resource with what it asks for besides its own content.
#[derive(Clone, Debug)]
pub struct Compiled<T> {
    /// The resource.
    pub value: T,
    /// Names of secrets that the aggregated stream must be asked for.
    pub ads_secrets: Vec<Str>,
    /// What was accepted although it has no effect in this version; one sentence each.
    pub notices: Vec<String>,
}

impl<'a> Context<'a> {
    pub(super) fn new(compiler: &'a Compiler) -> Self {
        Self {
            compiler,
            ads_secrets: Vec::new(),
            route_names: Vec::new(),
            notices: Vec::new(),
        }
    }

    pub(super) fn finish<T>(self, value: T) -> Compiled<T> {
        let mut ads_secrets = self.ads_secrets;
        ads_secrets.sort_unstable();
        ads_secrets.dedup();
        Compiled {
            value,
            ads_secrets,
            notices: self.notices,
        }
    }

    /// Notes that something was accepted although it has no effect.
    pub(super) fn without_effect(&mut self, what: &str) {
        let notice = format!("{what} is accepted, but has no effect in this version");
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// Puts a secret that is part of a resource into the store; its name follows from its content.
    pub(super) fn inline_secret(&self, content: &[&[u8]], secret: impl Into<Secret>) -> Str {
        let mut hasher = DefaultHasher::new();
        content.hash(&mut hasher);
        let name = format!("inline:{:016x}", hasher.finish());
        if self.compiler.secrets.find(&name).is_none() {
            self.compiler.secrets.set(&name, secret);
        }
        name.into()
    }
}
