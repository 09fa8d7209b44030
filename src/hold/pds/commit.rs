//! Makes a commit: reads, decides, changes the tree, signs and stores, all in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Plan, RecordChange, RecordWrite};
use super::events::{self, CommitEvent, RecordOp, Stamp};
use super::limits::MAX_NODE_BYTES;
use super::outcome::Outcome;
use super::stored_blocks::StoredBlocks;
use super::transaction::Repository;
use super::{NewestEvent, PdsError, blobs};
use crate::pds::tables;
use crate::pds::tables::RepoHead;
use atproto::repo::commit::Commit;
use atproto::repo::{BlobRef, Cid, RepoError, car, cbor, cid, mst};
use atproto::syntax::Tid;

/// The most operations of one #commit event.
pub const MAX_WRITES: usize = 200;
/// The most bytes of one record as DAG-CBOR.
pub const MAX_RECORD_BYTES: usize = 1_000_000;
/// Bytes of blocks that one #commit event may carry.
const MAX_EVENT_BYTES: usize = 2_000_000;

/// A record that the commit changes.
struct Effect {
    collection: String,
    rkey: String,
    key: String,
    /// CID and bytes after the commit; `None` for a deletion.
    new: Option<(Cid, Vec<u8>)>,
    old: Option<Cid>,
    /// The blobs that the record refers to now.
    blobs: Vec<BlobRef>,
}

impl Repository<'_> {
    /// Makes the plan one signed commit with its event; a plan that changes nothing makes no commit.
    ///
    /// # Errors
    /// As [`Pds::commit`](super::Pds::commit); then the job must return an error, so that the transaction is rolled
    /// back.
    pub fn commit(&self, plan: Plan) -> Result<Outcome, PdsError> {
        for (name, value) in &plan.meta {
            tables::put_meta(self.write, name, value)?;
        }
        for blob in &plan.blobs {
            blob.put_declared(self.write, self.now_us)?;
        }
        let spares_nodes = plan.spares_nodes;
        let (effects, cids) = self.effects(plan.changes)?;
        let mut head = match tables::repo_head(self.write)? {
            Some(head) => head,
            None => self.create_repo()?,
        };
        let commit = if effects.is_empty() { None } else { Some(self.make(&mut head, effects, spares_nodes)?) };
        Ok(Outcome { commit, cids })
    }

    /// Checks each change against the stored record. Returns the effective changes, and the CID of each record.
    fn effects(&self, changes: Vec<RecordChange>) -> Result<(Vec<Effect>, Vec<Option<Cid>>), PdsError> {
        if changes.len() > MAX_WRITES {
            return Err(PdsError::TooLarge("one commit has at most 200 writes"));
        }
        let mut seen = BTreeSet::new();
        let mut effects = Vec::new();
        let mut cids = Vec::new();
        for change in changes {
            let key = change.key();
            if !seen.insert(key.clone()) {
                return Err(PdsError::RepeatedRecord);
            }
            let (collection, rkey) = (change.collection.to_string(), change.rkey.to_string());
            let stored = tables::record(self.write, &collection, &rkey)?;
            let old = stored.as_ref().map(|record| record.cid);
            if !change.swap.allows(old.as_ref()) {
                return Err(PdsError::InvalidSwap { what: "record" });
            }
            // A record that an earlier version imported can still be deleted.
            if change.write != RecordWrite::Delete && !change.collection.is_normalized() {
                let reason = "the domain of its collection is not in lower case";
                return Err(PdsError::InvalidRecord(RepoError::InvalidPath(reason)));
            }
            let (new, blobs) = match (change.write, old) {
                (RecordWrite::Create(_), Some(_)) => return Err(PdsError::RecordExists),
                (RecordWrite::Update(_) | RecordWrite::Delete, None) => return Err(PdsError::RecordNotFound),
                (RecordWrite::Delete, Some(_)) => (None, Vec::new()),
                (RecordWrite::Create(value) | RecordWrite::Update(value) | RecordWrite::Put(value), _) => {
                    (Some(encode_record(&value)?), BlobRef::all_in(&value))
                }
            };
            let new_cid = new.as_ref().map(|(cid, _)| *cid);
            cids.push(new_cid);
            if new_cid != old {
                blobs::check(self.write, &blobs, stored.as_ref())?;
                effects.push(Effect { collection, rkey, key, new, old, blobs });
            }
        }
        Ok((effects, cids))
    }

    /// Creates the empty repository, and the events that announce it.
    fn create_repo(&self) -> Result<RepoHead, PdsError> {
        let empty = mst::apply(&StoredBlocks(self.write), None, &[])?;
        let rev = Tid::next(self.now_us, self.inner.clock_id, None);
        let signed = Commit::sign(&self.inner.did, empty.root, &rev, &self.inner.key)?;
        for (cid, bytes) in empty.new.iter().chain([&(signed.cid, signed.bytes.clone())]) {
            tables::put_block(self.write, cid, &rev, bytes)?;
        }
        let mut head = RepoHead {
            did: self.inner.did.clone(),
            commit: signed.cid,
            data: empty.root,
            rev: rev.clone(),
            last_seq: 0,
        };
        self.introduce(&mut head)?;
        let blocks = car_of(&signed.cid, &signed.bytes, &empty.new.into_iter().collect())?;
        let event = CommitEvent { commit: signed.cid, rev: &rev, since: None, ops: Vec::new(), blocks };
        self.emit(&mut head, |stamp| events::commit(stamp, event))?;
        self.emit(&mut head, |stamp| events::sync(stamp, &rev, &signed.cid, &signed.bytes))?;
        tables::put_repo_head(self.write, &head)?;
        Ok(head)
    }

    /// Makes the commit of these effects. Returns its CID and revision.
    fn make(&self, head: &mut RepoHead, effects: Vec<Effect>, spares_nodes: bool) -> Result<(Cid, Tid), PdsError> {
        let changes: Vec<_> = effects
            .iter()
            .map(|effect| mst::Change { key: effect.key.clone(), value: effect.new.as_ref().map(|(cid, _)| *cid) })
            .collect();
        let tree = mst::apply(&StoredBlocks(self.write), Some(head.data), &changes)?;
        if spares_nodes && tree.new.iter().any(|(_, node)| node.len() > MAX_NODE_BYTES) {
            return Err(PdsError::CrowdedNode);
        }
        let rev = Tid::next(self.now_us, self.inner.clock_id, Some(&head.rev));
        let signed = Commit::sign(&self.inner.did, tree.root, &rev, &self.inner.key)?;

        let mut blocks: BTreeMap<Cid, Vec<u8>> = tree.covering.into_iter().chain(tree.new.iter().cloned()).collect();
        blocks.extend(effects.iter().filter_map(|effect| effect.new.clone()));
        let blocks = car_of(&signed.cid, &signed.bytes, &blocks)?;
        if blocks.len() > MAX_EVENT_BYTES {
            return Err(PdsError::TooLarge("one commit has at most 2,000,000 bytes"));
        }
        self.store(&effects, &tree.new, &tree.dropped, &rev)?;
        tables::delete_block(self.write, &head.commit)?;
        tables::put_block(self.write, &signed.cid, &rev, &signed.bytes)?;

        let ops = effects
            .into_iter()
            .map(|effect| RecordOp { path: effect.key, cid: effect.new.map(|(cid, _)| cid), prev: effect.old })
            .collect();
        let (since_rev, since_data) = (head.rev.clone(), head.data);
        let event = CommitEvent { commit: signed.cid, rev: &rev, since: Some((&since_rev, since_data)), ops, blocks };
        self.emit(head, |stamp| events::commit(stamp, event))?;
        (head.commit, head.data, head.rev) = (signed.cid, tree.root, rev.clone());
        tables::put_repo_head(self.write, head)?;
        Ok((signed.cid, rev))
    }

    /// Stores new nodes, records and references, and deletes blocks and blobs that are no longer referred to.
    fn store(&self, effects: &[Effect], new: &[(Cid, Vec<u8>)], dropped: &[Cid], rev: &Tid) -> Result<(), PdsError> {
        for (cid, bytes) in new.iter().chain(effects.iter().filter_map(|effect| effect.new.as_ref())) {
            tables::put_block(self.write, cid, rev, bytes)?;
        }
        let mut blobs_before = Vec::new();
        for effect in effects {
            let (collection, rkey) = (effect.collection.as_str(), effect.rkey.as_str());
            match &effect.new {
                Some((cid, _)) => tables::put_record(self.write, collection, rkey, cid)?,
                None => tables::delete_record(self.write, collection, rkey)?,
            }
            blobs_before.extend(blobs::refer(self.write, collection, rkey, &effect.blobs, rev)?);
        }
        blobs::drop_unreferenced(self.write, &blobs_before)?;
        for cid in dropped {
            tables::delete_block(self.write, cid)?;
        }
        for old in effects.iter().filter_map(|effect| effect.old) {
            // Equal records share a block.
            if !tables::is_record(self.write, &old)? {
                tables::delete_block(self.write, &old)?;
            }
        }
        Ok(())
    }

    /// Emits the first events of a repository: #identity and #account.
    pub(super) fn introduce(&self, head: &mut RepoHead) -> Result<(), PdsError> {
        self.emit(head, |stamp| events::identity(stamp, self.inner.handle()))?;
        self.emit(head, events::account_active)
    }

    /// Stores an event under the next sequence number: the clock's microseconds, so that a restored backup continues
    /// above the cursors of consumers, but always above the last one.
    pub(super) fn emit(
        &self,
        head: &mut RepoHead,
        frame: impl FnOnce(Stamp<'_>) -> Result<Vec<u8>, RepoError>,
    ) -> Result<(), PdsError> {
        let clock = i64::try_from(self.now_us).unwrap_or(i64::MAX - 1);
        let seq = clock.max(head.last_seq + 1);
        let frame = frame(Stamp { did: &self.inner.did, seq, time_us: self.now_us })?;
        tables::put_event(self.write, seq, self.now_us, &frame)?;
        let newest = NewestEvent { seq, after: head.last_seq, frame: frame.into() };
        let newest_event = self.inner.newest_event.clone();
        self.write.after_commit(move || {
            newest_event.send_replace(newest);
        });
        head.last_seq = seq;
        Ok(())
    }
}

fn encode_record(value: &cbor::Ipld) -> Result<(Cid, Vec<u8>), PdsError> {
    let bytes = cbor::encode(value).map_err(PdsError::InvalidRecord)?;
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(PdsError::TooLarge("a record has at most 1,000,000 bytes"));
    }
    Ok((cid::dag_cbor(&bytes), bytes))
}

/// Returns a CAR whose root and first block is the commit.
fn car_of(root: &Cid, root_bytes: &[u8], blocks: &BTreeMap<Cid, Vec<u8>>) -> Result<Vec<u8>, RepoError> {
    let mut out = car::header(root)?;
    car::push_block(&mut out, root, root_bytes);
    for (cid, bytes) in blocks {
        car::push_block(&mut out, cid, bytes);
    }
    Ok(out)
}
