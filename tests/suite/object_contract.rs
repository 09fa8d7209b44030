//! What every store behind `storage::objects` must keep. Only the file system is one today.

use atcr_hold::storage::objects::{Objects, Staging};
use futures_util::TryStreamExt as _;

struct Store {
    directory: tempfile::TempDir,
    objects: Objects,
    staging: Staging,
}

fn file_system() -> Store {
    let directory = tempfile::tempdir().unwrap();
    let objects = Objects::open(directory.path()).unwrap();
    let staging = Staging::open(directory.path(), "uploads").unwrap();
    Store { directory, objects, staging }
}

impl Store {
    fn stage(&self, name: &str, bytes: &[u8]) {
        self.staging.make_folder("u").unwrap();
        let file = self.staging.open_file(name).unwrap();
        file.write_at(bytes, 0).unwrap();
        file.sync().unwrap();
    }

    fn publish(&self, name: &str, key: &str) {
        self.staging.publish(name, key).unwrap();
        self.staging.sync_key(key).unwrap();
    }

    async fn read(&self, key: &str) -> Option<Vec<u8>> {
        let object = self.objects.open_object(key).await.unwrap()?;
        assert_eq!(self.objects.size(key).await.unwrap(), Some(object.size_bytes()));
        let size_bytes = object.size_bytes();
        Some(object.stream(0..size_bytes).try_collect::<Vec<_>>().await.unwrap().concat())
    }
}

#[tokio::test]
async fn nothing_is_under_a_key_until_it_is_published() {
    let store = file_system();
    store.stage("u/main", b"bytes");
    assert_eq!(store.read("a/b/data").await, None);
    assert_eq!(store.objects.size("a/b/data").await.unwrap(), None);
    assert_eq!(store.objects.size("a/b").await.unwrap(), None);
    store.publish("u/main", "a/b/data");
    assert_eq!(store.read("a/b/data").await.as_deref(), Some(&b"bytes"[..]));
    assert!(store.staging.find_file("u/main").unwrap().is_none());
}

#[tokio::test]
async fn publishing_replaces_and_an_open_object_stays_as_it_was() {
    let store = file_system();
    store.stage("u/one", b"first");
    store.publish("u/one", "a/data");
    let before = store.objects.open_object("a/data").await.unwrap().unwrap();
    store.stage("u/two", b"second!");
    store.publish("u/two", "a/data");
    assert_eq!(before.stream(0..5).try_collect::<Vec<_>>().await.unwrap().concat(), b"first");
    assert_eq!(store.read("a/data").await.as_deref(), Some(&b"second!"[..]));
}

#[tokio::test]
async fn a_directory_is_no_object() {
    let store = file_system();
    store.stage("u/one", b"");
    store.publish("u/one", "a/b/data");
    assert_eq!(store.objects.size("a/b").await.unwrap(), None);
    assert!(store.objects.open_object("a/b").await.unwrap().is_none());
    assert_eq!(store.read("a/b/data").await.as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn removing_what_is_not_there_is_no_error() {
    let store = file_system();
    store.stage("u/one", b"1");
    for name in ["u/one", "u/one", "u", "u", "never"] {
        store.staging.remove(name).unwrap();
    }
    assert!(store.staging.names(None).unwrap().is_empty());
    assert!(store.staging.names(Some("u")).unwrap().is_empty());
}

#[tokio::test]
async fn other_local_users_cannot_read_objects() {
    use std::os::unix::fs::PermissionsExt as _;
    let store = file_system();
    store.stage("u/main", b"bytes");
    store.publish("u/main", "a/b/data");
    for name in ["a", "a/b", "a/b/data", "uploads"] {
        let mode = std::fs::metadata(store.directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{name}: {mode:o}");
    }
}
