//! Settings of HTTP filters that a route, a virtual host or a route table carries.
//!
//! What they mean is the filters' business, and filters live above this crate: here they are one
//! opaque value that the data plane puts in when it compiles a table and takes out per request.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// The settings of one level; empty for nearly all of them.
#[derive(Clone, Default)]
pub struct FilterSettings(Option<Arc<dyn Any + Send + Sync>>);

impl FilterSettings {
    /// Keeps `settings`.
    pub fn new<T: Any + Send + Sync>(settings: T) -> Self {
        Self(Some(Arc::new(settings)))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The settings, where they are of type `T`.
    pub fn find<T: Any>(&self) -> Option<&T> {
        self.0
            .as_deref()
            .and_then(|settings| settings.downcast_ref())
    }
}

impl fmt::Debug for FilterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if self.is_empty() { "none" } else { "some" };
        f.debug_tuple("FilterSettings").field(&text).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_out_as_what_they_went_in() {
        let settings = FilterSettings::new(7_u32);
        assert_eq!(settings.find::<u32>(), Some(&7));
        assert_eq!(settings.find::<u64>(), None);
        assert!(FilterSettings::default().is_empty());
    }
}
