//! Jetstream: unsigned events as JSON, of the requested collections only.
//! <https://github.com/bluesky-social/jetstream>

use serde::Deserialize;
use serde_json::Value;

use super::COLLECTIONS;
use super::event::{EventKind, SourceEvent};
use crate::index::{Change, ChangeKind};
use atproto::syntax::Did;
use server::json;

/// How long before the cursor a reconnect begins: the clocks of the hosts differ by seconds.
const OVERLAP_US: u64 = 5 * 1_000_000;
/// Path of the stream at most hosts.
const PATH: &str = "/subscribe";

#[derive(Deserialize)]
struct Event {
    did: Did,
    time_us: u64,
    #[serde(default)]
    commit: Option<Commit>,
    #[serde(default)]
    account: Option<Account>,
    #[serde(default)]
    identity: Option<Value>,
}

#[derive(Deserialize)]
struct Commit {
    operation: String,
    collection: String,
    rkey: String,
    #[serde(default)]
    record: Option<Value>,
}

#[derive(Deserialize)]
struct Account {
    active: bool,
    #[serde(default)]
    status: Option<String>,
}

/// Returns the URL of the stream from `cursor` on.
pub(super) fn url(base: &str, cursor: Option<u64>) -> String {
    let (base, query) = base.split_once('?').map_or((base, None), |(base, query)| (base, Some(query)));
    let host = base.find("://").map_or(0, |at| at + 3);
    let has_path = base[host..].trim_end_matches('/').contains('/');
    let path = if has_path { "" } else { PATH };
    let mut fields = url::form_urlencoded::Serializer::new(query.unwrap_or_default().to_owned());
    for collection in COLLECTIONS {
        fields.append_pair("wantedCollections", &collection);
    }
    if let Some(cursor) = cursor {
        fields.append_pair("cursor", &cursor.saturating_sub(OVERLAP_US).to_string());
    }
    format!("{}{path}?{}", base.trim_end_matches('/'), fields.finish())
}

/// Parses a message; `None` when it is no event.
pub(super) fn read(text: &str, now_us: u64) -> Option<SourceEvent> {
    let event: Event = json::parse(text.as_bytes()).ok()?;
    let did = event.did;
    let mut refused = 0;
    let (kind, change) = match (event.commit, event.account, event.identity) {
        (Some(commit), ..) => {
            let Commit { operation, collection, rkey, record } = commit;
            let record = record.as_ref().filter(|_| operation != "delete");
            // A create or update without its record is useless.
            let is_whole = record.is_some() || operation == "delete";
            let change = Change::of(&did, &collection, &rkey, record, now_us).filter(|_| is_whole);
            refused = u64::from(change.is_none());
            (EventKind::Commit, change)
        }
        (_, Some(account), _) => (EventKind::Account, Some(of_account(did, account.active, account.status.as_deref()))),
        (_, _, Some(_)) => (EventKind::Identity, Some(Change { account: did, kind: ChangeKind::Handle })),
        _ => return None,
    };
    // A time in the future would skip later events.
    let cursor = event.time_us.min(now_us);
    Some(SourceEvent {
        kind,
        cursor: Some(cursor),
        at_us: Some(cursor),
        changes: change.into_iter().collect(),
        refused,
    })
}

/// Returns the change for the status of an account.
pub(super) fn of_account(account: Did, is_active: bool, status: Option<&str>) -> Change {
    let kind = match status {
        Some("deleted") if !is_active => ChangeKind::Gone,
        _ => ChangeKind::Active(is_active),
    };
    Change { account, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000_000;

    #[test]
    fn the_address_has_the_collections_and_where_to_go_on() {
        let of = |base: &str| url(base, Some(7_000_000));
        assert!(of("wss://a.example").starts_with("wss://a.example/subscribe?wantedCollections=io.atcr.manifest&"));
        assert!(of("wss://a.example/").ends_with("&cursor=2000000"));
        assert!(of("wss://a.example/other").starts_with("wss://a.example/other?wantedCollections="));
        assert!(of("wss://a.example/s?x=1").starts_with("wss://a.example/s?x=1&wantedCollections="));
        assert!(!url("wss://a.example", None).contains("cursor"));
    }

    #[test]
    fn whatever_comes_is_an_event_or_nothing() {
        let did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
        let event = |json: &str| read(&json.replace("DID", did), NOW);
        let star = r#"{"did":"DID","time_us":5,"kind":"commit","commit":{"rev":"a","operation":"create","collection":
            "io.atcr.sailor.star","rkey":"a","record":{"subject":"at://DID/io.atcr.repo.page/app","createdAt":"2026-01-01T00:00:00Z"},"cid":"b"}}"#;
        let found = event(star).unwrap();
        assert_eq!((found.changes.len(), found.cursor, found.refused), (1, Some(5), 0));
        let gone = event(&star.replace("create\"", "delete\"")).unwrap();
        assert_eq!(gone.changes[0].kind, ChangeKind::NoStar("a".into()));
        let account = r#"{"did":"DID","time_us":9999999999999999,"kind":"account","account":{"active":false,"did":"DID","seq":1,"status":"takendown"}}"#;
        let found = event(account).unwrap();
        assert_eq!((&found.changes[0].kind, found.cursor), (&ChangeKind::Active(false), Some(NOW)));
        assert_eq!(event(&account.replace("takendown", "deleted")).unwrap().changes[0].kind, ChangeKind::Gone);
        let identity = r#"{"did":"DID","time_us":1,"kind":"identity","identity":{"did":"DID","handle":"a.b"}}"#;
        assert_eq!(event(identity).unwrap().changes[0].kind, ChangeKind::Handle);
        for nothing in [
            "",
            "null",
            "[]",
            "{}",
            r#"{"did":"x","time_us":1,"commit":{}}"#,
            r#"{"did":"DID","time_us":"1"}"#,
            r#"{"did":"DID","time_us":-1,"account":{"active":true}}"#,
            r#"{"did":"DID","time_us":1}"#,
            r#"{"did":"DID","time_us":1,"commit":{"operation":7,"collection":"a","rkey":"b"}}"#,
            &"[".repeat(100_000),
        ] {
            assert!(event(nothing).is_none(), "{nothing:.80}");
        }
        let record = r#""record":{"subject""#;
        let other = event(&star.replace(record, r#""record":{"other""#)).unwrap();
        assert_eq!((other.changes.len(), other.refused), (0, 1));
        assert!(
            event(&star.replace("io.atcr.sailor.star\",\"rkey\":\"a\"", "x\",\"rkey\":\"../..\""))
                .unwrap()
                .changes
                .is_empty()
        );
    }
}
