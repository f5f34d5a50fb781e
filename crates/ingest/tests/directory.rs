//! A watched directory: what is heard of, what stays in force, what is reported.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ferromesh_config::Code;
use ferromesh_ingest::{Batch, DirectorySettings, DirectorySource, load_directory};
use tokio::sync::mpsc;

struct Fixture {
    root: tempfile::TempDir,
    batches: mpsc::Receiver<Batch>,
}

impl Fixture {
    /// Writes the files, starts the source and takes the first batch.
    async fn start(files: &[(&str, String)]) -> (Self, Batch) {
        let root = tempfile::tempdir().expect("a temporary directory");
        for directory in ["config", "status"] {
            fs::create_dir(root.path().join(directory)).expect("created");
        }
        for (name, text) in files {
            fs::write(root.path().join(name), text).expect("written");
        }
        let path = |name: &str| vec![root.path().join(name)];
        let source = DirectorySource::new(DirectorySettings::new(path("config"), path("status")));
        let (sender, batches) = mpsc::channel(16);
        tokio::spawn(source.run(sender));
        let mut fixture = Self { root, batches };
        let first = fixture.next().await;
        assert!(first.initial);
        (fixture, first)
    }

    async fn next(&mut self) -> Batch {
        tokio::time::timeout(Duration::from_secs(20), self.batches.recv())
            .await
            .expect("a batch within the time")
            .expect("the source runs")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        fs::write(path, text).expect("written");
    }

    /// Writes beside the file and moves into place.
    fn replace(&self, name: &str, text: &str) {
        let beside = self.path("beside.tmp");
        fs::write(&beside, text).expect("written");
        fs::rename(beside, self.path(name)).expect("moved");
    }
}

fn service(name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{ports: [{{name: http, port: {port}}}]}}\n"
    )
}

/// `+a` came, `~a` changed, `-a` went.
fn summary(batch: &Batch) -> Vec<String> {
    batch
        .changes
        .iter()
        .map(|change| {
            let sign = match (&change.old, &change.new) {
                (None, _) => '+',
                (_, None) => '-',
                _ => '~',
            };
            format!("{sign}{}", change.key.name)
        })
        .collect()
}

fn codes(batch: &Batch) -> Vec<Code> {
    batch.problems.iter().map(|problem| problem.code).collect()
}

#[tokio::test]
async fn edits_moves_and_deletes_are_heard_of() {
    let files = [
        ("config/a.yaml", service("a", 80)),
        ("config/b.yaml", service("b", 80)),
    ];
    let (mut fixture, first) = Fixture::start(&files).await;
    assert_eq!(summary(&first), ["+a", "+b"]);

    fixture.write("config/a.yaml", &service("a", 81));
    assert_eq!(summary(&fixture.next().await), ["~a"]);

    fixture.replace(
        "config/a.yaml",
        &format!("{}---\n{}", service("a", 81), service("c", 80)),
    );
    assert_eq!(summary(&fixture.next().await), ["+c"]);

    fs::remove_file(fixture.path("config/b.yaml")).expect("removed");
    assert_eq!(summary(&fixture.next().await), ["-b"]);
}

#[tokio::test]
async fn a_broken_edit_is_reported_and_the_last_good_version_stays() {
    let both = format!("{}---\n{}", service("a", 80), service("b", 80));
    let (mut fixture, _) = Fixture::start(&[("config/a.yaml", both.clone())]).await;

    fixture.replace(
        "config/a.yaml",
        &format!("{}---\n{}", service("a", 81), "kind: [Service\n"),
    );
    let batch = fixture.next().await;
    assert_eq!(summary(&batch), ["~a"]);
    assert_eq!(codes(&batch), [Code::Syntax]);
    let origin = batch.problems[0].origin.as_ref().expect("a place");
    assert!(
        origin.file.ends_with("config/a.yaml") && origin.line >= 5,
        "{origin}"
    );

    let wrong = "apiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: 7}\n";
    fixture.replace(
        "config/a.yaml",
        &format!("{}---\n{wrong}", service("a", 81)),
    );
    let batch = fixture.next().await;
    assert!(batch.changes.is_empty());
    assert_eq!(batch.problems[0].field, "spec.ports");

    fixture.replace("config/a.yaml", &both);
    let batch = fixture.next().await;
    assert_eq!(summary(&batch), ["~a"]);
    assert!(batch.problems.is_empty());
}

#[tokio::test]
async fn the_first_of_two_equal_objects_stays_until_it_goes() {
    let (mut fixture, _) = Fixture::start(&[("config/b.yaml", service("a", 80))]).await;
    fixture.write("config/a.yaml", &service("a", 81));
    let batch = fixture.next().await;
    assert!(batch.changes.is_empty());
    assert_eq!(codes(&batch), [Code::Duplicate]);
    let text = batch.problems[0].to_string();
    assert!(
        text.contains("a.yaml:1") && text.contains("b.yaml:1"),
        "{text}"
    );

    fs::remove_file(fixture.path("config/b.yaml")).expect("removed");
    let batch = fixture.next().await;
    assert_eq!(summary(&batch), ["~a"]);
    assert!(batch.problems.is_empty());
}

#[tokio::test]
async fn what_the_machine_writes_wins_without_being_a_duplicate() {
    let (mut fixture, _) = Fixture::start(&[("config/a.yaml", service("a", 80))]).await;
    fixture.replace("status/a.yaml", &service("a", 90));
    let batch = fixture.next().await;
    assert_eq!(summary(&batch), ["~a"]);
    assert!(batch.problems.is_empty());
    fs::remove_file(fixture.path("status/a.yaml")).expect("removed");
    assert_eq!(summary(&fixture.next().await), ["~a"]);
}

#[tokio::test]
async fn directories_come_and_go() {
    let (mut fixture, _) = Fixture::start(&[]).await;
    fs::create_dir(fixture.path("made")).expect("created");
    fixture.write("made/deep/a.yml", &service("a", 80));
    fs::rename(fixture.path("made"), fixture.path("config/made")).expect("moved");
    assert_eq!(summary(&fixture.next().await), ["+a"]);
    fixture.write(
        "config/made/deep/b.json",
        r#"{"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "b"}}"#,
    );
    assert_eq!(summary(&fixture.next().await), ["+b"]);
    fs::remove_dir_all(fixture.path("config/made")).expect("removed");
    assert_eq!(summary(&fixture.next().await), ["-b", "-a"]);
}

#[tokio::test]
async fn a_file_is_not_looked_at_before_its_writer_is_done() {
    let (mut fixture, _) = Fixture::start(&[("config/a.yaml", service("a", 80))]).await;
    let mut file = fs::File::create(fixture.path("config/a.yaml")).expect("truncated");
    file.write_all(b"apiVersion: v1\nkind: Serv")
        .expect("written");
    file.flush().expect("flushed");
    // Another file's event makes the source read what it has heard so far.
    fixture.write("config/b.yaml", &service("b", 80));
    let batch = fixture.next().await;
    assert_eq!(summary(&batch), ["+b"]);
    assert!(batch.problems.is_empty());
    file.write_all(b"ice\nmetadata: {name: a}\nspec: {ports: [{port: 82}]}\n")
        .expect("written");
    drop(file);
    assert_eq!(summary(&fixture.next().await), ["~a"]);
}

#[tokio::test]
async fn a_file_that_is_saved_by_moving_never_goes() {
    let (mut fixture, _) = Fixture::start(&[("config/a.yaml", service("a", 80))]).await;
    fs::rename(
        fixture.path("config/a.yaml"),
        fixture.path("config/a.yaml~"),
    )
    .expect("moved");
    fixture.write("config/a.yaml", &service("a", 81));
    assert_eq!(summary(&fixture.next().await), ["~a"]);
}

#[test]
fn a_directory_is_read_once_without_watching() {
    let root = tempfile::tempdir().expect("a temporary directory");
    fs::write(root.path().join("a.yaml"), service("a", 80)).expect("written");
    fs::write(root.path().join("b.yaml"), "kind: Nothing\n").expect("written");
    let loaded = load_directory(root.path());
    assert_eq!(loaded.objects.len(), 1);
    assert_eq!(loaded.problems.len(), 1);
    assert_eq!(
        load_directory(Path::new("/nowhere/at/all")).problems[0].code,
        Code::Unreadable
    );
}
