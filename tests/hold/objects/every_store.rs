//! The contract proper: each test runs on every store.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;

use super::{Store, every_store, pattern, read};

async fn keys(store: &Store, folder: &str) -> BTreeSet<String> {
    store.objects.list(folder).map_ok(|listed| listed.key).try_collect().await.unwrap()
}

#[tokio::test]
async fn what_is_put_is_there_and_nothing_else_is() {
    for store in every_store() {
        let name = &store.name;
        assert_eq!(store.read("a/b/data").await, None, "{name}");
        store.put("a/b/data", b"bytes").await;
        assert_eq!(store.read("a/b/data").await.as_deref(), Some(&b"bytes"[..]), "{name}");
        assert_eq!(store.objects.size("a/b/data").await.unwrap(), Some(5), "{name}");
        for missing in ["a/b", "a", "a/b/dat", "a/b/data/x"] {
            assert_eq!(store.objects.stat(missing).await.unwrap(), None, "{name} {missing}");
            assert!(store.objects.open_object(missing).await.unwrap().is_none(), "{name} {missing}");
        }
    }
}

#[tokio::test]
async fn other_bytes_under_a_key_have_another_etag() {
    for store in every_store() {
        store.put("a/data", b"first").await;
        let first = store.objects.stat("a/data").await.unwrap().unwrap();
        assert_eq!(store.objects.stat("a/data").await.unwrap().as_ref(), Some(&first), "{}", store.name);
        store.put("a/data", b"second!").await;
        let second = store.objects.stat("a/data").await.unwrap().unwrap();
        assert_ne!(first.etag, second.etag, "{}", store.name);
        assert_eq!(store.read("a/data").await.as_deref(), Some(&b"second!"[..]), "{}", store.name);
    }
}

#[tokio::test]
async fn an_empty_object_is_an_object() {
    for store in every_store() {
        store.put("a/empty", b"").await;
        assert_eq!(store.read("a/empty").await.as_deref(), Some(&b""[..]), "{}", store.name);
    }
}

#[tokio::test]
async fn ranges_are_exact() {
    let bytes = pattern(1_000_003);
    for store in every_store() {
        store.put("a/data", &bytes).await;
        for range in [0..1, 0..1_000_003, 999_999..1_000_003, 300_000..900_001, 5..5] {
            let object = store.objects.open_object("a/data").await.unwrap().unwrap();
            let found = read(object, range.clone()).await.unwrap();
            let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
            assert!(found == bytes[start..end], "{} {range:?}", store.name);
        }
        let object = store.objects.open_object("a/data").await.unwrap().unwrap();
        let error = read(object, 999_990..1_000_004).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{}", store.name);
    }
}

#[tokio::test]
async fn a_list_is_of_whole_segments() {
    for store in every_store() {
        for key in ["a/b/1", "a/b/2", "a/bc/3", "a/b/d/4", "z"] {
            store.put(key, key.as_bytes()).await;
        }
        let expected = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(keys(&store, "a/b").await, expected(&["a/b/1", "a/b/2", "a/b/d/4"]), "{}", store.name);
        assert_eq!(keys(&store, "").await, expected(&["a/b/1", "a/b/2", "a/b/d/4", "a/bc/3", "z"]), "{}", store.name);
        assert_eq!(keys(&store, "none").await, expected(&[]), "{}", store.name);
        let listed = store.objects.list("a/bc").try_collect::<Vec<_>>().await.unwrap();
        assert_eq!(listed[0].size_bytes, 6, "{}", store.name);
        // 2020 or later: the unit is microseconds.
        assert!(listed[0].modified_us > 1_577_836_800_000_000, "{}", store.name);
    }
}

#[tokio::test]
async fn deleting_can_be_repeated() {
    for store in every_store() {
        for key in ["a/1", "a/2", "a/3", "b/4"] {
            store.put(key, b"x").await;
        }
        store.objects.delete("a/1").await.unwrap();
        store.objects.delete("a/1").await.unwrap();
        store.objects.delete("never/was").await.unwrap();
        let many = ["a/1", "a/2", "a/3", "never/was"].map(str::to_owned);
        let removed = store.objects.remove_all(many.to_vec()).await;
        assert!(removed.failure.is_none(), "{}: {removed:?}", store.name);
        assert_eq!(BTreeSet::from_iter(removed.gone), BTreeSet::from(many), "{}", store.name);
        assert_eq!(keys(&store, "").await, BTreeSet::from(["b/4".to_owned()]), "{}", store.name);
    }
}
