//! Verify finds whatever was damaged, and says what it was.

use atcr_hold::pds;
use atcr_hold::pds::{Finding, FindingKind};
use atproto::repo::commit::Commit;
use atproto::repo::mst::{self, Visit};
use atproto::repo::{Cid, RepoError, cid};
use server::sqlite::Write;
use server::storage::StorageError;

use super::{file_with_notes, with_notes};
use crate::support::did_server::key;
use crate::support::repo_home::RepoHome;
use crate::support::repo_home::file::{import, parts};

/// Damages a repository of 60 notes, and answers what is found then.
async fn found(
    damage: impl FnOnce(&Write<'_>) -> Result<(), StorageError> + Send + 'static,
) -> (RepoHome, Vec<Finding>) {
    let home = with_notes(60).await;
    home.database.write(damage).await.unwrap();
    let verified = home.pds.verify(|_, _| {}).await.unwrap().unwrap();
    assert_eq!(verified.found as usize, verified.findings.len());
    (home, verified.findings)
}

fn kinds(findings: &[Finding]) -> Vec<(FindingKind, &str)> {
    findings.iter().map(|finding| (finding.kind, finding.subject.as_str())).collect()
}

fn flip(write: &Write<'_>, cid: &Cid) -> Result<(), StorageError> {
    let (head, mut bytes) = (pds::tables::repo_head(write)?.unwrap(), pds::tables::block(write, cid)?.unwrap());
    *bytes.last_mut().unwrap() ^= 1;
    pds::tables::delete_block(write, cid)?;
    pds::tables::put_block(write, cid, &head.rev, &bytes)
}

/// A node that is not the root.
async fn a_node() -> Cid {
    let (roots, blocks) = parts(&file_with_notes(60).await);
    let store: std::collections::HashMap<_, _> = blocks.into_iter().collect();
    let data = Commit::decode(&store[&roots[0]]).unwrap().data;
    let mut nodes = Vec::new();
    mst::walk::<RepoError>(&store, data, |visit| {
        if let Visit::Node { cid, .. } = visit {
            nodes.push(*cid);
        }
        Ok(())
    })
    .unwrap();
    *nodes.last().unwrap()
}

#[tokio::test]
async fn a_sound_repository_has_no_findings() {
    let home = with_notes(60).await;
    let verified = home.pds.verify(|_, _| {}).await.unwrap().unwrap();
    assert_eq!((verified.records, verified.found, verified.unjudged), (63, 0, 0));
    assert_eq!(verified.blocks, 1 + verified.nodes + verified.records);
    assert!(RepoHome::new().pds.verify(|_, _| {}).await.unwrap().is_none());
}

#[tokio::test]
async fn a_record_that_is_damaged_or_missing_is_found() {
    let (_, findings) =
        found(|write| flip(write, &pds::tables::record(write, "com.example.note", "n5")?.unwrap().cid)).await;
    // The flipped block got a row of its own.
    let expected = [(FindingKind::Record, "com.example.note/n5"), (FindingKind::Index, "com.example.note/n5")];
    assert_eq!(kinds(&findings), expected);
    let (_, findings) = found(|write| {
        pds::tables::delete_block(write, &pds::tables::record(write, "com.example.note", "n5")?.unwrap().cid)
    })
    .await;
    assert_eq!(kinds(&findings), [(FindingKind::Record, "com.example.note/n5")]);
    assert!(findings[0].reason.contains("missing"));
}

#[tokio::test]
async fn a_node_that_is_damaged_or_missing_is_found_and_the_rest_goes_on() {
    let node = a_node().await;
    let text = node.to_string();
    for damage in [flip, |write: &Write<'_>, cid: &Cid| pds::tables::delete_block(write, cid)] {
        // Besides, a record far from it.
        let (_, findings) = found(move |write| {
            damage(write, &node)?;
            pds::tables::delete_record(write, "com.example.note", "n0")
        })
        .await;
        let nodes: Vec<_> = findings.iter().filter(|finding| finding.kind == FindingKind::Node).collect();
        assert_eq!(nodes.iter().map(|finding| &finding.subject).collect::<Vec<_>>(), [&text]);
        assert!(kinds(&findings).contains(&(FindingKind::Index, "com.example.note/n0")), "{findings:?}");
        assert_eq!(findings.len(), 2);
    }
    let home = with_notes(60).await;
    let root = home.head().await.data;
    home.database.write(move |write| flip(write, &root)).await.unwrap();
    let verified = home.pds.verify(|_, _| {}).await.unwrap().unwrap();
    assert_eq!((verified.found, verified.records), (1, 0));
    assert!(verified.unjudged > 100, "{verified:?}");
}

#[tokio::test]
async fn a_block_too_much_is_found() {
    let extra = cid::dag_cbor(b"\x01");
    let (_, findings) = found(move |write| {
        pds::tables::put_block(write, &extra, &pds::tables::repo_head(write)?.unwrap().rev, b"\x01")
    })
    .await;
    assert_eq!(kinds(&findings), [(FindingKind::Unreachable, extra.to_string().as_str())]);
}

#[tokio::test]
async fn an_index_that_differs_from_the_tree_is_found() {
    let (_, findings) = found(|write| pds::tables::delete_record(write, "com.example.note", "n5")).await;
    assert_eq!(kinds(&findings), [(FindingKind::Index, "com.example.note/n5")]);
    let (_, findings) = found(|write| {
        let cid = pds::tables::record(write, "com.example.note", "n5")?.unwrap().cid;
        pds::tables::put_record(write, "com.example.note", "n6", &cid)?;
        pds::tables::put_record(write, "com.example.note", "other", &cid)
    })
    .await;
    let expected = [(FindingKind::Index, "com.example.note/n6"), (FindingKind::Index, "com.example.note/other")];
    assert_eq!(kinds(&findings), expected);
    // The right CID, but the row of a block that is no longer there.
    let (_, findings) = found(|write| {
        let (head, record) =
            (pds::tables::repo_head(write)?.unwrap(), pds::tables::record(write, "com.example.note", "n5")?.unwrap());
        pds::tables::delete_block(write, &record.cid)?;
        pds::tables::put_block(write, &record.cid, &head.rev, &record.bytes)
    })
    .await;
    assert_eq!(kinds(&findings), [(FindingKind::Index, "com.example.note/n5")]);
}

#[tokio::test]
async fn a_commit_of_another_key_or_of_another_tree_is_found() {
    let resign = |number: u8, noted: bool| {
        move |write: &Write<'_>| {
            let mut head = pds::tables::repo_head(write)?.unwrap();
            let signed = Commit::sign(&head.did, head.data, &head.rev, &key(number)).unwrap();
            pds::tables::delete_block(write, &head.commit)?;
            pds::tables::put_block(write, &signed.cid, &head.rev, &signed.bytes)?;
            head.commit = if noted { signed.cid } else { head.commit };
            pds::tables::put_repo_head(write, &head)
        }
    };
    let (home, findings) = found(resign(78, true)).await;
    assert_eq!(kinds(&findings), [(FindingKind::Signature, home.head().await.commit.to_string().as_str())]);
    let (_, findings) = found(resign(78, false)).await;
    let kinds: Vec<_> = findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::Commit, FindingKind::Unreachable]);
}

#[tokio::test]
async fn a_blob_reference_too_much_is_found() {
    let blob = cid::raw_of(b"picture");
    let (home, findings) = found(move |write| {
        let rev = pds::tables::repo_head(write)?.unwrap().rev;
        pds::tables::put_blob_reference(write, &blob, "image/png", "com.example.note", "n5", &rev)?;
        pds::tables::put_blob_reference(write, &blob, "image/png", "com.example.note", "gone", &rev)
    })
    .await;
    let expected = [(FindingKind::Blob, "com.example.note/n5"), (FindingKind::Blob, "com.example.note/gone")];
    assert_eq!(kinds(&findings), expected);
    drop(home);
    let new = RepoHome::new();
    import(&new.pds, u64::MAX >> 12, file_with_notes(2).await, None).await.unwrap();
}
