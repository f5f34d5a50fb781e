//! Resources as they are sent: encoded once, shared by every stream, compared by content.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use ferromesh_types::Str;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

/// The version of one resource: a hash of its content, so that equal content has equal versions, also
/// after a restart of the control plane. On the wire it is 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

impl Version {
    /// The version of an encoded message.
    pub fn of(message: &[u8]) -> Self {
        // Fixed keys: the same bytes must give the same version in every process.
        let mut hasher = DefaultHasher::new();
        hasher.write(message);
        Self(hasher.finish())
    }

    /// Reads a version that this side wrote earlier; anything else is "not ours".
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 16 {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A named resource with its encoded `google.protobuf.Any`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedResource {
    /// The name that clients subscribe to.
    pub name: Str,
    /// Hash of the content.
    pub version: Version,
    /// The encoded `Any`: type URL and message.
    pub body: Bytes,
}

impl EncodedResource {
    /// Wraps an encoded message into its `Any`.
    pub fn new(type_url: &str, name: impl Into<Str>, message: &[u8]) -> Self {
        let length = 1
            + encoded_len_varint(type_url.len() as u64)
            + type_url.len()
            + 1
            + encoded_len_varint(message.len() as u64)
            + message.len();
        let mut body = BytesMut::with_capacity(length);
        put_field(&mut body, 1, type_url.as_bytes());
        put_field(&mut body, 2, message);
        Self {
            name: name.into(),
            version: Version::of(message),
            body: body.freeze(),
        }
    }
}

/// Writes one length-delimited field.
fn put_field(buffer: &mut impl BufMut, tag: u32, value: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, buffer);
    encode_varint(value.len() as u64, buffer);
    buffer.put_slice(value);
}

/// Resources of one type, sorted by name; names are unique.
#[derive(Clone, Debug, Default)]
pub struct ResourceSet(Box<[Arc<EncodedResource>]>);

/// What has to be sent so that a holder of one set comes to hold another.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Resources that are new or differ, by name.
    pub changed: Vec<Arc<EncodedResource>>,
    /// Names that are gone, in order.
    pub removed: Vec<Str>,
}

impl Difference {
    /// Whether both sets hold the same.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

impl ResourceSet {
    /// The resource called `name`.
    pub fn find(&self, name: &str) -> Option<&Arc<EncodedResource>> {
        let index = self
            .0
            .binary_search_by(|resource| resource.name.as_str().cmp(name));
        index.ok().map(|index| &self.0[index])
    }

    /// All resources by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<EncodedResource>> {
        self.0.iter()
    }

    /// The resource at `index` in the order of names.
    pub fn at(&self, index: usize) -> Option<&Arc<EncodedResource>> {
        self.0.get(index)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a holder of `self` lacks, and holds too much, compared with `target`.
    ///
    /// Sets of neighbouring generations share most of their pointers, so that the walk rarely
    /// looks at a name.
    pub fn difference(&self, target: &Self) -> Difference {
        let mut difference = Difference::default();
        let (mut old, mut new) = (self.0.iter().peekable(), target.0.iter().peekable());
        loop {
            match (old.peek(), new.peek()) {
                (Some(held), Some(wanted)) if Arc::ptr_eq(held, wanted) => {
                    old.next();
                    new.next();
                }
                (Some(held), Some(wanted)) => match held.name.cmp(&wanted.name) {
                    std::cmp::Ordering::Less => {
                        difference.removed.push(held.name.clone());
                        old.next();
                    }
                    std::cmp::Ordering::Greater => {
                        difference.changed.push(Arc::clone(wanted));
                        new.next();
                    }
                    std::cmp::Ordering::Equal => {
                        if held.version != wanted.version {
                            difference.changed.push(Arc::clone(wanted));
                        }
                        old.next();
                        new.next();
                    }
                },
                (Some(held), None) => {
                    difference.removed.push(held.name.clone());
                    old.next();
                }
                (None, Some(wanted)) => {
                    difference.changed.push(Arc::clone(wanted));
                    new.next();
                }
                (None, None) => return difference,
            }
        }
    }
}

impl FromIterator<Arc<EncodedResource>> for ResourceSet {
    fn from_iter<I: IntoIterator<Item = Arc<EncodedResource>>>(resources: I) -> Self {
        let mut resources: Vec<_> = resources.into_iter().collect();
        if !resources.is_sorted_by(|a, b| a.name < b.name) {
            resources.sort_by(|a, b| a.name.cmp(&b.name));
            // The first of two resources with one name wins, as in the order of generation.
            resources.dedup_by(|later, first| later.name == first.name);
        }
        Self(resources.into_boxed_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(name: &str, text: &str) -> Arc<EncodedResource> {
        Arc::new(EncodedResource::new(
            "type.googleapis.com/x",
            name,
            text.as_bytes(),
        ))
    }

    #[test]
    fn the_difference_lists_what_is_new_changed_and_gone() {
        let kept = resource("b", "same");
        let old: ResourceSet = [
            resource("a", "1"),
            Arc::clone(&kept),
            resource("c", "1"),
            resource("d", "1"),
        ]
        .into_iter()
        .collect();
        let new: ResourceSet = [
            resource("c", "2"),
            kept,
            resource("d", "1"),
            resource("e", "1"),
        ]
        .into_iter()
        .collect();
        let difference = old.difference(&new);
        let changed: Vec<_> = difference.changed.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(changed, ["c", "e"]);
        assert_eq!(difference.removed, ["a"]);
        assert!(new.difference(&new).is_empty());
    }

    #[test]
    fn versions_are_the_same_in_every_process_and_read_back() {
        let version = Version::of(b"abc");
        assert_eq!(Version::parse(&version.to_string()), Some(version));
        assert_eq!(Version::parse("2026-01-01T00:00:00Z/3"), None);
        assert_eq!(version, Version::of(b"abc"));
    }

    #[test]
    fn the_body_is_an_encoded_any() {
        use prost::Message as _;
        let resource = resource("a", "payload");
        let any = ferromesh_proto::google::protobuf::Any::decode(resource.body.clone())
            .expect("an encoded Any");
        assert_eq!(any.type_url, "type.googleapis.com/x");
        assert_eq!(any.value, b"payload");
    }
}
