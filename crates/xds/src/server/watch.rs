//! What one stream wants of one type, and how far it has got.

use std::sync::Arc;

use ferromesh_types::Str;

use crate::{NameSet, ResourceSet};

/// A response that the client refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The nonce of the refused response.
    pub nonce: Str,
    /// Its version.
    pub version: Str,
    /// The client's words.
    pub detail: Str,
}

/// The state of one type on one stream.
#[derive(Clone, Debug)]
pub struct Watch {
    pub(super) type_url: Str,
    pub(super) wildcard: bool,
    pub(super) names: Arc<NameSet>,
    pub(super) sent: Arc<ResourceSet>,
    /// State of the world: the next request of this type gets everything although nothing
    /// changed, because the client restarted the warming of what depends on it.
    pub(super) answer_next: bool,
    pub(super) last_nonce: u64,
    pub(super) nonce_sent: Str,
    pub(super) version_sent: Str,
    pub(super) acked: Option<Acked>,
    pub(super) rejection: Option<Rejection>,
    pub(super) rejections: u64,
    pub(super) responses: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Acked {
    pub(super) number: u64,
    pub(super) nonce: Str,
    pub(super) version: Str,
}

impl Watch {
    pub(super) fn new(type_url: &str) -> Self {
        Self {
            type_url: type_url.into(),
            wildcard: false,
            names: Arc::default(),
            sent: Arc::default(),
            answer_next: false,
            last_nonce: 0,
            nonce_sent: Str::default(),
            version_sent: Str::default(),
            acked: None,
            rejection: None,
            rejections: 0,
            responses: 0,
        }
    }

    /// The type.
    pub fn type_url(&self) -> &Str {
        &self.type_url
    }

    /// Whether the client wants every resource of the type.
    pub fn wildcard(&self) -> bool {
        self.wildcard
    }

    /// The names that the client asked for.
    pub fn names(&self) -> &Arc<NameSet> {
        &self.names
    }

    /// Whether the client asked for `name`, by name or by wildcard.
    pub fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// What the client holds, as far as it was not rejected.
    pub fn sent(&self) -> &Arc<ResourceSet> {
        &self.sent
    }

    /// The nonce of the last response; empty before the first.
    pub fn nonce_sent(&self) -> &str {
        &self.nonce_sent
    }

    /// The version of the last response.
    pub fn version_sent(&self) -> &str {
        &self.version_sent
    }

    /// The nonce that the client acknowledged last; empty before the first.
    pub fn nonce_acked(&self) -> &str {
        self.acked.as_ref().map_or("", |acked| &acked.nonce)
    }

    /// The version that the client acknowledged last.
    pub fn version_acked(&self) -> &str {
        self.acked.as_ref().map_or("", |acked| &acked.version)
    }

    /// The rejection in force: it goes away with the next acknowledgement.
    pub fn rejection(&self) -> Option<&Rejection> {
        self.rejection.as_ref()
    }

    /// How many responses the client rejected since the stream began.
    pub fn rejections(&self) -> u64 {
        self.rejections
    }

    /// How many responses were sent.
    pub fn responses(&self) -> u64 {
        self.responses
    }

    /// The client accepted the response with nonce `number`.
    pub(super) fn accept(&mut self, number: u64) {
        if number == self.last_nonce {
            self.rejection = None;
        }
        let newer = self
            .acked
            .as_ref()
            .is_none_or(|acked| acked.number < number);
        if newer {
            // Only the last response's version is kept; an older nonce was sent with an older one,
            // which an acknowledgement that arrives late need not spell out.
            let (nonce, version) = if number == self.last_nonce {
                (self.nonce_sent.clone(), self.version_sent.clone())
            } else {
                (Str::from(nonce_text(number)), Str::default())
            };
            self.acked = Some(Acked {
                number,
                nonce,
                version,
            });
        }
    }

    /// The client rejected the response with nonce `number`.
    pub(super) fn reject(&mut self, number: u64, detail: &str) {
        self.rejections += 1;
        let version = if number == self.last_nonce {
            self.version_sent.clone()
        } else {
            Str::default()
        };
        self.rejection = Some(Rejection {
            nonce: nonce_text(number).into(),
            version,
            detail: detail.into(),
        });
    }
}

/// How nonce `number` is written.
pub(super) fn nonce_text(number: u64) -> String {
    format!("n{number}")
}

/// The number of a nonce that this side wrote.
pub(super) fn nonce_number(text: &str) -> Option<u64> {
    text.strip_prefix('n')?.parse().ok()
}
