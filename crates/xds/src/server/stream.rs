//! One stream: its watches, and the two ways a response comes about.

use std::sync::Arc;

use ferromesh_types::Str;

use super::response::{Payload, Response};
use super::watch::{Watch, nonce_text};
use crate::{NameInterner, Request, ResourceSet, Variant};

/// How a server treats types.
#[derive(Clone, Copy, Debug)]
pub struct ServerStreamSettings {
    /// Whether a first request without names means "everything" for this type.
    pub wildcard_by_default: fn(&str) -> bool,
    /// Whether removals are sent for this type (never for extension configs).
    pub sends_removals: fn(&str) -> bool,
    /// State of the world: the type whose subscriptions must be answered again once resources of
    /// this type were sent (endpoints after clusters, routes after listeners).
    pub dependent_type: fn(&str) -> Option<&'static str>,
}

/// What a request asks to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The type.
    pub type_url: Str,
    /// Which resources must be in the answer even if they did not change.
    pub wanted: Wanted,
}

/// Resources that must be in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What the client does not hold yet; an answer is due even if that is nothing.
    Missing,
    /// These, whether they changed or not. In order.
    Names(Vec<Str>),
    /// Everything.
    All,
}

/// Whether the client took the response that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// ACK.
    Accepted,
    /// NACK, with the client's words.
    Rejected(Str),
}

/// What a request means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// Set when the request answers a response.
    pub verdict: Option<Verdict>,
    /// Set when the request has to be answered.
    pub demand: Option<Demand>,
}

/// The server's half of one stream.
#[derive(Debug)]
pub struct ServerStream {
    pub(super) variant: Variant,
    pub(super) settings: ServerStreamSettings,
    pub(super) interner: Arc<NameInterner>,
    pub(super) watches: Vec<Watch>,
    nonces: u64,
}

impl ServerStream {
    /// A stream without subscriptions. Streams that share an interner share their lists of names.
    pub fn new(
        variant: Variant,
        settings: ServerStreamSettings,
        interner: Arc<NameInterner>,
    ) -> Self {
        Self {
            variant,
            settings,
            interner,
            watches: Vec::new(),
            nonces: 0,
        }
    }

    /// The protocol that the stream speaks.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// All types that the client subscribed to, in the order of their first request.
    pub fn watches(&self) -> &[Watch] {
        &self.watches
    }

    /// The state of one type.
    pub fn watch(&self, type_url: &str) -> Option<&Watch> {
        self.watches
            .iter()
            .find(|watch| watch.type_url == *type_url)
    }

    pub(super) fn watch_mut(&mut self, type_url: &str) -> Option<&mut Watch> {
        self.watches
            .iter_mut()
            .find(|watch| watch.type_url == *type_url)
    }

    /// Takes a request. A request of the other variant is ignored: a stream cannot change it.
    pub fn receive(&mut self, request: Request) -> Reaction {
        match (self.variant, request) {
            (Variant::Delta, Request::Delta(request)) => self.receive_delta(*request),
            (Variant::StateOfTheWorld, Request::StateOfTheWorld(request)) => {
                self.receive_state_of_the_world(*request)
            }
            _ => Reaction::default(),
        }
    }

    /// The answer to a demand. `current` holds the resources that the watch wants.
    ///
    /// `None` when the client has dropped the type in the meantime, or wants nothing of it.
    pub fn answer(
        &mut self,
        demand: &Demand,
        current: &Arc<ResourceSet>,
        version: &Str,
    ) -> Option<Response> {
        self.send(&demand.type_url, current, version, Some(&demand.wanted))
    }

    /// Sends what changed; `None` when nothing did.
    pub fn push(
        &mut self,
        type_url: &str,
        current: &Arc<ResourceSet>,
        version: &Str,
    ) -> Option<Response> {
        self.send(type_url, current, version, None)
    }

    fn send(
        &mut self,
        type_url: &str,
        current: &Arc<ResourceSet>,
        version: &Str,
        wanted: Option<&Wanted>,
    ) -> Option<Response> {
        let variant = self.variant;
        let removals = (self.settings.sends_removals)(type_url);
        let by_default = (self.settings.wildcard_by_default)(type_url);
        let number = self.nonces + 1;
        let watch = self.watch_mut(type_url)?;
        let (payload, removed) = match variant {
            Variant::Delta => delta_payload(watch, current, wanted, removals)?,
            Variant::StateOfTheWorld => world_payload(watch, current, wanted, by_default)?,
        };
        watch.sent = Arc::clone(current);
        watch.last_nonce = number;
        watch.nonce_sent = nonce_text(number).into();
        watch.version_sent = version.clone();
        watch.responses += 1;
        let response = Response {
            variant,
            type_url: watch.type_url.clone(),
            nonce: watch.nonce_sent.clone(),
            version: version.clone(),
            payload,
            removed,
        };
        self.nonces = number;
        if variant == Variant::StateOfTheWorld
            && let Some(dependent) = (self.settings.dependent_type)(type_url)
            && let Some(dependent) = self.watch_mut(dependent)
        {
            dependent.answer_next = true;
        }
        Some(response)
    }
}

/// Everything that differs, and what was asked for in any case.
fn delta_payload(
    watch: &Watch,
    current: &Arc<ResourceSet>,
    wanted: Option<&Wanted>,
    removals: bool,
) -> Option<(Payload, Vec<Str>)> {
    let mut difference = watch.sent.difference(current);
    difference
        .removed
        .retain(|name| removals && watch.wants(name));
    match wanted {
        None if difference.is_empty() => return None,
        None => {}
        Some(Wanted::Missing) => {
            let absent = watch
                .names
                .iter()
                .filter(|name| name.as_str() != "*" && current.find(name).is_none());
            add_names(&mut difference.removed, absent.cloned());
        }
        Some(Wanted::Names(names)) => {
            let present = names.iter().filter_map(|name| current.find(name));
            let absent = names.iter().filter(|name| current.find(name).is_none());
            add_names(&mut difference.removed, absent.cloned());
            difference.changed.extend(present.cloned());
            difference.changed.sort_by(|a, b| a.name.cmp(&b.name));
            difference.changed.dedup_by(|a, b| a.name == b.name);
        }
        Some(Wanted::All) => {
            return Some((Payload::All(Arc::clone(current)), difference.removed));
        }
    }
    if !removals {
        // Names that never existed are not reported either.
        difference.removed.clear();
    }
    let payload = if difference.changed.len() == current.len() {
        Payload::All(Arc::clone(current))
    } else {
        Payload::Some(difference.changed)
    };
    Some((payload, difference.removed))
}

fn add_names(list: &mut Vec<Str>, names: impl Iterator<Item = Str>) {
    list.extend(names);
    list.sort_unstable();
    list.dedup();
}

/// Everything for a wildcard type; for others what differs or was asked for.
fn world_payload(
    watch: &mut Watch,
    current: &Arc<ResourceSet>,
    wanted: Option<&Wanted>,
    wildcard_type: bool,
) -> Option<(Payload, Vec<Str>)> {
    let mut difference = watch.sent.difference(current);
    if wanted.is_none() && difference.is_empty() {
        return None;
    }
    let names = match wanted {
        // Clients take a response of these types as the whole truth.
        _ if wildcard_type || watch.wildcard => return all(current),
        Some(Wanted::All | Wanted::Missing) => return all(current),
        Some(Wanted::Names(names)) => names.as_slice(),
        // What is gone cannot be said: the client learns it from the type that refers to it.
        None if difference.changed.is_empty() => {
            watch.sent = Arc::clone(current);
            return None;
        }
        None => &[],
    };
    difference
        .changed
        .extend(names.iter().filter_map(|name| current.find(name)).cloned());
    difference.changed.sort_by(|a, b| a.name.cmp(&b.name));
    difference.changed.dedup_by(|a, b| a.name == b.name);
    Some((Payload::Some(difference.changed), Vec::new()))
}

fn all(current: &Arc<ResourceSet>) -> Option<(Payload, Vec<Str>)> {
    Some((Payload::All(Arc::clone(current)), Vec::new()))
}
