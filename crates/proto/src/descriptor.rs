//! Descriptors of every embedded message, loaded on demand.
//!
//! The whole set is about 500 files; a pool of all of them costs tens of megabytes. The pool here
//! grows by the file that declares the wanted message and by what that file imports. Shared by the
//! whole process behind a mutex that is held only while a name is looked up or a file is added.

use std::sync::{Mutex, PoisonError};

use prost::Message;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use prost_types::FileDescriptorProto;

use self::index::{FILES, MESSAGES};

static BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Where one file is in the embedded bytes, and the positions of the files that it imports.
struct FileEntry {
    start: usize,
    end: usize,
    imports: &'static [u16],
}

#[allow(clippy::unreadable_literal)] // generated
mod index {
    use super::FileEntry;
    include!(concat!(env!("OUT_DIR"), "/descriptor_index.rs"));
}

static LOADED: Mutex<Loaded> = Mutex::new(Loaded {
    pool: None,
    files: Vec::new(),
});

struct Loaded {
    pool: Option<DescriptorPool>,
    /// True at the positions of the files that the pool holds.
    files: Vec<bool>,
}

/// The descriptor of a message by its full name, for example `envoy.config.core.v3.Node`.
/// `None` when no embedded file declares it.
pub fn message_descriptor(full_name: &str) -> Option<MessageDescriptor> {
    let found = MESSAGES
        .binary_search_by_key(&full_name, |(name, _)| name)
        .ok()?;
    // A panic while the lock was held can only come from the embedded bytes being malformed, and
    // then the pool is still the one from before: safe to go on with.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    loaded.load(usize::from(MESSAGES[found].1));
    loaded.pool.as_ref()?.get_message_by_name(full_name)
}

impl Loaded {
    fn load(&mut self, position: usize) {
        self.files.resize(FILES.len(), false);
        if self.files[position] {
            return;
        }
        let mut wanted = vec![position];
        let mut added = Vec::new();
        while let Some(position) = wanted.pop() {
            if std::mem::replace(&mut self.files[position], true) {
                continue;
            }
            let entry = &FILES[position];
            let file = FileDescriptorProto::decode(&BYTES[entry.start..entry.end])
                .expect("the build script encoded this very file");
            added.push(file);
            wanted.extend(entry.imports.iter().map(|&import| usize::from(import)));
        }
        self.pool
            .get_or_insert_default()
            .add_file_descriptor_protos(added)
            .expect("the build script compiled these files with all their imports");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_found_with_its_fields() {
        let node = message_descriptor("envoy.config.core.v3.Node").expect("a core message");
        assert!(node.get_field_by_name("cluster").is_some());
        assert!(message_descriptor("envoy.config.core.v3.Nothing").is_none());
    }

    #[test]
    fn every_embedded_message_loads() {
        for (name, _) in MESSAGES {
            assert!(message_descriptor(name).is_some(), "{name}");
        }
    }
}
