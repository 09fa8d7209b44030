//! sync.getBlob and listBlobs of records' blobs, and the profile that names them.

use atproto::repo::cid;
use serde_json::json;

use super::{JPEG, PNG, blob_path, list, name, profile, publish, put_profile, read, upload};
use crate::support::hold::{Hold, PRIVATE, PUBLIC};

#[tokio::test]
async fn anyone_reads_what_a_record_refers_to_also_on_a_private_hold() {
    for configuration in [PUBLIC, PRIVATE] {
        let hold = Hold::start(configuration).await;
        publish(&hold, PNG).await;
        let etag = format!("\"{}\"", name(PNG));
        let whole = read(&hold, PNG).await;
        assert_eq!((whole.status, whole.body.as_ref()), (200, PNG));
        for (header, value) in [
            ("content-type", "image/png"),
            ("content-length", &PNG.len().to_string()),
            ("etag", &etag),
            ("accept-ranges", "bytes"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("x-content-type-options", "nosniff"),
            ("content-disposition", "attachment"),
            ("access-control-allow-origin", "*"),
        ] {
            assert_eq!(whole.header(header), Some(value), "{header}");
        }
        let path = blob_path(&hold, &name(PNG));
        let head = hold.call("HEAD", &path).send().await;
        assert_eq!((head.status, head.text()), (200, ""));
        assert_eq!(head.lasting_headers(), whole.lasting_headers());
        let part = hold.get(&path).header("range", "bytes=1-3").send().await;
        assert_eq!((part.status, part.text()), (206, "PNG"));
        let beyond = hold.get(&path).header("range", "bytes=1000-").send().await;
        assert_eq!(beyond.status, 416);
        let stranger = hold.get(&path).bearer(&hold.token(&hold.stranger)).send().await;
        assert_eq!(stranger.body.as_ref(), PNG);
        let other = format!("/xrpc/com.atproto.sync.getBlob?did=did:web:localhost&cid={}", name(PNG));
        hold.get(&other).send().await.assert_error(400, "RepoNotFound");
    }
}

#[tokio::test]
async fn a_blob_that_waits_is_not_served_and_looks_like_none() {
    let hold = Hold::start(PRIVATE).await;
    upload(&hold, &hold.captain, "image/png", PNG).await.ok();
    for token in [None, Some(hold.token(&hold.stranger)), Some(hold.token(&hold.captain))] {
        let mut answers = vec![];
        for bytes in [PNG, b"never uploaded"] {
            let call = hold.get(&blob_path(&hold, &name(bytes)));
            answers.push(match &token {
                None => call.send().await,
                Some(token) => call.bearer(token).send().await,
            });
        }
        assert_ne!(answers[0].status, 200);
        assert_eq!(answers[0].text(), answers[1].text());
    }
    assert_eq!(list(&hold, "").await, json!({ "cids": [] }));
}

#[tokio::test]
async fn blobs_are_listed_in_pages_and_since_a_revision() {
    let hold = Hold::start(PRIVATE).await;
    let first = super::rev(&hold).await;
    publish(&hold, PNG).await;
    let second = super::rev(&hold).await;
    let avatar = super::reference("image/png", PNG);
    let mut record = profile(&avatar);
    record["banner"] = upload(&hold, &hold.captain, "image/jpeg", JPEG).await.ok()["blob"].clone();
    put_profile(&hold, &record).await.ok();
    let mut both = [name(PNG), name(JPEG)];
    both.sort_by_key(|name| cid::parse(name).unwrap().to_bytes());
    assert_eq!(list(&hold, "").await, json!({ "cids": both }));
    assert_eq!(list(&hold, "&limit=1").await, json!({ "cids": [both[0]], "cursor": both[0] }));
    assert_eq!(list(&hold, &format!("&limit=1&cursor={}", both[0])).await, json!({ "cids": [both[1]] }));
    assert_eq!(list(&hold, &format!("&cursor={}", both[1])).await, json!({ "cids": [] }));
    // Both are blobs of a record that was written after that.
    for since in [&first, &second] {
        assert_eq!(list(&hold, &format!("&since={since}")).await, json!({ "cids": both }));
    }
    let last = super::rev(&hold).await;
    assert_eq!(list(&hold, &format!("&since={last}")).await, json!({ "cids": [] }));
}

#[tokio::test]
async fn the_profile_shows_where_its_pictures_are() {
    let hold = Hold::start(PRIVATE).await;
    publish(&hold, PNG).await;
    let actor = format!("/xrpc/app.bsky.actor.getProfile?actor={}", hold.did_in_query());
    let view = hold.get(&actor).send().await.ok();
    assert_eq!(view["displayName"], "The old lady");
    assert!(view["banner"].is_null(), "{view}");
    let avatar = view["avatar"].as_str().unwrap();
    assert!(avatar.starts_with(&format!("{}/xrpc/com.atproto.sync.getBlob?", hold.url())), "{avatar}");
    assert_eq!(hold.get(avatar).send().await.body.as_ref(), PNG);
}
