//! The firehose of a relay or a PDS: `com.atproto.sync.subscribeRepos`.

use super::event::{EventKind, SourceEvent};
use super::is_wanted;
use super::jetstream::of_account;
use crate::index::{Change, ChangeKind};
use atproto::lexicon::nsid;
use atproto::repo::RepoError;
use atproto::repo::cbor;
use atproto::repo::event::{CommitEvent, RepoEvent, RepoEventKind};

/// The content of a frame.
pub(super) enum Frame {
    /// An event.
    Event(SourceEvent),
    /// Events between the cursor and now are missing.
    Gap,
    /// The host ended the stream: the cursor is in the future.
    BadCursor(String),
    /// The host ended the stream, for this reason.
    End(String),
    /// A frame without relevance.
    Nothing,
}

/// Returns the URL of the stream from `cursor` on.
pub(super) fn url(base: &str, cursor: Option<u64>) -> String {
    let cursor = cursor.map(|cursor| format!("?cursor={cursor}")).unwrap_or_default();
    format!("ws{}/xrpc/{}{cursor}", base.strip_prefix("http").unwrap_or(base), nsid::SYNC_SUBSCRIBE_REPOS)
}

/// Decodes a frame.
pub(super) fn read(frame: &[u8], now_us: u64) -> Result<Frame, RepoError> {
    let event = RepoEvent::decode(frame)?;
    let mut refused = 0;
    let (kind, changes) = match event.kind {
        RepoEventKind::Commit(commit) => (EventKind::Commit, commit_changes(&commit, now_us, &mut refused)),
        RepoEventKind::Sync(account) => (EventKind::Commit, vec![Change { account, kind: ChangeKind::Relist }]),
        RepoEventKind::Identity(account) => (EventKind::Identity, vec![Change { account, kind: ChangeKind::Handle }]),
        RepoEventKind::Account(account, is_active, status) => {
            (EventKind::Account, vec![of_account(account, is_active, status.as_deref())])
        }
        RepoEventKind::Info(name) if name == "OutdatedCursor" => return Ok(Frame::Gap),
        RepoEventKind::Error(name, message) if name == "FutureCursor" => return Ok(Frame::BadCursor(message)),
        RepoEventKind::Error(name, message) => return Ok(Frame::End(format!("{name}: {message}"))),
        RepoEventKind::Info(_) | RepoEventKind::Other => return Ok(Frame::Nothing),
    };
    let cursor = (event.seq > 0).then_some(event.seq);
    Ok(Frame::Event(SourceEvent { kind, cursor, at_us: None, changes, refused }))
}

/// Returns the changes of a commit. If it is incomplete or invalid, the account is listed again. Adds the number of
/// records that do not match their lexicon to `refused`.
fn commit_changes(commit: &CommitEvent, now_us: u64, refused: &mut u64) -> Vec<Change> {
    let relist = || vec![Change { account: commit.account.clone(), kind: ChangeKind::Relist }];
    if commit.is_partial {
        return relist();
    }
    let Ok(records) = commit.records(is_wanted) else { return relist() };
    let change = |(path, record): (&str, Option<cbor::Ipld>)| {
        let (collection, key) = path.split_once('/')?;
        let record = record.as_ref().map(cbor::to_json);
        let change = Change::of(&commit.account, collection, key, record.as_ref(), now_us);
        *refused += u64::from(change.is_none());
        change
    };
    records.into_iter().filter_map(change).collect()
}
