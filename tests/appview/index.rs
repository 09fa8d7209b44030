//! What can be searched for: what records come to, what is shown of them, what one account may have, and whatever anybody
//! writes or types.

use std::sync::atomic::{AtomicU64, Ordering};

use atcr_appview::index::{
    Change, ChangeKind, FoundRepositories, Index, IndexLimits, RepositoryOrder, SearchWords, SourceCursor, StarCount,
};
use atcr_appview::schema;
use atproto::syntax::{Did, Handle, ImageName};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::did_server::plc as did;

const HOLD: &str = "did:web:hold.example.org";
const PRIVATE: &str = "did:web:private.example.org";
static NOW: AtomicU64 = AtomicU64::new(1_800_000_000_000_000);

fn now_us() -> u64 {
    NOW.fetch_add(1, Ordering::Relaxed)
}

/// An index of its own.
pub(crate) struct Place {
    index: Index,
    _folder: TempDir,
}

impl Place {
    /// The time of the index, which goes on with each look at it.
    pub(crate) fn now_us(&self) -> u64 {
        now_us()
    }
}

impl std::ops::Deref for Place {
    type Target = Index;
    fn deref(&self) -> &Index {
        &self.index
    }
}

pub(crate) fn place(limits: IndexLimits) -> Place {
    let folder = TempDir::new().unwrap();
    let database = schema::open(&folder.path().join("appview.db")).unwrap();
    Place { index: Index::new(database, limits, now_us), _folder: folder }
}

pub(crate) fn usual() -> Place {
    place(IndexLimits::of_total(100_000))
}

fn hex(text: &str) -> String {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(text);
    data_encoding::HEXLOWER.encode(&digest)
}

pub(crate) fn manifest(name: &str, seed: &str, hold: &str, about: &str) -> (String, Value) {
    let hex = hex(seed);
    let record = json!({
        "$type": "io.atcr.manifest", "repository": name, "digest": format!("sha256:{hex}"), "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "createdAt": "2026-01-01T00:00:00Z", "holdDid": hold,
        "config": { "digest": "x", "size": 5 }, "layers": [{ "digest": "y", "size": 10 }],
        "annotations": { "org.opencontainers.image.description": about },
    });
    (hex, record)
}

pub(crate) fn tag(account: &Did, name: &str, tag: &str, hex: &str, day: u32) -> (String, Value) {
    let manifest = format!("at://{account}/io.atcr.manifest/{hex}");
    let at = format!("2026-02-{day:02}T00:00:00Z");
    let record = json!({ "repository": name, "tag": tag, "manifest": manifest, "updatedAt": at });
    (format!("{}_{tag}", name.replace('/', "~")), record)
}

pub(crate) fn change(account: &Did, collection: &str, (key, record): &(String, Value)) -> Option<Change> {
    Change::of(account, collection, key, Some(record), 1_800_000_000_000_000)
}

/// An image with a tag, at a hold.
pub(crate) fn image(account: &Did, name: &str, version: &str, hold: &str, about: &str) -> Vec<Change> {
    let manifest = manifest(name, &format!("{name}{version}"), hold, about);
    let tag = tag(account, name, version, &manifest.0, 1);
    [change(account, "io.atcr.manifest", &manifest), change(account, "io.atcr.tag", &tag)]
        .into_iter()
        .flatten()
        .collect()
}

async fn found(index: &Index, text: &str) -> FoundRepositories {
    let words = SearchWords::of(text).expect("words");
    index.search(&words, RepositoryOrder::Pushed, 10, None).await.unwrap()
}

async fn names(index: &Index, text: &str) -> Vec<String> {
    found(index, text).await.repositories.iter().map(|found| found.name.to_string()).collect()
}

fn of(account: &Did, kind: ChangeKind) -> Vec<Change> {
    vec![Change { account: account.clone(), kind }]
}

pub(crate) async fn says(index: &Index, hold: &str, is_public: bool) {
    index.set_hold_is_public(&Did::parse(hold).unwrap(), Some(is_public), u64::MAX >> 1).await.unwrap();
}

#[tokio::test]
async fn an_image_is_found_by_its_name_owner_words_and_tags_once_its_hold_is_public() {
    let (index, alice) = (usual(), did(2));
    index.apply(image(&alice, "team/tide-tables", "v1.2", HOLD, "Café of the harbour"), None).await.unwrap();
    index.apply(image(&alice, "secret", "v1", PRIVATE, "Café"), None).await.unwrap();
    assert_eq!(names(&index, "tide").await, [""; 0], "whether its hold is public is not known");
    assert_eq!(index.due_holds(10).await.unwrap().len(), 2);
    says(&index, HOLD, true).await;
    says(&index, PRIVATE, false).await;
    index.set_handle(&alice, Ok(Some(Handle::parse("Alice.Example.org").unwrap())), u64::MAX >> 1).await.unwrap();
    for text in [
        "tide",
        "TIDE-tab",
        "team/tide-tables:v1.2",
        "cafe",
        "harb",
        "alice.example",
        "v1",
        "alice.example.org/team/tide-tables",
        alice.as_str(),
    ] {
        assert_eq!(names(&index, text).await, ["team/tide-tables"], "{text}");
    }
    for text in ["secret", "ables", "tide nothing"] {
        assert_eq!(names(&index, text).await, [""; 0], "{text}");
    }
    let found = found(&index, "tide").await.repositories.remove(0);
    assert_eq!(found.handle.unwrap().as_str(), "alice.example.org");
    assert_eq!(
        (found.size_bytes, found.tags, found.description.as_deref()),
        (Some(15), 1, Some("Café of the harbour"))
    );
    says(&index, HOLD, false).await;
    assert_eq!(names(&index, "tide").await, [""; 0]);
}

#[tokio::test]
async fn what_is_deleted_deactivated_or_gone_is_not_found() {
    let (index, alice, bob) = (usual(), did(2), did(3));
    index.apply(image(&alice, "app", "v1", HOLD, ""), None).await.unwrap();
    index.apply(image(&bob, "app", "v1", HOLD, ""), None).await.unwrap();
    says(&index, HOLD, true).await;
    assert_eq!(names(&index, "app").await.len(), 2);
    index.apply(of(&alice, ChangeKind::Active(false)), None).await.unwrap();
    assert_eq!(found(&index, "app").await.repositories[0].owner, bob);
    index.apply(image(&alice, "app", "v2", HOLD, ""), None).await.unwrap();
    assert_eq!(names(&index, "app").await.len(), 1, "also what is new of it");
    index.apply(of(&alice, ChangeKind::Active(true)), None).await.unwrap();
    assert_eq!(names(&index, "app").await.len(), 2);
    let gone = Change::of(&alice, "io.atcr.tag", "app_v2", None, 0).unwrap();
    index.apply(vec![gone], None).await.unwrap();
    assert_eq!(names(&index, "v2").await, [""; 0]);
    let manifests = ["appv1", "appv2"].map(|seed| Change::of(&alice, "io.atcr.manifest", &hex(seed), None, 0).unwrap());
    index.apply(manifests.into(), None).await.unwrap();
    assert_eq!(names(&index, "app").await.len(), 1, "a tag that leads nowhere is no image");
    index.apply(of(&bob, ChangeKind::Gone), None).await.unwrap();
    assert_eq!(names(&index, "app").await, [""; 0]);
    assert_eq!(index.totals().await.unwrap().accounts, 1);
}

#[tokio::test]
async fn events_may_come_twice_and_in_any_order() {
    let (index, alice) = (usual(), did(2));
    let mut all = image(&alice, "app", "v1", HOLD, "first");
    all.extend(image(&alice, "app", "v2", HOLD, "second"));
    all.reverse();
    index.apply(all.clone(), Some(SourceCursor { source: "source".into(), cursor: 7 })).await.unwrap();
    says(&index, HOLD, true).await;
    let before = found(&index, "app").await;
    let records = index.totals().await.unwrap().records;
    index.apply(all.clone(), Some(SourceCursor { source: "source".into(), cursor: 8 })).await.unwrap();
    all.reverse();
    index.apply(all, None).await.unwrap();
    assert_eq!((found(&index, "app").await, index.totals().await.unwrap().records), (before, records));
    assert_eq!(
        (records, index.cursor("source").await.unwrap(), index.cursor("other").await.unwrap()),
        (5, Some(8), None)
    );
}

#[tokio::test]
async fn stars_count_once_an_account_and_pulls_by_the_hold_that_has_the_image() {
    let (index, alice, bob) = (usual(), did(2), did(3));
    let name = ImageName::parse("team/app").unwrap();
    let star = |key: &str| {
        let subject = format!("at://{alice}/io.atcr.repo.page/team~app");
        let record = json!({ "subject": subject, "createdAt": "2026-01-01T00:00:00Z" });
        Change::of(&bob, "io.atcr.sailor.star", key, Some(&record), 0).unwrap()
    };
    index.apply(vec![star("a")], None).await.unwrap();
    index.apply(image(&alice, "team/app", "v1", HOLD, ""), None).await.unwrap();
    index.apply(vec![star("b"), star("b")], None).await.unwrap();
    says(&index, HOLD, true).await;
    assert_eq!(index.stars(&alice, &name, Some(&bob)).await.unwrap().count, 1);
    assert_eq!(found(&index, "app").await.repositories[0].stars, 1);
    let stats = |hold: &str, pulls: u64| {
        let record = json!({ "ownerDid": alice, "repository": "team/app", "pullCount": pulls, "pushCount": 1, "updatedAt": "2026-01-01T00:00:00Z" });
        Change::of(&Did::parse(hold).unwrap(), "io.atcr.hold.stats", "x", Some(&record), 0).unwrap()
    };
    index.apply(vec![stats(HOLD, 5), stats(PRIVATE, 1_000_000)], None).await.unwrap();
    assert_eq!(found(&index, "app").await.repositories[0].pulls, 5, "another hold has nothing to say of it");
    index.apply(vec![Change::of(&bob, "io.atcr.sailor.star", "b", None, 0).unwrap()], None).await.unwrap();
    assert_eq!(index.stars(&alice, &name, Some(&bob)).await.unwrap(), StarCount { count: 0, own: None });
    assert_eq!(found(&index, "app").await.repositories[0].stars, 0);
}

#[tokio::test]
async fn a_flood_of_one_account_displaces_its_own_and_nobody_elses() {
    let index = place(IndexLimits { of_account: 60, ..IndexLimits::of_total(100_000) });
    let (alice, mallory) = (did(2), did(3));
    index.apply(image(&alice, "app", "v1", HOLD, ""), None).await.unwrap();
    for number in 0..200 {
        index.apply(image(&mallory, &format!("flood{number}"), "v1", HOLD, ""), None).await.unwrap();
    }
    says(&index, HOLD, true).await;
    let totals = index.totals().await.unwrap();
    assert!(totals.records <= 63 + 3, "{totals:?}");
    assert_eq!(names(&index, "app").await, ["app"]);
    // Tags of one repository, pages of repositories that are not there, stars.
    for number in 0..200 {
        let (key, record) = tag(&mallory, "one", &format!("v{number}"), &hex("x"), 1);
        index.apply(change(&mallory, "io.atcr.tag", &(key, record)).into_iter().collect(), None).await.unwrap();
        let page = json!({ "repository": format!("p{number}"), "description": "x" });
        index
            .apply(change(&mallory, "io.atcr.repo.page", &(format!("p{number}"), page)).into_iter().collect(), None)
            .await
            .unwrap();
        let subject = format!("at://{alice}/io.atcr.repo.page/s{number}");
        let star = json!({ "subject": subject, "createdAt": "2026-01-01T00:00:00Z" });
        index
            .apply(change(&mallory, "io.atcr.sailor.star", &(format!("s{number}"), star)).into_iter().collect(), None)
            .await
            .unwrap();
    }
    let totals = index.totals().await.unwrap();
    assert!(totals.records <= 66, "{totals:?}");
    assert_eq!(names(&index, "app").await, ["app"]);
}

#[tokio::test]
async fn at_the_limit_of_an_account_the_oldest_goes_and_not_what_came_last() {
    let index = place(IndexLimits { of_account: 7, ..IndexLimits::of_total(100_000) });
    let alice = did(2);
    let of_day = |name: &str, day: u32| -> Vec<Change> {
        let manifest = manifest(name, name, HOLD, "word");
        let tag = tag(&alice, name, "v1", &manifest.0, day);
        let both = [("io.atcr.manifest", &manifest), ("io.atcr.tag", &tag)];
        both.into_iter().filter_map(|(collection, record)| change(&alice, collection, record)).collect()
    };
    says(&index, HOLD, true).await;
    for (name, day) in [("old", 1), ("older", 2)] {
        index.apply(of_day(name, day), None).await.unwrap();
    }
    // Both come at once, as from a listing.
    index.apply([of_day("new", 20), of_day("newer", 21)].concat(), None).await.unwrap();
    says(&index, HOLD, true).await;
    let found = found(&index, "word").await.repositories;
    let found: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.tags)).collect();
    assert_eq!(found, [("newer", 1), ("new", 1)]);
}

#[tokio::test]
async fn the_oldest_repositories_go_when_there_are_too_many() {
    let index = place(IndexLimits { of_account: 50, ..IndexLimits::of_total(30) });
    for number in 2..20 {
        index.apply(image(&did(number), &format!("app{number}"), "v1", HOLD, ""), None).await.unwrap();
    }
    assert!(index.totals().await.unwrap().records > 30);
    index.sweep().await.unwrap();
    assert!(index.totals().await.unwrap().records <= 30);
}

#[test]
fn a_record_of_another_form_is_none() {
    let alice = did(2);
    let known =
        |collection: &str, key: &str, record: Value| change(&alice, collection, &(key.to_owned(), record)).is_some();
    let (hex, good) = manifest("app", "x", HOLD, "");
    assert!(known("io.atcr.manifest", &hex, good.clone()));
    let with = |field: &str, value: Value| {
        let mut record = good.clone();
        record[field] = value;
        record
    };
    assert!(!known("io.atcr.manifest", &"7".repeat(64), good.clone()), "another key");
    for (field, value) in [
        ("repository", json!("A")),
        ("repository", json!("a".repeat(100_000))),
        ("repository", json!(7)),
        ("digest", json!(null)),
        ("layers", json!({ "a": 1 })),
        ("subject", json!({ "digest": "x" })),
    ] {
        assert!(!known("io.atcr.manifest", &hex, with(field, value.clone())), "{field}: {value}");
    }
    for (field, value) in [
        ("createdAt", json!("never")),
        ("subject", json!(null)),
        ("createdAt", json!("9999-12-31T23:59:59Z")),
        ("holdDid", json!("did:web:localhost%3A1/..")),
        ("annotations", json!(["x"])),
        ("annotations", json!({ "org.opencontainers.image.description": "\u{202e}\u{0}<script>".repeat(10_000) })),
        ("manifests", json!([{ "platform": { "os": "a b\"", "architecture": "x".repeat(5000) } }, 7, null])),
        ("layers", json!([{ "size": i64::MAX }, { "size": i64::MAX }, { "size": i64::MAX }, { "size": -1 }])),
    ] {
        let change = change(&alice, "io.atcr.manifest", &(hex.clone(), with(field, value))).unwrap();
        let ChangeKind::Manifest(found) = change.kind else { panic!() };
        assert!(found.description.chars().count() <= 301 && !found.description.contains(['\u{202e}', '\0']));
        assert!(found.platforms.is_empty() && found.size_bytes < 1 << 53 && found.created_us <= 1_800_000_000_000_000);
    }
    for (collection, key) in
        [("io.atcr.tag", "a/b"), ("io.atcr.tag", ""), ("io.atcr.repo.page", "A"), ("app.bsky.feed.post", "x")]
    {
        assert!(
            !known(collection, key, json!({ "repository": "a", "tag": "b", "description": "x" })),
            "{collection} {key}"
        );
        assert!(
            Change::of(&alice, collection, key, None, 0).is_none() || collection == "io.atcr.tag",
            "{collection} {key}"
        );
    }
    for record in [json!(null), json!([]), json!("x"), json!({}), json!({ "subject": "at://x" })] {
        for collection in [
            "io.atcr.tag",
            "io.atcr.manifest",
            "io.atcr.repo.page",
            "io.atcr.sailor.star",
            "io.atcr.hold.captain",
            "io.atcr.hold.stats",
        ] {
            assert!(!known(collection, "self", record.clone()), "{collection}: {record}");
        }
    }
}

#[tokio::test]
async fn no_query_is_an_error_of_the_engine() {
    let index = usual();
    index.apply(image(&did(2), "app", "v1", HOLD, "a b \" * NEAR"), None).await.unwrap();
    says(&index, HOLD, true).await;
    for text in [
        "\"",
        "a\"b",
        "*",
        "a*",
        "NEAR(a b)",
        "a AND",
        "OR",
        "NOT a",
        "(",
        "name : a",
        "{a b} : c",
        "^a",
        "a + b",
        "-a",
        "\0a",
        "a\u{0}b",
        "ｆｏｏ",
        "\u{202e}abc",
        "🦀",
        "а",
        "ß",
        "İ",
        "a\u{301}",
        "%",
        "_",
        "'; DROP TABLE x; --",
        "\\",
        "東京",
        "𝕏",
        "\u{fdfa}",
        "a\u{200d}b",
    ] {
        let Some(words) = SearchWords::of(text) else { continue };
        for (_, order) in RepositoryOrder::ALL {
            index.search(&words, order, 10, None).await.unwrap_or_else(|error| panic!("{text:?}: {error}"));
        }
    }
    let long = SearchWords::of(&"a".repeat(10_000)).unwrap();
    assert!(index.search(&long, RepositoryOrder::Stars, 10, None).await.unwrap().repositories.is_empty());
}
