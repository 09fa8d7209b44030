//! What only a file system has: staging, publishing, and other local users.

use super::{Store, WayIn, file_system, read};

fn staging(store: &Store) -> (&atcr_hold::objects::Staging, &std::path::Path) {
    match &store.way_in {
        WayIn::Files { staging, directory } => (staging, directory.path()),
        _ => panic!("it is a file system"),
    }
}

#[tokio::test]
async fn nothing_is_under_a_key_until_it_is_published() {
    let store = file_system();
    let (staging, _) = staging(&store);
    staging.make_folder("u").unwrap();
    let file = staging.open_file("u/main").unwrap();
    file.write_at(b"bytes", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(store.read("a/b/data").await, None);
    staging.publish("u/main", "a/b/data").unwrap();
    staging.sync_key("a/b/data").unwrap();
    assert_eq!(store.read("a/b/data").await.as_deref(), Some(&b"bytes"[..]));
    assert!(staging.find_file("u/main").unwrap().is_none());
}

#[tokio::test]
async fn publishing_replaces_and_an_open_object_stays_as_it_was() {
    let store = file_system();
    store.put("a/data", b"first").await;
    let before = store.objects.open_object("a/data").await.unwrap().unwrap();
    store.put("a/data", b"second!").await;
    assert_eq!(read(before, 0..5).await.unwrap(), b"first");
    assert_eq!(store.read("a/data").await.as_deref(), Some(&b"second!"[..]));
}

#[tokio::test]
async fn what_is_not_in_the_page_cache_is_read_all_the_same() {
    let store = file_system();
    let bytes: Vec<u8> = (0..900_001_u32).map(|n| (n % 251) as u8).collect();
    store.put("a/data", &bytes).await;
    let (_, directory) = staging(&store);
    let file = std::fs::File::open(directory.join("a/data")).unwrap();
    // All of it, then the middle of it, then none is missing there.
    for missing in [0..900_001_u64, 300_000..400_000, 0..0] {
        if let Some(length) = std::num::NonZero::new(missing.end - missing.start) {
            rustix::fs::fadvise(&file, missing.start, Some(length), rustix::fs::Advice::DontNeed).unwrap();
        }
        assert!(store.read("a/data").await.as_deref() == Some(&bytes[..]), "without {missing:?}");
        let object = store.objects.open_object("a/data").await.unwrap().unwrap();
        assert!(read(object, 299_999..700_000).await.unwrap() == bytes[299_999..700_000]);
    }
}

#[tokio::test]
async fn removing_what_is_not_there_is_no_error() {
    let store = file_system();
    let (staging, _) = staging(&store);
    staging.make_folder("u").unwrap();
    staging.open_file("u/one").unwrap();
    for name in ["u/one", "u/one", "u", "u", "never"] {
        staging.remove(name).unwrap();
    }
    assert!(staging.names(None).unwrap().is_empty());
    assert!(staging.names(Some("u")).unwrap().is_empty());
}

#[tokio::test]
async fn other_local_users_cannot_read_objects() {
    use std::os::unix::fs::PermissionsExt as _;
    let store = file_system();
    store.put("a/b/data", b"bytes").await;
    let (_, directory) = staging(&store);
    for name in ["a", "a/b", "a/b/data", "uploads"] {
        let mode = std::fs::metadata(directory.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{name}: {mode:o}");
    }
}
