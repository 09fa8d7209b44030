//! Writes that hold only on what the caller has seen.

use atcr_hold::pds::{PdsError, Plan, RecordChange, RecordWrite};
use atproto::lexicon::Swap;
use atproto::repo::{Cid, cid};

use crate::support::repo_home::{RepoHome, START_US, change, note};

async fn put_if(home: &RepoHome, swap: Swap<Cid>, text: &str) -> Result<Cid, PdsError> {
    let change = RecordChange { swap, ..change("com.example.note/a", RecordWrite::Put(note(text))) };
    home.commit(START_US, vec![change]).await.map(|outcome| outcome.cids[0].unwrap())
}

#[tokio::test]
async fn a_record_is_changed_only_from_the_expected_one() {
    let home = RepoHome::new();
    let refused = |outcome| matches!(outcome, Err(PdsError::InvalidSwap { what: "record" }));
    let other = cid::dag_cbor(b"other");
    assert!(refused(put_if(&home, Swap::Cid(other), "one").await), "it does not exist");
    let one = put_if(&home, Swap::Absent, "one").await.unwrap();
    assert!(refused(put_if(&home, Swap::Absent, "two").await), "it exists");
    assert!(refused(put_if(&home, Swap::Cid(other), "two").await));
    assert!(refused(put_if(&home, Swap::Cid(other), "one").await), "also where nothing would change");
    let two = put_if(&home, Swap::Cid(one), "two").await.unwrap();
    let delete = |swap| vec![RecordChange { swap, ..change("com.example.note/a", RecordWrite::Delete) }];
    assert!(home.commit(START_US, delete(Swap::Cid(one))).await.is_err());
    home.commit(START_US, delete(Swap::Cid(two))).await.unwrap();
    assert!(home.stored_tree().await.is_empty());
}

#[tokio::test]
async fn the_repository_is_changed_only_from_the_expected_commit() {
    let home = RepoHome::new();
    let commit = |swap, text: &str| {
        let plan = Plan::of(vec![change("com.example.note/a", RecordWrite::Put(note(text)))]);
        home.pds.commit(START_US, swap, move |_| Ok::<_, PdsError>(plan))
    };
    let refused = |outcome| matches!(outcome, Err(PdsError::InvalidSwap { what: "repository" }));
    assert!(refused(commit(Some(cid::dag_cbor(b"other")), "one").await), "there is none yet");
    let (first, _) = commit(None, "one").await.unwrap().commit.unwrap();
    let (second, _) = commit(Some(first), "two").await.unwrap().commit.unwrap();
    assert!(refused(commit(Some(first), "three").await));
    assert_eq!(home.head().await.commit, second);
    assert!(commit(Some(second), "two").await.unwrap().commit.is_none());
    assert_eq!(home.head().await.commit, second, "a commit that did not happen can be swapped from");
}
