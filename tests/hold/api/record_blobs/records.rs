//! Records that refer to blobs: what is accepted, and what becomes of the blobs.

use serde_json::{Value, json};

use super::{JPEG, PNG, list, name, profile, publish, put_profile, read, reference, upload};
use crate::support::hold::{Hold, PRIVATE};
use crate::support::repo_home::{CREW, PROFILE};

#[tokio::test]
async fn a_record_refers_only_to_what_is_here_as_it_is() {
    let hold = Hold::start(PRIVATE).await;
    let absent = profile(&reference("image/png", b"never uploaded"));
    put_profile(&hold, &absent).await.assert_error(400, "BlobNotFound");
    upload(&hold, &hold.captain, "image/png", PNG).await.ok();
    put_profile(&hold, &profile(&reference("image/jpeg", PNG))).await.assert_error(400, "InvalidMimeType");
    let mut longer = reference("image/png", PNG);
    longer["size"] = json!(PNG.len() + 1);
    put_profile(&hold, &profile(&longer)).await.assert_error(400, "InvalidSize");
    assert_eq!(list(&hold, "").await, json!({ "cids": [] }));
    // Also deep in a field that nobody knows, and in any record.
    let member = json!({
        "member": "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "role": "member", "permissions": ["blob:read"],
        "addedAt": "2027-01-15T08:00:00.000Z", "card": [{ "photo": reference("image/png", b"nor this") }],
    });
    let input = json!({ "repo": hold.did(), "collection": CREW, "record": member });
    let answer = hold.post(&hold.captain, "com.atproto.repo.createRecord", &input).await;
    answer.assert_error(400, "BlobNotFound");
}

#[tokio::test]
async fn a_profile_is_what_its_lexicon_says() {
    let hold = Hold::start(PRIVATE).await;
    upload(&hold, &hold.captain, "image/gif", PNG).await.ok();
    let too_large = json!({
        "$type": "blob", "ref": { "$link": name(PNG) }, "mimeType": "image/png", "size": 1_000_001,
    });
    for (field, value) in [
        ("displayName", json!(5)),
        ("displayName", json!("x".repeat(65))),
        ("displayName", json!("ä\u{308}\u{308}\u{308}\u{308}\u{308}".repeat(64))),
        ("description", json!("x".repeat(257))),
        ("pronouns", json!("x".repeat(21))),
        ("avatar", json!("a.png")),
        ("avatar", reference("image/gif", PNG)),
        ("banner", reference("text/html", PNG)),
        ("avatar", too_large),
        ("pinnedPost", json!("at://x")),
        ("createdAt", json!("yesterday")),
        ("$type", json!("app.bsky.feed.post")),
    ] {
        let mut record = json!({ "$type": PROFILE });
        record[field] = value;
        put_profile(&hold, &record).await.assert_error(400, "InvalidRequest");
    }
    let input = json!({ "repo": hold.did(), "collection": PROFILE, "rkey": "other", "record": { "$type": PROFILE } });
    let answer = hold.post(&hold.captain, "com.atproto.repo.putRecord", &input).await;
    answer.assert_refused(400, "InvalidRequest", "the key of this record must be self");
    for account in [&hold.writer, &hold.stranger] {
        let input = json!({ "repo": hold.did(), "collection": PROFILE, "rkey": "self", "record": {} });
        hold.post(account, "com.atproto.repo.putRecord", &input).await.assert_error(403, "Forbidden");
    }
    let bounds = json!({ "$type": PROFILE, "displayName": "ü".repeat(64), "description": "ö".repeat(256), "x": [1] });
    put_profile(&hold, &bounds).await.ok();
}

#[tokio::test]
async fn a_blob_goes_with_its_last_reference() {
    let hold = Hold::start(PRIVATE).await;
    publish(&hold, PNG).await;
    assert_eq!(read(&hold, PNG).await.status, 200);
    // Another picture takes its place.
    let jpeg = upload(&hold, &hold.captain, "image/jpeg", JPEG).await.ok()["blob"].clone();
    put_profile(&hold, &profile(&jpeg)).await.ok();
    assert_eq!((read(&hold, PNG).await.status, read(&hold, JPEG).await.status), (401, 200));
    put_profile(&hold, &profile(&reference("image/png", PNG))).await.assert_error(400, "BlobNotFound");
    // A second field, and a second record, keep it; its last field gone, it goes.
    let mut both = profile(&jpeg);
    both["banner"] = jpeg.clone();
    put_profile(&hold, &both).await.ok();
    put_profile(&hold, &profile(&jpeg)).await.ok();
    assert_eq!(read(&hold, JPEG).await.status, 200);
    let input = json!({ "repo": hold.did(), "collection": PROFILE, "rkey": "self" });
    hold.post(&hold.captain, "com.atproto.repo.deleteRecord", &input).await.ok();
    assert_eq!(read(&hold, JPEG).await.status, 401);
    assert_eq!(list(&hold, "").await, json!({ "cids": [] }));
}

#[tokio::test]
async fn one_commit_may_move_a_blob_from_record_to_record() {
    let hold = Hold::start(PRIVATE).await;
    publish(&hold, PNG).await;
    let member = json!({
        "$type": CREW, "member": "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "role": "member", "permissions": ["blob:read"],
        "addedAt": "2027-01-15T08:00:00.000Z", "photo": reference("image/png", PNG),
    });
    let kind = |kind: &str| format!("com.atproto.repo.applyWrites#{kind}");
    let writes: Value = json!([
        { "$type": kind("delete"), "collection": PROFILE, "rkey": "self" },
        { "$type": kind("create"), "collection": CREW, "value": member },
    ]);
    let input = json!({ "repo": hold.did(), "writes": writes });
    hold.post(&hold.captain, "com.atproto.repo.applyWrites", &input).await.ok();
    assert_eq!(read(&hold, PNG).await.status, 200);
    assert_eq!(list(&hold, "").await, json!({ "cids": [name(PNG)] }));
}

#[tokio::test]
async fn a_refused_commit_changes_no_reference() {
    let hold = Hold::start(PRIVATE).await;
    publish(&hold, PNG).await;
    let input = json!({
        "repo": hold.did(), "collection": PROFILE, "rkey": "self", "record": { "$type": PROFILE }, "swapRecord": null,
    });
    let answer = hold.post(&hold.captain, "com.atproto.repo.putRecord", &input).await;
    answer.assert_error(400, "InvalidSwap");
    assert_eq!(read(&hold, PNG).await.status, 200);
}
