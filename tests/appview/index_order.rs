//! Lists and results of the index, page by page, in each order.

use atcr_appview::index::{Change, ChangeKind, IndexLimits, PullCount, RepositoryOrder, SearchWords};
use atproto::syntax::{Did, ImageName};
use serde_json::json;

use crate::index::{change, image, place, says, usual};
use crate::support::did_server::plc as did;

const HOLD: &str = "did:web:hold.example.org";

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_in_each_order() {
    let index = usual();
    for number in 0..57 {
        index.apply(image(&did(number % 5 + 2), &format!("app{number}"), "v1", HOLD, "word"), None).await.unwrap();
    }
    says(&index, HOLD, true).await;
    for (_, order) in RepositoryOrder::ALL {
        let (mut listed, mut searched) = (Vec::new(), Vec::new());
        let (mut after, words) = (None, SearchWords::of("word").unwrap());
        loop {
            let page = index.list(None, order, 10, after).await.unwrap();
            listed.extend(page.repositories.into_iter().map(|found| found.name.to_string()));
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        after = None;
        loop {
            let page = index.search(&words, order, 10, after).await.unwrap();
            searched.extend(page.repositories.into_iter().map(|found| found.name.to_string()));
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        assert_eq!((listed.len(), searched.len()), (57, 57), "{order:?}");
        listed.sort();
        searched.sort();
        listed.dedup();
        assert_eq!(listed.len(), 57);
        assert_eq!(listed, searched);
    }
    let of_one = index.list(Some(&did(2)), RepositoryOrder::Pushed, 100, None).await.unwrap();
    assert_eq!(of_one.repositories.len(), 12);
}

#[tokio::test]
async fn an_owners_repositories_come_in_the_order_that_was_asked_for() {
    let (index, alice) = (usual(), did(2));
    // The order of stars, of pulls and of pushes differ; two are even in stars.
    let given = [("a", 2, 7), ("b", 0, 9), ("c", 3, 1), ("d", 0, 2), ("e", 1, 5)];
    for (number, (name, stars, pulls)) in given.into_iter().enumerate() {
        let mut changes = image(&alice, name, "v1", HOLD, "word");
        for fan in 0..stars {
            let subject = format!("at://{alice}/io.atcr.repo.page/{name}");
            let star = json!({ "subject": subject, "createdAt": "2026-01-01T00:00:00Z" });
            changes.extend(change(&did(10 + fan), "io.atcr.sailor.star", &(format!("s{number}"), star)));
        }
        let stats = json!({ "ownerDid": alice, "repository": name, "pullCount": pulls, "pushCount": 1, "updatedAt": "2026-01-01T00:00:00Z" });
        changes.extend(change(&Did::parse(HOLD).unwrap(), "io.atcr.hold.stats", &(name.to_owned(), stats)));
        index.apply(changes, None).await.unwrap();
    }
    says(&index, HOLD, true).await;
    for (order, expected) in [
        (RepositoryOrder::Pushed, ["e", "d", "c", "b", "a"]),
        (RepositoryOrder::Stars, ["c", "a", "e", "d", "b"]),
        (RepositoryOrder::Pulls, ["b", "a", "e", "d", "c"]),
    ] {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = index.list(Some(&alice), order, 2, after).await.unwrap();
            listed.extend(page.repositories.into_iter().map(|found| found.name.to_string()));
            let Some(next) = page.next else { break };
            after = Some(next);
        }
        assert_eq!(listed, expected, "{order:?}");
    }
}

#[tokio::test]
async fn an_older_count_of_a_hold_does_not_replace_that_of_an_event() {
    let (alice, hold) = (did(2), Did::parse(HOLD).unwrap());
    for (lists_new, kept) in [(true, [7, 7, 9, 2]), (false, [7, 5, 9, 2])] {
        let index = place(IndexLimits { lists_new, ..IndexLimits::of_total(1000) });
        index.apply(image(&alice, "app", "v1", HOLD, ""), None).await.unwrap();
        says(&index, HOLD, true).await;
        let mut counts = [0; 4];
        for (count, (pulls, is_event)) in counts.iter_mut().zip([(7, true), (5, false), (9, false), (2, true)]) {
            let stats = PullCount::new(alice.clone(), ImageName::parse("app").unwrap(), pulls);
            match is_event {
                true => {
                    let kind = ChangeKind::Stats(stats);
                    index.apply(vec![Change { account: hold.clone(), kind }], None).await.unwrap();
                }
                false => index.set_pull_counts(&hold, vec![stats]).await.unwrap(),
            }
            let found = index.list(None, RepositoryOrder::Pulls, 1, None).await.unwrap();
            *count = found.repositories[0].pulls;
        }
        assert_eq!(counts, kept, "events are followed: {lists_new}");
    }
}
