//! Events of `com.atproto.sync.subscribeRepos`, as far as a reader of records needs them. Their content is unverified:
//! a commit's blocks have the hashes of their CIDs, but its signature is left to the caller to check.
//! <https://atproto.com/specs/sync>, <https://atproto.com/specs/event-stream>

use std::collections::BTreeMap;

use super::cbor::{self, Ipld};
use super::{Cid, RepoError, car};
use crate::syntax::Did;

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct RepoEvent {
    /// The sequence number at its host; 0 if it has none.
    pub seq: u64,
    /// The content of the event.
    pub kind: RepoEventKind,
}

/// The content of an event.
#[derive(Clone, Debug, PartialEq)]
pub enum RepoEventKind {
    /// `#commit`: records changed.
    Commit(CommitEvent),
    /// `#sync`: the repository was replaced, without a list of changes.
    Sync(Did),
    /// `#identity`: the account may have another handle or key.
    Identity(Did),
    /// `#account`: whether the account is active, and its status if it is not.
    Account(Did, bool, Option<String>),
    /// `#info`: the name of a message about the stream; `OutdatedCursor` means that events are missing.
    Info(String),
    /// The host ends the stream with an error: name and message.
    Error(String, String),
    /// An event of another kind.
    Other,
}

/// Records that changed in one commit.
#[derive(Clone, Debug, PartialEq)]
pub struct CommitEvent {
    /// The account of the repository.
    pub account: Did,
    /// The path and new CID of each record; `None` for one that was deleted.
    pub operations: Vec<(String, Option<Cid>)>,
    /// Whether the event is incomplete (`tooBig`): the repository has to be read instead.
    pub is_partial: bool,
    /// The blocks, as a CAR file.
    blocks: Vec<u8>,
}

impl CommitEvent {
    /// Returns the records among the operations whose path `is_wanted`; `None` for one that was deleted.
    ///
    /// # Errors
    /// [`RepoError`] for an invalid CAR file, a record missing in it, or an invalid record.
    pub fn records(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<(&str, Option<Ipld>)>, RepoError> {
        let wanted: Vec<_> = self.operations.iter().filter(|(path, _)| is_wanted(path)).collect();
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let blocks: BTreeMap<Cid, &[u8]> = car::read(&self.blocks)?.blocks.into_iter().collect();
        let record = |(_, cid): &(String, Option<Cid>)| match cid {
            Some(cid) => {
                let block = blocks.get(cid).ok_or(RepoError::InvalidCar("a record of the event is missing"))?;
                cbor::decode(block).map(Some)
            }
            None => Ok(None),
        };
        wanted.into_iter().map(|operation| Ok((operation.0.as_str(), record(operation)?))).collect()
    }
}

const KINDS: [&str; 5] = ["#commit", "#sync", "#identity", "#account", "#info"];

impl RepoEvent {
    /// Decodes a frame: a header and a body, each in canonical form.
    ///
    /// # Errors
    /// [`RepoError`]; a frame of an unknown kind is [`RepoEventKind::Other`].
    pub fn decode(frame: &[u8]) -> Result<Self, RepoError> {
        if let Some(body) = frame.strip_prefix(&header(None)?[..]) {
            let fields = Fields::of(body)?;
            let text = |name| fields.text(name).unwrap_or_default().to_owned();
            return Ok(Self { seq: 0, kind: RepoEventKind::Error(text("error"), text("message")) });
        }
        for kind in KINDS {
            if let Some(body) = frame.strip_prefix(&header(Some(kind))?[..]) {
                let fields = Fields::of(body)?;
                let seq = fields.number("seq").unwrap_or_default();
                return Ok(Self { seq, kind: of_kind(kind, fields)? });
            }
        }
        Ok(Self { seq: 0, kind: RepoEventKind::Other })
    }
}

/// Returns the header of a kind of events; without one, that of errors.
fn header(kind: Option<&str>) -> Result<Vec<u8>, RepoError> {
    let op = ("op".to_owned(), Ipld::Integer(if kind.is_some() { 1 } else { -1 }));
    let kind = kind.map(|kind| ("t".to_owned(), Ipld::String(kind.to_owned())));
    cbor::encode(&Ipld::Map(kind.into_iter().chain([op]).collect()))
}

fn of_kind(kind: &str, mut fields: Fields) -> Result<RepoEventKind, RepoError> {
    Ok(match kind {
        "#commit" => RepoEventKind::Commit(commit(&mut fields)?),
        "#sync" => RepoEventKind::Sync(fields.did("did")?),
        "#identity" => RepoEventKind::Identity(fields.did("did")?),
        "#account" => {
            let active = fields.0.get("active") == Some(&Ipld::Bool(true));
            RepoEventKind::Account(fields.did("did")?, active, fields.text("status").map(str::to_owned))
        }
        _ => RepoEventKind::Info(fields.text("name").unwrap_or_default().to_owned()),
    })
}

fn commit(fields: &mut Fields) -> Result<CommitEvent, RepoError> {
    let account = fields.did("repo")?;
    let is_partial = fields.0.get("tooBig") == Some(&Ipld::Bool(true));
    let Some(Ipld::Bytes(blocks)) = fields.0.remove("blocks") else { return Err(WRONG) };
    let Some(Ipld::List(operations)) = fields.0.remove("ops") else { return Err(WRONG) };
    let operation = |operation: Ipld| {
        let Ipld::Map(mut fields) = operation else { return Err(WRONG) };
        let (Some(Ipld::String(path)), cid) = (fields.remove("path"), fields.remove("cid")) else { return Err(WRONG) };
        match cid {
            Some(Ipld::Link(cid)) => Ok((path, Some(cid))),
            Some(Ipld::Null) | None => Ok((path, None)),
            _ => Err(WRONG),
        }
    };
    let operations = operations.into_iter().map(operation).collect::<Result<_, _>>()?;
    Ok(CommitEvent { account, operations, is_partial, blocks })
}

const WRONG: RepoError = RepoError::InvalidCbor("an event lacks a field");

/// The fields of an event's body.
struct Fields(BTreeMap<String, Ipld>);

impl Fields {
    fn of(body: &[u8]) -> Result<Self, RepoError> {
        match cbor::decode(body)? {
            Ipld::Map(fields) => Ok(Self(fields)),
            _ => Err(WRONG),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Ipld::String(text)) => Some(text),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<u64> {
        match self.0.get(name) {
            Some(Ipld::Integer(number)) => u64::try_from(*number).ok(),
            _ => None,
        }
    }

    fn did(&self, name: &str) -> Result<Did, RepoError> {
        Did::parse(self.text(name).unwrap_or_default()).map_err(|_| WRONG)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn frame(kind: &str, body: &serde_json::Value) -> Vec<u8> {
        let body = cbor::encode(&cbor::from_json(body).unwrap()).unwrap();
        [header(Some(kind)).unwrap(), body].concat()
    }

    const ALICE: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";

    #[test]
    fn a_commit_has_its_records() {
        let record = cbor::encode(&cbor::from_json(&json!({ "$type": "a.b.c", "text": "x" })).unwrap()).unwrap();
        let cid = crate::repo::cid::dag_cbor(&record);
        let mut blocks = car::header(&cid).unwrap();
        car::push_block(&mut blocks, &cid, &record);
        let body = |blocks: &[u8]| {
            json!({
                "seq": 7, "repo": ALICE, "tooBig": false,
                "blocks": { "$bytes": data_encoding::BASE64_NOPAD.encode(blocks) },
                "ops": [
                    { "action": "create", "path": "a.b.c/k", "cid": { "$link": cid.to_string() } },
                    { "action": "delete", "path": "a.b.c/gone", "cid": null },
                    { "action": "delete", "path": "x.y.z/k", "cid": null },
                ],
            })
        };
        let event = RepoEvent::decode(&frame("#commit", &body(&blocks))).unwrap();
        let RepoEventKind::Commit(commit) = event.kind else { panic!() };
        let found = commit.records(|path| path.starts_with("a.b.c/")).unwrap();
        assert_eq!((event.seq, found.len(), &found[1]), (7, 2, &("a.b.c/gone", None)));
        assert_eq!(cbor::to_json(found[0].1.as_ref().unwrap())["text"], "x");
        let at = blocks.len() - 1;
        blocks[at] ^= 1;
        for blocks in [&blocks[..], &[]] {
            let event = RepoEvent::decode(&frame("#commit", &body(blocks))).unwrap();
            let RepoEventKind::Commit(commit) = event.kind else { panic!() };
            assert!(commit.records(|path| path.starts_with("a.b.c/")).is_err());
            assert!(commit.records(|path| path.starts_with("other/")).unwrap().is_empty());
        }
    }

    #[test]
    fn other_events_are_read_and_whatever_else_is_an_error_or_nothing() {
        let kind = |kind: &str, body: serde_json::Value| RepoEvent::decode(&frame(kind, &body)).map(|event| event.kind);
        let did = Did::parse(ALICE).unwrap();
        let gone = kind("#account", json!({ "did": ALICE, "active": false, "status": "deleted", "seq": 1 })).unwrap();
        assert_eq!(gone, RepoEventKind::Account(did.clone(), false, Some("deleted".into())));
        assert_eq!(kind("#identity", json!({ "did": ALICE })).unwrap(), RepoEventKind::Identity(did));
        assert_eq!(kind("#info", json!({ "name": "x" })).unwrap(), RepoEventKind::Info("x".into()));
        assert_eq!(kind("#new", json!({})).unwrap(), RepoEventKind::Other);
        for (name, body) in [
            ("#account", json!({ "did": 7 })),
            ("#commit", json!({ "repo": ALICE })),
            ("#commit", json!({ "repo": ALICE, "ops": [7], "blocks": { "$bytes": "" } })),
            ("#commit", json!({ "repo": ALICE, "ops": [{ "path": "a", "cid": 7 }], "blocks": { "$bytes": "" } })),
        ] {
            assert!(kind(name, body).is_err());
        }
        assert_eq!(RepoEvent::decode(b"").unwrap().kind, RepoEventKind::Other);
        assert!(RepoEvent::decode(&header(Some("#commit")).unwrap()).is_err());
        let error =
            cbor::encode(&cbor::from_json(&json!({ "error": "FutureCursor", "message": "m" })).unwrap()).unwrap();
        let error = RepoEvent::decode(&[header(None).unwrap(), error].concat()).unwrap();
        assert_eq!(error.kind, RepoEventKind::Error("FutureCursor".into(), "m".into()));
    }
}
