//! One name: what was found, who waits for it, and the task that keeps it up to date.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ferromesh_types::Str;
use tokio::sync::watch;
use tokio::time::Instant;

use super::NameCache;
use crate::cluster::lookup::lookup;

/// A name with what was found for it.
#[derive(Debug)]
pub(super) struct CachedName {
    /// `host:port`
    pub(super) key: Str,
    host: String,
    port: u16,
    found: watch::Sender<Found>,
    born: Instant,
    /// When somebody asked for it last, in milliseconds of its life.
    used: AtomicU64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The first lookup is on its way.
    Unasked,
    /// This address.
    Address(SocketAddr),
    /// None, for this reason.
    Nothing(Str),
}

impl CachedName {
    pub(super) fn new(key: Str, host: &str, port: u16) -> Self {
        Self {
            key,
            host: host.to_owned(),
            port,
            found: watch::Sender::new(Found::Unasked),
            born: Instant::now(),
            used: AtomicU64::new(0),
        }
    }

    /// What is known now.
    pub(super) fn found(&self) -> Found {
        self.found.borrow().clone()
    }

    /// What is known as soon as the first lookup is over.
    pub(super) async fn first_found(&self) -> Found {
        let mut found = self.found.subscribe();
        match found.wait_for(|found| *found != Found::Unasked).await {
            Ok(found) => found.clone(),
            Err(_) => Found::Unasked,
        }
    }

    /// Notes that somebody uses it.
    pub(super) fn touch(&self) {
        self.used.store(self.age(), Ordering::Relaxed);
    }

    fn age(&self) -> u64 {
        self.born.elapsed().as_millis() as u64
    }

    fn is_unused_for(&self, span: Duration) -> bool {
        let idle = self.age().saturating_sub(self.used.load(Ordering::Relaxed));
        u128::from(idle) > span.as_millis()
    }
}

/// Looks `name` up until it is not used any more or the cache is gone.
pub(super) async fn keep(cache: Weak<NameCache>, name: Arc<CachedName>) {
    let mut failures = 0;
    loop {
        let Some(held) = cache.upgrade() else { return };
        let answer = ask(&held, &name).await;
        held.note(&name, &answer);
        let failed = matches!(answer, Answer::Failed(_));
        failures = if failed { failures + 1 } else { 0 };
        let nothing = !matches!(name.found(), Found::Address(_));
        if failed && nothing && held.settings.forgets_failures {
            return held.forget(&name);
        }
        let wait = held.settings.refresh.wait(failures);
        drop(held);
        tokio::time::sleep(wait).await;
        let Some(held) = cache.upgrade() else { return };
        if name.is_unused_for(held.settings.host_ttl) {
            return held.forget(&name);
        }
    }
}

/// What a lookup brought.
enum Answer {
    Address(SocketAddr),
    /// Nothing but addresses that are not wanted.
    Denied,
    Failed(Str),
}

async fn ask(cache: &NameCache, name: &CachedName) -> Answer {
    let settings = &cache.settings;
    let asking = lookup(&name.host, name.port, settings.family);
    let answer = match settings.query_timeout {
        None => asking.await,
        Some(limit) => match tokio::time::timeout(limit, asking).await {
            Ok(answer) => answer,
            Err(_) => {
                cache.stats.dns_query_timeout().inc();
                Err("resolve_timeout".to_owned())
            }
        },
    };
    let mut addresses = match answer {
        Ok(addresses) => addresses,
        Err(reason) => return Answer::Failed(reason.replace(' ', "_").into()),
    };
    let found = addresses.len();
    if let Some(unwanted) = &settings.unwanted {
        addresses.retain(|address| !unwanted.contains(address.ip()));
    }
    if addresses.len() < found {
        cache.stats.dns_address_filter_out().inc();
    }
    match addresses.first() {
        Some(address) => Answer::Address(*address),
        None if found > 0 => Answer::Denied,
        None => Answer::Failed("no_records".into()),
    }
}

impl NameCache {
    /// Notes what a lookup brought.
    fn note(&self, name: &CachedName, answer: &Answer) {
        let stats = &self.stats;
        stats.dns_query_attempt().inc();
        let found = match answer {
            Answer::Address(address) => Found::Address(*address),
            Answer::Denied => Found::Nothing("address_denied".into()),
            Answer::Failed(reason) => Found::Nothing(reason.clone()),
        };
        match answer {
            Answer::Failed(_) => stats.dns_query_failure().inc(),
            Answer::Address(_) | Answer::Denied => stats.dns_query_success().inc(),
        }
        name.found.send_if_modified(|old| {
            let keeps = matches!((&*old, &found), (Found::Address(_), Found::Nothing(_)));
            if keeps || *old == found {
                return false;
            }
            if matches!(found, Found::Address(_)) {
                stats.host_address_changed().inc();
            }
            *old = found;
            true
        });
    }
}
