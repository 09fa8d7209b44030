//! Records that say anything, and what they come to in the index: nothing, or something bounded that harms nobody else.

use atcr_appview::index::{
    Change, ChangeKind, Index, IndexLimits, PullCount, RepositoryOrder, SearchWords, WrittenManifest,
};
use atcr_appview::schema;
use atproto::syntax::{Did, ImageName};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::index::{change, image, manifest, tag};
use crate::support::did_server::plc as did;

const NOW: u64 = 1_800_000_000_000_000;
const HOLD: &str = "did:web:hold.example.org";

fn index(folder: &TempDir) -> Index {
    Index::new(schema::open(&folder.path().join("appview.db")).unwrap(), IndexLimits::of_total(100_000), || NOW)
}

/// Texts that have the words of a search again and again, and never as it has them.
#[tokio::test]
async fn a_search_that_goes_through_many_texts_and_never_matches_is_ended() {
    let folder = TempDir::new().unwrap();
    let index = index(&folder);
    index.apply(image(&did(1), "else", "v1", HOLD, "another"), None).await.unwrap();
    index.set_hold_is_public(&Did::parse(HOLD).unwrap(), Some(true), u64::MAX >> 1).await.unwrap();
    let texts = "WITH RECURSIVE n (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM n WHERE n < 50000)
                 INSERT INTO index_text (rowid, name, owner, about, tags)
                 SELECT n, 'app', 'm', replace(hex(zeroblob(75)), '00', 'a b '), 'v1' FROM n";
    Connection::open(folder.path().join("appview.db")).unwrap().execute(texts, ()).unwrap();
    let search = async |text: &str| {
        let words = SearchWords::of(text).unwrap();
        let found = index.search(&words, RepositoryOrder::Pushed, 10, None).await.unwrap();
        (found.repositories.len(), found.is_partial)
    };
    let sequence = format!("{}a.a ", "a.b.".repeat(15));
    assert_eq!(search(&sequence.repeat(8)).await, (0, true));
    assert_eq!(search("else").await, (1, false));
}

/// All that lists show, in an order.
async fn shown(index: &Index, order: RepositoryOrder) -> Vec<String> {
    let found = index.list(None, order, 100, None).await.unwrap();
    found.repositories.into_iter().map(|repository| repository.name.to_string()).collect()
}

#[track_caller]
fn assert_bounded(what: &str, kind: ChangeKind) {
    match kind {
        ChangeKind::Manifest(manifest) => {
            let WrittenManifest { description, platforms, size_bytes, created_us, hold, .. } = manifest;
            assert!(description.chars().count() <= 301 && !description.contains('\u{202e}'), "{what}");
            assert!(platforms.len() <= 16 * 100 && !platforms.contains('<'), "{what}: {platforms}");
            assert!(size_bytes <= 1 << 50 && created_us <= NOW, "{what}");
            assert!(hold.is_none_or(|hold| hold.as_str() == HOLD), "{what}");
        }
        ChangeKind::Tag(tag) => assert!(tag.written_us <= NOW, "{what}"),
        _ => {}
    }
}

/// Each field of a record as it should not be, and whether the record still counts.
fn assert_each(
    collection: &str,
    (key, good): &(String, Value),
    mistakes: impl IntoIterator<Item = (&'static str, Value, bool)>,
) {
    for (field, value, counts) in mistakes {
        let mut record = good.clone();
        record[field] = value;
        let what = format!("{collection} with {field} {:.60}", record[field].to_string());
        let change = Change::of(&did(1), collection, key, Some(&record), NOW);
        assert_eq!(change.is_some(), counts, "{what}: {change:?}");
        if let Some(change) = change {
            assert_bounded(&what, change.kind);
        }
    }
}

#[test]
fn of_a_record_that_says_anything_something_bounded_is_left_or_nothing() {
    let good = manifest("app", "app", HOLD, "about");
    let good_tag = tag(&did(1), "app", "v1", &good.0, 1);
    let hex = good.0.clone();
    let many = |value: Value, count: usize| Value::Array(vec![value; count]);
    let about = |value: Value| json!({ "org.opencontainers.image.description": value });
    let platform = json!({ "platform": { "os": "x".repeat(5000), "architecture": "<b>" } });
    assert_each(
        "io.atcr.manifest",
        &good,
        [
            ("createdAt", json!("9999-12-31T23:59:59Z"), true),
            ("createdAt", json!("-0001-01-01T00:00:00Z"), true),
            ("createdAt", json!(7), true),
            ("repository", json!("A<b>"), false),
            ("repository", json!("../.."), false),
            ("repository", json!("a".repeat(5000)), false),
            ("repository", json!("app\0"), false),
            ("repository", json!("\u{202e}app"), false),
            ("digest", json!(format!("SHA256:{hex}")), false),
            ("digest", json!(format!("sha256:{}", hex.to_uppercase())), false),
            ("digest", json!(format!("sha256:{}", "7".repeat(64))), false),
            ("holdDid", json!("did:web:../x"), true),
            ("holdDid", json!("x".repeat(100_000)), true),
            ("layers", many(json!({ "digest": "y", "size": i64::MAX }), 10_000), true),
            ("layers", json!([{ "size": -1 }]), true),
            ("layers", json!([{ "size": u64::MAX }]), false),
            ("manifests", many(platform, 5000), true),
            ("manifests", json!([null, 7, { "platform": null }]), true),
            ("annotations", about(json!("\u{202e}<script>".repeat(9000))), true),
            ("annotations", about(json!(["x"])), true),
        ],
    );
    assert_each(
        "io.atcr.tag",
        &good_tag,
        [
            ("updatedAt", json!("9999-12-31T23:59:59Z"), true),
            ("tag", json!("<b>"), false),
            ("tag", json!("v".repeat(200)), false),
            ("repository", json!("other"), false),
            ("manifest", json!(format!("at://{}/io.atcr.manifest/{hex}", did(2))), false),
            ("manifest", json!("at://".repeat(50_000)), false),
        ],
    );
}

#[test]
fn of_a_key_that_is_none_nothing_is_left() {
    let alice = did(1);
    let (hex, good) = manifest("app", "app", HOLD, "about");
    let (_, good_tag) = tag(&alice, "app", "v1", &hex, 1);
    for key in ["", ".", "..", "a/b", "\0", &"k".repeat(600), "self?x", "\u{202e}"] {
        for collection in
            ["io.atcr.manifest", "io.atcr.tag", "io.atcr.repo.page", "io.atcr.sailor.star", "io.atcr.hold.captain"]
        {
            for record in [Some(&good), Some(&good_tag), None] {
                assert_eq!(Change::of(&alice, collection, key, record, NOW), None, "{collection} {key:.20}");
            }
        }
    }
}

#[tokio::test]
async fn who_dates_images_into_the_future_is_first_no_longer_than_others() {
    let folder = TempDir::new().unwrap();
    let index = index(&folder);
    let dated = |account: &Did, name: &str, at: &str| {
        let (hex, record) = manifest(name, name, HOLD, "");
        let (key, mut of_tag) = tag(account, name, "v1", &hex, 1);
        of_tag["updatedAt"] = json!(at);
        [change(account, "io.atcr.manifest", &(hex, record)), change(account, "io.atcr.tag", &(key, of_tag))]
    };
    let (liar, honest) =
        (dated(&did(1), "liar", "9999-12-31T23:59:59Z"), dated(&did(2), "honest", "2027-01-15T08:00:00Z"));
    index.apply(liar.into_iter().chain(honest).flatten().collect(), None).await.unwrap();
    index.set_hold_is_public(&Did::parse(HOLD).unwrap(), Some(true), u64::MAX >> 1).await.unwrap();
    let found = index.list(None, RepositoryOrder::Pushed, 10, None).await.unwrap().repositories;
    assert!(found.iter().all(|repository| repository.pushed_us <= NOW), "{found:?}");
    // What is written a moment later stands before.
    let later = Change::of(
        &did(3),
        "io.atcr.manifest",
        &manifest("later", "later", HOLD, "").0,
        Some(&{
            let mut record = manifest("later", "later", HOLD, "").1;
            record["createdAt"] = json!("9999-12-31T23:59:59Z");
            record
        }),
        NOW + 1,
    );
    index.apply(later.into_iter().collect(), None).await.unwrap();
    assert_eq!(shown(&index, RepositoryOrder::Pushed).await, ["later", "honest", "liar"]);
}

#[tokio::test]
async fn an_account_that_names_many_holds_has_a_few_asked_and_those_it_leaves_are_forgotten() {
    let folder = TempDir::new().unwrap();
    let index = index(&folder);
    let (mallory, bob) = (did(1), did(2));
    for number in 0..200 {
        let hold = format!("did:web:h{number}.example.org");
        index.apply(image(&mallory, &format!("app{number}"), "v1", &hold, ""), None).await.unwrap();
    }
    index.apply(image(&bob, "harbour", "v1", HOLD, ""), None).await.unwrap();
    let due = index.due_holds(1000).await.unwrap();
    assert!(due.len() <= 34 && due.iter().any(|hold| hold.as_str() == HOLD), "{} holds", due.len());
    index.set_hold_is_public(&Did::parse(HOLD).unwrap(), Some(true), u64::MAX >> 1).await.unwrap();
    assert_eq!(shown(&index, RepositoryOrder::Pushed).await, ["harbour"]);
    // It writes and deletes, again and again, with a hold of its own each time.
    for number in 0..50 {
        let hold = format!("did:web:again{number}.example.org");
        let (hex, record) = manifest("again", &format!("again{number}"), &hold, "");
        index
            .apply(change(&bob, "io.atcr.manifest", &(hex.clone(), record)).into_iter().collect(), None)
            .await
            .unwrap();
        index.apply(Change::of(&bob, "io.atcr.manifest", &hex, None, NOW).into_iter().collect(), None).await.unwrap();
    }
    index.forget(&mallory).await.unwrap();
    assert_eq!(index.due_holds(1000).await.unwrap(), [], "no hold is asked that nothing names");
    assert_eq!(shown(&index, RepositoryOrder::Pushed).await, ["harbour"], "and what is named is known as before");
}

#[tokio::test]
async fn a_hold_counts_pulls_of_its_own_images_alone_and_as_often_as_can_be() {
    let folder = TempDir::new().unwrap();
    let index = index(&folder);
    let (alice, bob) = (did(1), did(2));
    let (hold, other) = (Did::parse(HOLD).unwrap(), Did::parse("did:web:other.example.org").unwrap());
    let all = [image(&alice, "tides", "v1", HOLD, ""), image(&bob, "harbour", "v1", other.as_str(), "")].concat();
    index.apply(all, None).await.unwrap();
    for hold in [&hold, &other] {
        index.set_hold_is_public(hold, Some(true), u64::MAX >> 1).await.unwrap();
    }
    let count = |owner: &Did, name: &str, pulls| PullCount::new(owner.clone(), ImageName::parse(name).unwrap(), pulls);
    let counts = vec![count(&alice, "tides", 7), count(&bob, "harbour", 9), count(&did(9), "none", 1)];
    index.set_pull_counts(&hold, counts).await.unwrap();
    index.set_pull_counts(&other, vec![count(&bob, "harbour", u64::MAX)]).await.unwrap();
    let found = index.list(None, RepositoryOrder::Pulls, 10, None).await.unwrap().repositories;
    let pulls: Vec<_> = found.iter().map(|repository| (repository.name.as_str(), repository.pulls)).collect();
    assert_eq!(pulls, [("harbour", 1 << 40), ("tides", 7)]);
}

#[tokio::test]
async fn a_crew_is_known_of_holds_that_are_asked_and_goes_with_them() {
    let folder = TempDir::new().unwrap();
    let index = index(&folder);
    let (alice, bob, carol) = (did(1), did(2), did(3));
    let hold = Did::parse(HOLD).unwrap();
    index.set_crew(&hold, vec![bob.clone()]).await.unwrap();
    assert_eq!(index.holds_of(&bob, 10).await.unwrap(), [], "of a hold that nothing names nobody is crew");
    index.apply(image(&alice, "tides", "v1", HOLD, ""), None).await.unwrap();
    index.set_hold_is_public(&hold, Some(false), u64::MAX >> 1).await.unwrap();
    for (crew, of_bob, of_carol) in [
        (vec![bob.clone(), bob.clone(), carol.clone()], true, true),
        (vec![carol.clone()], false, true),
        (vec![bob.clone()], true, false),
    ] {
        index.set_crew(&hold, crew).await.unwrap();
        for (member, is_crew) in [(&bob, of_bob), (&carol, of_carol)] {
            assert_eq!(index.holds_of(member, 10).await.unwrap().len(), usize::from(is_crew), "{member}");
        }
    }
    // Each change of the crew would have the hold asked: that is within a minute, and not at once.
    let record =
        json!({ "member": bob, "role": "member", "permissions": ["blob:write"], "addedAt": "2026-01-01T00:00:00Z" });
    for record in [Some(&record), Some(&json!(7)), None] {
        let change = Change::of(&hold, "io.atcr.hold.crew", "any", record, NOW).unwrap();
        assert_eq!(change.kind, ChangeKind::Crew);
        index.apply(vec![change; 100], None).await.unwrap();
    }
    assert_eq!(index.due_holds(10).await.unwrap(), []);
    index.forget(&bob).await.unwrap();
    assert_eq!(index.holds_of(&bob, 10).await.unwrap(), []);
}
