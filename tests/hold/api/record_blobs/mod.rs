//! Blobs of the repository's own records, from upload to the end of the last reference, over HTTP and below it.

mod declared;
mod lasting;
mod reads;
mod records;
mod uploads;

use atproto::repo::cid;
use serde_json::{Value, json};

use crate::support::hold::{Account, Answer, Hold};
use crate::support::repo_home::PROFILE;

const UPLOAD: &str = "com.atproto.repo.uploadBlob";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest of a picture";
const JPEG: &[u8] = b"\xff\xd8\xff and the rest of another";

/// What a record says of these bytes.
fn reference(kind: &str, bytes: &[u8]) -> Value {
    json!({ "$type": "blob", "ref": { "$link": name(bytes) }, "mimeType": kind, "size": bytes.len() })
}

/// The CID of these bytes.
fn name(bytes: &[u8]) -> String {
    cid::raw(&crate::support::hold::digest_of(bytes)).to_string()
}

fn profile(avatar: &Value) -> Value {
    json!({ "$type": PROFILE, "displayName": "The old lady", "avatar": avatar })
}

async fn upload(hold: &Hold, account: &Account, kind: &str, bytes: &[u8]) -> Answer {
    let call = hold.call("POST", &format!("/xrpc/{UPLOAD}")).bearer(&hold.token(account));
    call.header("content-type", kind).body(bytes.to_vec()).send().await
}

async fn put_profile(hold: &Hold, record: &Value) -> Answer {
    let input = json!({ "repo": hold.did(), "collection": PROFILE, "rkey": "self", "record": record });
    hold.post(&hold.captain, "com.atproto.repo.putRecord", &input).await
}

/// Uploads a PNG and puts it into the profile.
async fn publish(hold: &Hold, bytes: &[u8]) {
    let avatar = upload(hold, &hold.captain, "image/png", bytes).await.ok()["blob"].clone();
    put_profile(hold, &profile(&avatar)).await.ok();
}

fn blob_path(hold: &Hold, cid: &str) -> String {
    format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={cid}", hold.did_in_query())
}

/// Reads a blob without a token.
async fn read(hold: &Hold, bytes: &[u8]) -> Answer {
    hold.get(&blob_path(hold, &name(bytes))).send().await
}

/// What listBlobs answers.
async fn list(hold: &Hold, more: &str) -> Value {
    hold.get(&format!("/xrpc/com.atproto.sync.listBlobs?did={}{more}", hold.did_in_query())).send().await.ok()
}

/// The revision of the newest commit.
async fn rev(hold: &Hold) -> String {
    let target = format!("/xrpc/com.atproto.sync.getLatestCommit?did={}", hold.did_in_query());
    hold.get(&target).send().await.ok()["rev"].as_str().unwrap().to_owned()
}
