//! The store: what broken text may change, and what it may not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Store;
use crate::file::Why;
use crate::scan::Rank;

struct Fixture {
    root: tempfile::TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        Self {
            root: tempfile::tempdir().expect("a temporary directory"),
            store: Store::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file and takes it.
    fn put(&mut self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        self.store.look_at(&path, Rank::Config, Why::Written);
        self.store.take_changes();
    }

    /// Objects in force with their text.
    fn in_force(&self) -> BTreeMap<String, String> {
        let text = |object: &ferromesh_config::Object| object.raw.text().to_owned();
        self.store
            .objects()
            .map(|object| (object.key.to_string(), text(object)))
            .collect()
    }
}

fn service(name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\nspec:\n  ports:\n  - port: {port}\n"
    )
}

#[test]
fn a_text_cut_at_any_place_never_touches_other_files() {
    let mut fixture = Fixture::new();
    let both = format!("{}---\n{}", service("a", 80), service("b", 80));
    fixture.put("other.yaml", &service("other", 80));
    for cut in 0..both.len() {
        fixture.put("own.yaml", &both);
        let before = fixture.in_force();
        assert_eq!(before.len(), 3);
        fixture.put("own.yaml", &both[..cut]);
        let after = fixture.in_force();
        assert_eq!(
            after["Service default/other"], before["Service default/other"],
            "cut at {cut}"
        );
        let broken = fixture.store.problems();
        assert!(
            broken.iter().all(|problem| problem.origin.is_some()),
            "cut at {cut}"
        );
        // What is broken and does not say what it is may be any of the missing ones.
        if broken
            .iter()
            .any(|problem| problem.is_error() && problem.key.is_none())
        {
            assert_eq!(after.len(), 3, "cut at {cut}: {broken:?}");
        }
    }
}

#[test]
fn an_object_with_a_broken_kind_keeps_its_last_good_version() {
    let mut fixture = Fixture::new();
    fixture.put("a.yaml", &service("a", 80));
    let before = fixture.in_force();
    fixture.put("a.yaml", &service("a", 81).replace("Service", "Srvice"));
    assert_eq!(fixture.in_force(), before);
    fixture.put("a.yaml", &service("a", 81).replace("name: a", "nam: a"));
    assert_eq!(fixture.in_force(), before);
    fixture.put("a.yaml", "");
    assert!(fixture.in_force().is_empty());
}

#[test]
fn a_file_that_cannot_be_read_keeps_its_objects() {
    let mut fixture = Fixture::new();
    fixture.put("a.yaml", &service("a", 80));
    let before = fixture.in_force();
    fs::write(fixture.path("a.yaml"), [0xff, 0xfe, 0x00]).expect("written");
    let path = fixture.path("a.yaml");
    fixture.store.look_at(&path, Rank::Config, Why::Written);
    assert_eq!(fixture.store.take_changes(), Some(Vec::new()));
    assert_eq!(fixture.in_force(), before);
    assert_eq!(fixture.store.problems().len(), 1);
}

#[test]
fn a_look_at_an_unchanged_file_changes_nothing() {
    let mut fixture = Fixture::new();
    fixture.put("a.yaml", &service("a", 80));
    let path = fixture.path("a.yaml");
    fixture.store.look_at(&path, Rank::Config, Why::Routine);
    fixture.store.look_at(&path, Rank::Config, Why::Written);
    assert_eq!(fixture.store.take_changes(), None);
    fixture
        .store
        .look_at(Path::new("/nowhere.yaml"), Rank::Config, Why::Routine);
    assert_eq!(fixture.store.take_changes(), None);
}
