//! The caches of the process, by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ferromesh_types::Str;
use thiserror::Error;

use super::{NameCache, NameCacheSettings};
use crate::stats::{NameCacheStats, Stats};

/// The caches that somebody uses.
#[derive(Clone, Debug, Default)]
pub struct NameCaches {
    caches: Arc<Mutex<HashMap<Str, Weak<NameCache>>>>,
}

/// Another cache of this name is in use.
#[derive(Debug, Error)]
#[error("the cache {0} is in use with other settings; all who name it must describe it alike")]
pub struct OtherSettings(Str);

impl NameCaches {
    /// The cache of that name, made where nobody uses one yet.
    pub fn cache(
        &self,
        settings: NameCacheSettings,
        stats: &Stats,
    ) -> Result<Arc<NameCache>, OtherSettings> {
        let mut caches = self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        caches.retain(|_, cache| cache.strong_count() > 0);
        let name = settings.name.clone();
        if let Some(cache) = caches.get(&name).and_then(Weak::upgrade) {
            if *cache.settings() == settings {
                return Ok(cache);
            }
            return Err(OtherSettings(name));
        }
        let stats = NameCacheStats::new(stats, &format!("dns_cache.{name}."));
        let cache = Arc::new(NameCache::new(settings, stats));
        caches.insert(name, Arc::downgrade(&cache));
        Ok(cache)
    }
}
