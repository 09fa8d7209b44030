//! Events of the firehose as complete frames: DAG-CBOR header and body, ready to be sent.
//! <https://atproto.com/specs/event-stream>, <https://atproto.com/specs/sync>

use std::collections::BTreeMap;

use atproto::repo::cbor::{self, Ipld};
use atproto::repo::{Cid, RepoError, car};
use atproto::syntax::{Datetime, Did, Tid};

/// An operation on a record, as an element of `ops`.
pub(super) struct RecordOp {
    /// The path, `collection/rkey`.
    pub(super) path: String,
    /// CID after the commit; `None` for a deletion.
    pub(super) cid: Option<Cid>,
    /// CID before the commit; `None` for a creation.
    pub(super) prev: Option<Cid>,
}

/// The content of a #commit event.
pub(super) struct CommitEvent<'a> {
    pub(super) commit: Cid,
    pub(super) rev: &'a Tid,
    /// Revision and tree of the previous commit; `None` for the first one.
    pub(super) since: Option<(&'a Tid, Cid)>,
    pub(super) ops: Vec<RecordOp>,
    /// CAR with the commit, its new nodes and records, and the covering proof.
    pub(super) blocks: Vec<u8>,
}

/// The DID, sequence number and time of an event.
#[derive(Clone, Copy)]
pub(super) struct Stamp<'a> {
    pub(super) did: &'a Did,
    pub(super) seq: i64,
    pub(super) time_us: u64,
}

pub(super) fn identity(stamp: Stamp<'_>, handle: Option<&str>) -> Result<Vec<u8>, RepoError> {
    let handle = handle.map(|handle| ("handle", handle.into()));
    frame("#identity", stamp, "did", handle)
}

pub(super) fn account_active(stamp: Stamp<'_>) -> Result<Vec<u8>, RepoError> {
    frame("#account", stamp, "did", [("active", true.into())])
}

/// Returns a #sync frame: the state of the repository without the change that led to it, as the commit block alone.
pub(super) fn sync(stamp: Stamp<'_>, rev: &Tid, commit: &Cid, commit_bytes: &[u8]) -> Result<Vec<u8>, RepoError> {
    let mut blocks = car::header(commit)?;
    car::push_block(&mut blocks, commit, commit_bytes);
    frame("#sync", stamp, "did", [("rev", rev.as_str().into()), ("blocks", Ipld::Bytes(blocks))])
}

pub(super) fn commit(stamp: Stamp<'_>, event: CommitEvent<'_>) -> Result<Vec<u8>, RepoError> {
    let ops = event.ops.into_iter().map(op).collect::<Vec<_>>();
    let mut fields = vec![
        ("commit", Ipld::Link(event.commit)),
        ("rev", event.rev.as_str().into()),
        ("since", event.since.map_or(Ipld::Null, |(rev, _)| rev.as_str().into())),
        ("ops", Ipld::List(ops)),
        ("blocks", Ipld::Bytes(event.blocks)),
        ("blobs", Ipld::List(Vec::new())),
        ("rebase", false.into()),
        ("tooBig", false.into()),
    ];
    fields.extend(event.since.map(|(_, data)| ("prevData", Ipld::Link(data))));
    frame("#commit", stamp, "repo", fields)
}

fn op(op: RecordOp) -> Ipld {
    let action = match (&op.cid, &op.prev) {
        (Some(_), None) => "create",
        (Some(_), Some(_)) => "update",
        (None, _) => "delete",
    };
    let mut map =
        fields([("action", action.into()), ("path", op.path.into()), ("cid", op.cid.map_or(Ipld::Null, Ipld::Link))]);
    map.extend(op.prev.map(|cid| ("prev".to_owned(), Ipld::Link(cid))));
    Ipld::Map(map)
}

/// Returns an #info frame: a message about the stream itself.
pub(super) fn info(name: &str, message: &str) -> Result<Vec<u8>, RepoError> {
    let header = fields([("op", Ipld::Integer(1)), ("t", "#info".into())]);
    joined(header, fields([("name", name.into()), ("message", message.into())]))
}

/// Returns an error frame, the last one of a stream, with the reason of its end.
pub(super) fn error(name: &str, message: &str) -> Result<Vec<u8>, RepoError> {
    joined(fields([("op", Ipld::Integer(-1))]), fields([("error", name.into()), ("message", message.into())]))
}

fn frame<'f>(
    kind: &str,
    stamp: Stamp<'_>,
    did_field: &'static str,
    body: impl IntoIterator<Item = (&'f str, Ipld)>,
) -> Result<Vec<u8>, RepoError> {
    let mut body = fields(body);
    body.extend(fields([
        ("seq", Ipld::Integer(stamp.seq.into())),
        ("time", Datetime::from_micros(stamp.time_us).as_str().into()),
        (did_field, stamp.did.as_str().into()),
    ]));
    joined(fields([("op", Ipld::Integer(1)), ("t", kind.into())]), body)
}

fn joined(header: BTreeMap<String, Ipld>, body: BTreeMap<String, Ipld>) -> Result<Vec<u8>, RepoError> {
    let mut bytes = cbor::encode(&Ipld::Map(header))?;
    bytes.extend(cbor::encode(&Ipld::Map(body))?);
    Ok(bytes)
}

fn fields<'f>(pairs: impl IntoIterator<Item = (&'f str, Ipld)>) -> BTreeMap<String, Ipld> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
