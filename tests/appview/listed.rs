//! Listings and look-ups while what they are about changes.

use atcr_appview::index::{Change, ChangeKind, DueHandle, Index, IndexLimits, RepositoryOrder, SearchWords};
use atproto::syntax::{Did, Handle};

use crate::index::{Place, image, place, says, usual};
use crate::support::did_server::plc;

const HOLD: &str = "did:web:hold.example.org";

fn of(account: &Did, kind: ChangeKind) -> Vec<Change> {
    vec![Change { account: account.clone(), kind }]
}

fn images(account: &Did, names: &[&str]) -> Vec<Change> {
    names.iter().flat_map(|name| image(account, name, "v1", HOLD, "word")).collect()
}

async fn names(index: &Index) -> Vec<String> {
    let words = SearchWords::of("word").unwrap();
    let found = index.search(&words, RepositoryOrder::Pushed, 50, None).await.unwrap();
    let mut names: Vec<_> = found.repositories.iter().map(|found| found.name.to_string()).collect();
    names.sort_unstable();
    names
}

/// An index with an image of an account whose records are to be listed.
async fn due(account: &Did) -> Place {
    let index = usual();
    index.apply(images(account, &["old"]), None).await.unwrap();
    index.apply(of(account, ChangeKind::List), None).await.unwrap();
    says(&index, HOLD, true).await;
    index
}

#[tokio::test]
async fn what_comes_while_an_account_is_listed_is_not_lost() {
    let alice = plc(2);
    let index = due(&alice).await;
    let listing = index.begin_listing(&alice);
    index.apply(images(&alice, &["new"]), None).await.unwrap();
    index.replace(listing, images(&alice, &["listed"])).await.unwrap();
    assert_eq!(names(&index).await, ["listed", "new"]);
    assert_eq!(index.due_lists(9).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_forgotten_while_it_is_listed_does_not_come_back() {
    let alice = plc(2);
    for change in [None, Some(ChangeKind::Gone)] {
        let index = due(&alice).await;
        let forget = || async {
            match change.clone() {
                Some(gone) => index.apply(of(&alice, gone), None).await.unwrap(),
                None => assert!(index.forget(&alice).await.unwrap()),
            }
        };
        // Before the listing has read anything; and when it was not begun, but on its way to the account's server.
        let listing = index.begin_listing(&alice);
        forget().await;
        index.replace(listing, images(&alice, &["listed"])).await.unwrap();
        assert_eq!(names(&index).await, [""; 0]);
        let listing = index.begin_listing(&alice);
        index.replace(listing, images(&alice, &["listed"])).await.unwrap();
        assert_eq!(names(&index).await, [""; 0]);
        // Between its batches, with changes that came while it was under way.
        index.apply(of(&alice, ChangeKind::List), None).await.unwrap();
        let listing = index.begin_listing(&alice);
        index.apply(images(&alice, &["new"]), None).await.unwrap();
        let many: Vec<String> = (0..2000).map(|number| format!("listed{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let (replaced, ()) = tokio::join!(index.replace(listing, images(&alice, &many)), forget());
        replaced.unwrap();
        assert_eq!(names(&index).await, [""; 0]);
        // What it writes next is there, and a later listing does its work.
        index.apply(images(&alice, &["later"]), None).await.unwrap();
        says(&index, HOLD, true).await;
        assert_eq!(names(&index).await, ["later"]);
        index.apply(of(&alice, ChangeKind::List), None).await.unwrap();
        let listing = index.begin_listing(&alice);
        index.replace(listing, images(&alice, &["listed", "later"])).await.unwrap();
        assert_eq!(names(&index).await, ["later", "listed"]);
    }
}

#[tokio::test]
async fn a_listing_that_was_forgotten_does_not_end_the_next_one_of_the_account() {
    let alice = plc(2);
    // Events are followed: an account that is new again is to be listed.
    let index = place(IndexLimits { lists_new: true, ..IndexLimits::of_total(1000) });
    index.apply(images(&alice, &["old"]), None).await.unwrap();
    says(&index, HOLD, true).await;
    let first = index.begin_listing(&alice);
    index.forget(&alice).await.unwrap();
    index.apply(images(&alice, &["new"]), None).await.unwrap();
    let second = index.begin_listing(&alice);
    index.replace(first, images(&alice, &["old"])).await.unwrap();
    assert_eq!(names(&index).await, ["new"]);
    assert_eq!(index.due_lists(9).await.unwrap(), std::slice::from_ref(&alice), "the second is under way");
    index.apply(images(&alice, &["newer"]), None).await.unwrap();
    index.replace(second, images(&alice, &["new"])).await.unwrap();
    assert_eq!(names(&index).await, ["new", "newer"]);
    assert_eq!(index.due_lists(9).await.unwrap(), []);
}

#[tokio::test]
async fn an_account_whose_events_were_missed_while_it_was_listed_is_listed_again() {
    let alice = plc(2);
    let index = due(&alice).await;
    let listing = index.begin_listing(&alice);
    index.rebuild().await.unwrap();
    index.replace(listing, images(&alice, &["listed"])).await.unwrap();
    assert_eq!(names(&index).await, ["listed"]);
    assert_eq!(index.due_lists(9).await.unwrap(), [alice]);
}

#[tokio::test]
async fn an_answer_that_is_older_than_an_event_is_not_kept() {
    let (alice, hold) = (plc(2), Did::parse(HOLD).unwrap());
    let index = usual();
    index.apply(images(&alice, &["app"]), None).await.unwrap();
    let due = |is_first| [DueHandle { account: alice.clone(), is_first }];
    assert_eq!(index.due_handles(9).await.unwrap(), due(true));
    // The hold is made private, and the account has another handle, after they were asked.
    let asked_us = index.now_us();
    index.apply(of(&hold, ChangeKind::Captain { is_public: false }), None).await.unwrap();
    index.apply(of(&alice, ChangeKind::Handle), None).await.unwrap();
    index.set_hold_is_public(&hold, Some(true), asked_us).await.unwrap();
    let handle = |name: &str| Ok(Some(Handle::parse(name).unwrap()));
    index.set_handle(&alice, handle("old.example.org"), asked_us).await.unwrap();
    assert_eq!(names(&index).await, [""; 0]);
    assert_eq!(index.of_account(&alice).await.unwrap().unwrap().handle, None);
    assert_eq!(index.due_handles(9).await.unwrap(), due(false), "it is asked again");
    // By events without end nobody keeps a handle that is no more theirs.
    for answer in [Ok(None), handle("other.example.org")] {
        index.set_handle(&alice, handle("former.example.org"), index.now_us()).await.unwrap();
        let asked_us = index.now_us();
        index.apply(of(&alice, ChangeKind::Handle), None).await.unwrap();
        index.set_handle(&alice, handle("former.example.org"), asked_us).await.unwrap();
        let known = async || index.of_account(&alice).await.unwrap().unwrap().handle;
        assert_eq!(known().await.as_deref(), Some("former.example.org"));
        index.set_handle(&alice, answer, asked_us).await.unwrap();
        assert_eq!(known().await, None);
    }
    // What is asked from then on is kept.
    index.set_handle(&alice, handle("new.example.org"), index.now_us()).await.unwrap();
    assert_eq!(index.of_account(&alice).await.unwrap().unwrap().handle.as_deref(), Some("new.example.org"));
    index.apply(of(&hold, ChangeKind::Captain { is_public: true }), None).await.unwrap();
    assert_eq!(names(&index).await, ["app"]);
}
