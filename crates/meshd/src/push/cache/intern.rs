//! One object per content: equal resources of different parts and generations share their bytes.
//!
//! This keeps a mesh with many scopes small, and makes comparing two generations a comparison of
//! pointers.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ferromesh_translate::Resource;
use ferromesh_xds::{EncodedResource, Version};

/// Resources by a hash of type, name and content.
#[derive(Debug, Default)]
pub(super) struct ResourceInterner {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_hash: HashMap<u64, Weak<EncodedResource>>,
    /// The dead ones are swept when the map has grown to this.
    sweep_at: usize,
}

/// The map is not swept below this size.
const SMALL: usize = 4096;

impl ResourceInterner {
    /// The one object for this content.
    pub(super) fn intern(
        &self,
        type_url: &'static str,
        resource: Resource,
    ) -> Arc<EncodedResource> {
        let version =
            Version::parse(&resource.version).unwrap_or_else(|| Version::of(&resource.message));
        let mut hasher = DefaultHasher::new();
        (type_url, &resource.name, version).hash(&mut hasher);
        let hash = hasher.finish();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.by_hash.get(&hash).and_then(Weak::upgrade)
            && same.name == resource.name
            && same.version == version
        {
            return same;
        }
        let made = Arc::new(EncodedResource {
            version,
            ..EncodedResource::new(type_url, resource.name, &resource.message)
        });
        known.by_hash.insert(hash, Arc::downgrade(&made));
        if known.by_hash.len() >= known.sweep_at.max(SMALL) {
            known.by_hash.retain(|_, weak| weak.strong_count() > 0);
            known.sweep_at = known.by_hash.len() * 2;
        }
        made
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_hash
            .len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_content_is_one_object_as_long_as_somebody_holds_it() {
        let interner = ResourceInterner::default();
        let make = |text: &'static str| interner.intern("t", Resource::new("a", text.as_bytes()));
        let first = make("same");
        assert!(Arc::ptr_eq(&first, &make("same")));
        assert!(!Arc::ptr_eq(&first, &make("other")));
        assert_eq!(first.version, Version::of(b"same"));
    }
}
