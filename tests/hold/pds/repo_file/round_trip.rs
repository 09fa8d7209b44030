//! What one hold exports another one takes over, and the network learns of it.

use atcr_hold::pds::{Pds, RecordWrite};
use atproto::repo::{car, commit::Commit};
use atproto::syntax::ServiceUrl;

use super::{A_SECOND_US, file_with_notes, fresh, with_notes};
use crate::support::did_server::{key, plc};
use crate::support::repo_home::consumer::Consumer;
use crate::support::repo_home::file::{exported, import, joined, parts};
use crate::support::repo_home::{RepoHome, START_US, change, declared, note};

const LATER_US: u64 = START_US + 100 * A_SECOND_US;

#[tokio::test]
async fn a_new_hold_takes_over_the_records() {
    let old = with_notes(500).await;
    let file = exported(&old.pds).await;
    let new = fresh().await;
    let before = new.head().await;
    let imported = import(&new.pds, LATER_US, file.clone(), None).await.unwrap();

    let (was, is) = (old.head().await, new.head().await);
    assert_eq!((imported.data, is.data, imported.records), (was.data, was.data, 503));
    assert_eq!(imported.blocks as usize, car::read(&file).unwrap().blocks.len());
    assert_eq!((imported.commit, &imported.rev, &imported.imported_rev), (is.commit, &is.rev, &was.rev));
    assert!(is.rev > was.rev && is.rev > before.rev && is.last_seq > before.last_seq);
    let records = new.stored_tree().await;
    assert_eq!(records, old.stored_tree().await);
    assert_eq!(new.records("com.example.note").await, old.records("com.example.note").await);
    assert_eq!(new.pds.verify(|_, _| {}).await.unwrap().unwrap().findings, []);

    let events = new.events_after(before.last_seq).await;
    assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), ["#sync"]);
    assert_eq!((events[0].text("rev"), events[0].seq), (is.rev.as_str(), is.last_seq));
    let blocks = events[0].blocks();
    let commit = Commit::decode(blocks.blocks[0].1).unwrap();
    assert_eq!((blocks.roots[0], commit.data), (is.commit, was.data));

    // Whoever synchronised anew follows from there.
    let mut consumer = Consumer::new(&new);
    (consumer.seq, consumer.rev, consumer.data, consumer.records) =
        (is.last_seq, Some(is.rev.clone()), Some(is.data), records);
    new.crew.reconcile(&declared(&new, &plc(2)), LATER_US).await.unwrap();
    new.commit(LATER_US, vec![change("com.example.note/n7", RecordWrite::Delete)]).await.unwrap();
    assert!(!consumer.catch_up(&new).await.is_empty());
    // And whoever asks for what came since the revision it knew gets all of it.
    let since = new.pds.export(Some(before.rev)).await.unwrap().unwrap();
    let mut since = since;
    let mut bytes = Vec::new();
    while let Some(chunk) = since.recv().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    assert_eq!(car::read(&bytes).unwrap().blocks.len(), car::read(&exported(&new.pds).await).unwrap().blocks.len());
}

/// As some programs export a repository: the newest blocks first, then all that they ever stored, and some twice.
#[tokio::test]
async fn blocks_of_earlier_commits_are_left_out() {
    let old = with_notes(300).await;
    let (roots, mut blocks) = parts(&exported(&old.pds).await);
    let earlier_root = roots[0];
    let at_us = START_US + 50 * A_SECOND_US;
    old.commit(at_us, vec![change("com.example.note/n7", RecordWrite::Delete)]).await.unwrap();
    let newest = exported(&old.pds).await;
    let (roots, newest_blocks) = parts(&newest);
    let known: Vec<_> = newest_blocks.iter().map(|(cid, _)| *cid).collect();
    let stale = blocks.iter().filter(|(cid, _)| !known.contains(cid)).count() as u64;
    assert!(stale > 2, "the commit, a record and the nodes above it: {stale}");
    blocks.splice(0..0, newest_blocks);
    let new = fresh().await;
    let imported = import(&new.pds, LATER_US, joined(roots.first(), &blocks), None).await.unwrap();
    assert_eq!((imported.left_out, imported.blocks), (stale, known.len() as u64 + stale));
    assert_eq!(new.stored_tree().await, old.stored_tree().await);
    assert_eq!(new.pds.verify(|_, _| {}).await.unwrap().unwrap().findings, []);
    // The root says which commit is the newest.
    let earlier = import(&fresh().await.pds, LATER_US, joined(Some(&earlier_root), &blocks), None).await.unwrap();
    assert_eq!((earlier.records, imported.records), (303, 302));
}

#[tokio::test]
async fn a_hold_that_never_committed_introduces_itself_first() {
    let new = RepoHome::new();
    import(&new.pds, LATER_US, file_with_notes(3).await, None).await.unwrap();
    let kinds: Vec<_> = new.events_after(0).await.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["#identity", "#account", "#sync"]);
    assert_eq!(new.pds.verify(|_, _| {}).await.unwrap().unwrap().findings, []);
}

#[tokio::test]
async fn after_the_loss_of_its_key_a_hold_can_go_on_under_a_new_one() {
    let file = file_with_notes(20).await;
    let home = RepoHome::new();
    let url = ServiceUrl::parse("https://hold.example.org").unwrap();
    let new = Pds::new(home.database.clone(), url.did(), &url, key(78), 6);
    let error = import(&new, LATER_US, file.clone(), None).await.unwrap_err();
    assert!(error.to_string().contains("--signed-by"), "{error}");
    let error = import(&new, LATER_US, file.clone(), Some(key(79).public())).await.unwrap_err();
    assert!(error.to_string().contains("--signed-by"), "{error}");
    assert_eq!(new.head().await.unwrap(), None);
    let imported = import(&new, LATER_US, file, Some(key(77).public())).await.unwrap();
    let commit = Commit::decode(&new.block(imported.commit).await.unwrap().unwrap()).unwrap();
    assert!(commit.verify(&key(78).public()).is_ok());
    assert_eq!(new.verify(|_, _| {}).await.unwrap().unwrap().findings, []);
    new.commit::<atcr_hold::pds::PdsError, _>(LATER_US, None, |_| {
        Ok(atcr_hold::pds::Plan::of(vec![change("com.example.note/more", RecordWrite::Create(note("more")))]))
    })
    .await
    .unwrap();
}
