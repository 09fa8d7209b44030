//! com.atproto.repo.uploadBlob: types, sizes, counts.

use serde_json::json;

use super::{PNG, UPLOAD, reference, upload};
use crate::support::hold::{Hold, PRIVATE};

#[tokio::test]
async fn the_answer_is_what_a_record_must_say() {
    let hold = Hold::start(PRIVATE).await;
    for (kind, expected) in [
        ("image/png", "image/png"),
        ("Image/PNG; charset=binary", "image/png"),
        ("text/plain", "text/plain"),
        ("*/*", "application/octet-stream"),
    ] {
        let answer = upload(&hold, &hold.admin, kind, PNG).await.ok();
        assert_eq!(answer, json!({ "blob": reference(expected, PNG) }));
    }
    let call = hold.call("POST", &format!("/xrpc/{UPLOAD}")).bearer(&hold.token(&hold.captain));
    let untyped = call.body(PNG.to_vec()).send().await.ok();
    assert_eq!(untyped, json!({ "blob": reference("application/octet-stream", PNG) }));
}

#[tokio::test]
async fn what_is_no_media_type_is_refused() {
    let hold = Hold::start(PRIVATE).await;
    for kind in ["", "png", "image/", "image/*", "image/png/x", "image png/x"] {
        upload(&hold, &hold.captain, kind, PNG).await.assert_error(400, "InvalidMimeType");
    }
    let call = hold.call("POST", &format!("/xrpc/{UPLOAD}")).bearer(&hold.token(&hold.captain));
    let twice = call.header("content-type", "image/png").header("content-type", "image/png").body("x").send().await;
    twice.assert_error(400, "InvalidMimeType");
}

#[tokio::test]
async fn a_blob_has_at_most_a_million_bytes_announced_or_not() {
    let hold = Hold::start(PRIVATE).await;
    for (size, fits) in [(1_000_000, true), (1_000_001, false), (3_000_000, false)] {
        for chunked in [false, true] {
            let call = hold.call("POST", &format!("/xrpc/{UPLOAD}")).bearer(&hold.token(&hold.captain));
            let call = call.header("content-type", "image/png").body(vec![7; size]);
            let answer = if chunked { call.chunked() } else { call }.send().await;
            match fits {
                true => assert_eq!(answer.ok()["blob"]["size"], size),
                false => answer.assert_refused(413, "BlobTooLarge", "a blob has at most 1000000 bytes"),
            }
        }
    }
}

#[tokio::test]
async fn only_admins_upload() {
    let hold = Hold::start(PRIVATE).await;
    let path = format!("/xrpc/{UPLOAD}");
    hold.call("POST", &path).body(PNG.to_vec()).send().await.assert_error(401, "AuthRequired");
    hold.call("POST", &path).bearer("nonsense").body(PNG.to_vec()).send().await.assert_error(401, "BadJwt");
    for account in [&hold.stranger, &hold.reader, &hold.writer] {
        upload(&hold, account, "image/png", PNG).await.assert_error(403, "Forbidden");
    }
}

#[tokio::test]
async fn sixteen_blobs_may_wait_for_a_record() {
    let hold = Hold::start(PRIVATE).await;
    for number in 0..16_u8 {
        upload(&hold, &hold.captain, "image/png", &[number]).await.ok();
    }
    let message = "too many blobs wait for a record that refers to them";
    let answer = upload(&hold, &hold.captain, "image/png", &[16]).await;
    answer.assert_refused(429, "RateLimitExceeded", message);
    // One that waits already is no further one, and one that a record takes up makes room.
    let avatar = upload(&hold, &hold.captain, "image/png", &[0]).await.ok()["blob"].clone();
    super::put_profile(&hold, &super::profile(&avatar)).await.ok();
    upload(&hold, &hold.captain, "image/png", &[16]).await.ok();
    upload(&hold, &hold.captain, "image/png", &[17]).await.assert_error(429, "RateLimitExceeded");
}
