//! Records over HTTP: written by captain and crew admins, read by anyone, joined by request.

mod apply_writes;
mod identity;
mod lexicon;
mod profile;
mod protection;
mod public_hold;
mod reads;
mod request_crew;
mod swaps;
mod sync;
mod writes;

use atcr_hold::crew::member_key;
use atproto::syntax::Did;
use serde_json::{Map, Value, json};

use crate::support::hold::{Account, Answer, Hold};
use crate::support::repo_home::{CAPTAIN, CREW, PROFILE};

const CREATE: &str = "com.atproto.repo.createRecord";
const PUT: &str = "com.atproto.repo.putRecord";
const DELETE: &str = "com.atproto.repo.deleteRecord";
const APPLY: &str = "com.atproto.repo.applyWrites";

/// A good crew record.
fn crew_record(member: &Did) -> Value {
    json!({
        "$type": CREW, "member": member, "role": "member", "permissions": ["blob:read"],
        "addedAt": "2027-01-15T08:00:00.000Z",
    })
}

/// `value` with another field, or without it where that is null.
fn with(mut value: Value, name: &str, field: Value) -> Value {
    let fields: &mut Map<_, _> = value.as_object_mut().unwrap();
    match field {
        Value::Null => drop(fields.remove(name)),
        field => drop(fields.insert(name.to_owned(), field)),
    }
    value
}

/// Where the repository stands.
#[derive(Debug, PartialEq)]
struct Latest {
    cid: String,
    rev: String,
}

async fn latest(hold: &Hold) -> Latest {
    let output = hold.get(&format!("/xrpc/com.atproto.sync.getLatestCommit?did={}", query_did(hold))).send().await.ok();
    let text = |name: &str| output[name].as_str().unwrap().to_owned();
    Latest { cid: text("cid"), rev: text("rev") }
}

/// Our DID in a query: its own percent sign is escaped.
fn query_did(hold: &Hold) -> String {
    hold.did().replace('%', "%25")
}

/// Writes one crew record of `member` with this method.
async fn write(hold: &Hold, account: &Account, nsid: &str, member: &Did, record: &Value) -> Answer {
    let input = json!({ "repo": hold.did(), "collection": CREW, "rkey": member_key(member), "record": record });
    hold.post(account, nsid, &input).await
}

async fn delete(hold: &Hold, account: &Account, collection: &str, rkey: &str) -> Answer {
    hold.post(account, DELETE, &json!({ "repo": hold.did(), "collection": collection, "rkey": rkey })).await
}

async fn get_record(hold: &Hold, collection: &str, rkey: &str) -> Answer {
    let query = format!("repo={}&collection={collection}&rkey={rkey}", query_did(hold));
    hold.get(&format!("/xrpc/com.atproto.repo.getRecord?{query}")).send().await
}

/// The value of a record that must be there.
async fn value_of(hold: &Hold, collection: &str, rkey: &str) -> Value {
    get_record(hold, collection, rkey).await.ok()["value"].clone()
}

fn uri(hold: &Hold, collection: &str, rkey: &str) -> String {
    format!("at://{}/{collection}/{rkey}", hold.did())
}
