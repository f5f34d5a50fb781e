//! `Resource`: one generated xDS resource, encoded once, with a version that names its content.

use std::hash::{DefaultHasher, Hasher};

use bytes::Bytes;
use ferromesh_types::Str;

/// An encoded resource. Equal content has an equal version, whoever generated it and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The resource's name, as proxies ask for it.
    pub name: Str,
    /// The encoded message (a `Cluster`, a `Listener` …), not wrapped in an `Any`.
    pub message: Bytes,
    /// A hash of the content, 16 hexadecimal digits.
    pub version: Str,
}

impl Resource {
    /// Takes an encoded message under its name.
    pub fn new(name: impl Into<Str>, message: impl Into<Bytes>) -> Self {
        let message = message.into();
        Self {
            name: name.into(),
            version: content_version(&message),
            message,
        }
    }
}

/// The version of some content. 64 bits are enough: versions are compared only between two
/// contents of one name.
fn content_version(content: &[u8]) -> Str {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    format!("{:016x}", hasher.finish()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_content_has_an_equal_version_and_other_content_another() {
        let version = |bytes: &'static [u8]| Resource::new("a", bytes).version;
        assert_eq!(version(b"same"), version(b"same"));
        assert_ne!(version(b"same"), version(b"other"));
    }
}
