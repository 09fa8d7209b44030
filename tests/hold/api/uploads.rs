//! initiateUpload, getPartUploadUrl, uploadPart and abortUpload: what is asked, and by whom.

use atcr_hold::gate::UrlSigner;
use serde_json::{Value, json};
use server::key_file;

use crate::support::hold::{Account, Answer, Call, Hold, PRIVATE, digest_of, now_s};

const PART: &str = "/xrpc/io.atcr.hold.uploadPart";
const NO_UPLOAD: (u16, &str, &str) = (404, "InvalidUploadId", "there is no such upload of this account");
const BAD_NUMBER: (u16, &str, &str) = (400, "InvalidPartNumber", "a part number is from 1 to 10000");
const BAD_URL: (u16, &str, &str) = (403, "InvalidSignedUrl", "this URL is not valid for this request");

#[track_caller]
fn refused(answer: &Answer, (status, name, message): (u16, &str, &str)) {
    answer.assert_refused(status, name, message);
}

/// A part with token and headers.
fn by_token(hold: &Hold, account: &Account, upload_id: &str, number: &str) -> Call {
    let call = hold.call("PUT", PART).bearer(&hold.token(account)).body("part");
    call.header("x-upload-id", upload_id).header("x-part-number", number)
}

/// The signer of this hold's URLs, as a forger would like to have it.
fn signer(hold: &Hold) -> UrlSigner {
    let key = key_file::load(&hold.root().join("keys").join(key_file::FILE_NAME)).unwrap().unwrap();
    UrlSigner::new(key.derive_secret("signed URLs"))
}

#[tokio::test]
async fn the_temporary_name_has_1_to_128_characters_of_any_kind() {
    let hold = Hold::start(PRIVATE).await;
    let initiate = async |digest: Value| {
        hold.post(&hold.writer, "io.atcr.hold.initiateUpload", &json!({ "digest": digest })).await
    };
    for name in ["a", "../../etc/passwd", "uploads/temp-1", "sha256:ABC", &"x".repeat(128)] {
        let output = initiate(name.into()).await.ok();
        let id = output["uploadId"].as_str().unwrap();
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_eq!(output, json!({ "uploadId": id, "partLength": "any" }));
    }
    for name in ["", &"x".repeat(129)] {
        initiate(name.into()).await.assert_refused(400, "InvalidDigest", "digest must have 1 to 128 characters");
    }
    for name in [json!(null), json!(1), json!(["a"])] {
        initiate(name).await.assert_error(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn a_part_number_is_a_whole_number_from_1_to_10000() {
    let hold = Hold::start(PRIVATE).await;
    let id = hold.initiate(&hold.writer).await;
    let url = async |number: Value| {
        let input = json!({ "uploadId": id, "partNumber": number });
        hold.post(&hold.writer, "io.atcr.hold.getPartUploadUrl", &input).await
    };
    for number in [1, 10_000] {
        let output = url(json!(number)).await.ok();
        let target = output["url"].as_str().unwrap();
        assert!(target.starts_with(&format!("{}{PART}?", hold.url())), "{target}");
        let headers = json!({ "X-Upload-Id": id, "X-Part-Number": number.to_string() });
        assert_eq!(output, json!({ "url": target, "method": "PUT", "headers": headers }));
    }
    for number in [json!(0), json!(10_001), json!(-1), json!("1"), json!(1.5), json!(null), json!(4_294_967_297_u64)] {
        refused(&url(number.clone()).await, BAD_NUMBER);
        let parts = json!([{ "partNumber": number, "etag": "e" }]);
        let input = json!({ "uploadId": id, "digest": digest_of(b""), "parts": parts });
        refused(&hold.post(&hold.writer, "io.atcr.hold.completeUpload", &input).await, BAD_NUMBER);
    }
    let missing = hold.post(&hold.writer, "io.atcr.hold.getPartUploadUrl", &json!({ "uploadId": id })).await;
    missing.assert_error(400, "InvalidRequest");
    for number in ["0", "10001", "-1", "+1", "1.5", "one", "", "4294967297"] {
        refused(&by_token(&hold, &hold.writer, &id, number).send().await, BAD_NUMBER);
    }
}

#[tokio::test]
async fn a_part_by_token_names_its_upload_and_number_in_headers() {
    for hold in Hold::everywhere(PRIVATE).await {
        let id = hold.initiate(&hold.writer).await;
        let call = || hold.call("PUT", PART).bearer(&hold.token(&hold.writer)).body("part");
        let no_id = call().header("x-part-number", "1").send().await;
        no_id.assert_refused(400, "InvalidRequest", "header X-Upload-Id is required");
        let no_number = call().header("x-upload-id", &id).send().await;
        no_number.assert_refused(400, "InvalidRequest", "header X-Part-Number is required");
        let answer = by_token(&hold, &hold.writer, &id, "1").send().await;
        let etag = answer.ok()["etag"].as_str().unwrap().to_owned();
        assert_eq!(answer.ok(), json!({ "etag": etag }));
        assert_eq!(answer.header("etag"), Some(format!("\"{etag}\"").as_str()));
        // Quoted as in the header, too.
        let quoted = format!("\"{etag}\"");
        let digest = digest_of(b"part");
        hold.complete(&hold.writer, &id, &digest.to_string(), &[(1, &quoted)]).await.ok();
        assert_eq!(hold.read_blob(&digest).await, "part");
    }
}

#[tokio::test]
async fn a_signed_url_is_for_its_part_by_put_or_post_and_needs_nothing_else() {
    let hold = Hold::start(PRIVATE).await;
    let id = hold.initiate(&hold.writer).await;
    let (one, two) = (hold.part_url(&hold.writer, &id, 1).await, hold.part_url(&hold.writer, &id, 2).await);
    let put = hold.call("PUT", &one).body("first").send().await.ok();
    let post = hold.call("POST", &two).body("second").chunked().send().await.ok();
    hold.call("GET", &one).send().await.assert_refused(405, "MethodNotAllowed", "use PUT, POST here");
    let digest = digest_of(b"firstsecond");
    let etags = [(1, put["etag"].as_str().unwrap()), (2, post["etag"].as_str().unwrap())];
    hold.complete(&hold.writer, &id, &digest.to_string(), &etags).await.ok();
    assert_eq!(hold.read_blob(&digest).await, "firstsecond");
    // Used after the completion, it changes nothing.
    refused(&hold.call("PUT", &one).body("later").send().await, NO_UPLOAD);
    assert_eq!(hold.read_blob(&digest).await, "firstsecond");
}

#[tokio::test]
async fn a_changed_or_expired_url_is_refused() {
    let hold = Hold::start(PRIVATE).await;
    let (id, other) = (hold.initiate(&hold.writer).await, hold.initiate(&hold.writer).await);
    let url = hold.part_url(&hold.writer, &id, 1).await;
    let (signed, signature) = url.rsplit_once('=').unwrap();
    let expires = url.split("expires=").nth(1).unwrap().split('&').next().unwrap();
    let remaining_s = expires.parse::<i64>().unwrap() - now_s();
    assert!((0..=900).contains(&remaining_s), "{remaining_s}");
    let of_other = hold.part_url(&hold.writer, &other, 1).await;
    let other_signature = of_other.rsplit_once('=').unwrap().1;
    for forged in [
        url.replace("partNumber=1", "partNumber=2"),
        url.replace("partNumber=1", "partNumber=01"),
        url.replace(&id, &other),
        url.replace(expires, "99999999999"),
        url.replace("partNumber=1&", ""),
        format!("{signed}={other_signature}"),
        format!("{signed}={}", signature.to_ascii_lowercase()),
        format!("{url}&partNumber=1"),
    ] {
        refused(&hold.call("PUT", &forged).body("forged").send().await, BAD_URL);
    }
    let twice = hold.call("PUT", &format!("{url}&signature={signature}")).send().await;
    twice.assert_refused(400, "InvalidRequest", "query parameter signature is given twice");
    let old = signer(&hold).part_query(&id, 1, now_s() - 900);
    let expired = hold.call("PUT", &format!("{PART}?{old}")).body("late").send().await;
    expired.assert_refused(403, "InvalidSignedUrl", "this URL has expired; ask for a new one");
    // Without a signature it is no signed URL, and nothing else was brought.
    for unsigned in [signed.rsplit_once('&').unwrap().0, &format!("{signed}=")] {
        hold.call("PUT", unsigned).body("unsigned").send().await.assert_error(401, "AuthRequired");
    }
    assert_eq!(hold.call("PUT", &url).body("right").send().await.status, 200);
}

#[tokio::test]
async fn unknown_foreign_aborted_and_finished_uploads_look_alike() {
    for hold in Hold::everywhere(PRIVATE).await {
        let foreign = hold.initiate(&hold.other_writer).await;
        let aborted = hold.initiate(&hold.writer).await;
        let url_of_aborted = hold.part_url(&hold.writer, &aborted, 1).await;
        let output = hold.post(&hold.writer, "io.atcr.hold.abortUpload", &json!({ "uploadId": aborted })).await.ok();
        assert_eq!(output, json!({ "status": "aborted" }));
        let finished = hold.initiate(&hold.writer).await;
        hold.complete(&hold.writer, &finished, &digest_of(b"").to_string(), &[]).await.ok();
        let other = digest_of(b"other").to_string();
        let mut answers = vec![hold.call("PUT", &url_of_aborted).body("part").send().await];
        for id in [&"0".repeat(32), &foreign, &aborted, &finished, "", "..", "not-an-upload", &finished.to_uppercase()]
        {
            answers.push(by_token(&hold, &hold.writer, id, "1").send().await);
            answers.push(hold.complete(&hold.writer, id, &other, &[]).await);
            for nsid in ["io.atcr.hold.getPartUploadUrl", "io.atcr.hold.abortUpload"] {
                answers.push(hold.post(&hold.writer, nsid, &json!({ "uploadId": id, "partNumber": 1 })).await);
            }
        }
        for answer in &answers {
            refused(answer, NO_UPLOAD);
        }
        // The foreign upload is not harmed by any of this.
        hold.part(&hold.other_writer, &foreign, 1, "part").await;
    }
}

#[tokio::test]
async fn whoever_is_removed_can_send_nothing_more() {
    for hold in Hold::everywhere(PRIVATE).await {
        let id = hold.initiate(&hold.writer).await;
        let (url, token) = (hold.part_url(&hold.writer, &id, 1).await, hold.token(&hold.writer));
        let part = async || {
            let by_token = hold.call("PUT", PART).bearer(&token).body("part");
            let by_token = by_token.header("x-upload-id", &id).header("x-part-number", "1").send().await;
            [hold.call("PUT", &url).body("part").send().await, by_token]
        };
        assert_eq!(part().await.map(|answer| answer.status), [200, 200]);
        let record = json!({ "member": hold.writer.did, "role": "mate", "permissions": ["blob:read"], "addedAt": "2026-01-01T00:00:00Z" });
        let rkey = atcr_hold::crew::member_key(&hold.writer.did);
        let input = json!({ "repo": hold.did(), "collection": "io.atcr.hold.crew", "rkey": rkey, "record": record });
        let refused_for = async |reason| {
            let message = format!("access denied for blob:write: {reason} (required: blob:write)");
            let denied = (403, "Forbidden", message.as_str());
            let [by_url, by_token] = part().await;
            refused(&by_token, denied);
            // The upload is dropped soon after: then the URL has none any more.
            refused(&by_url, if by_url.status == 404 { NO_UPLOAD } else { denied });
        };
        hold.post(&hold.captain, "com.atproto.repo.putRecord", &input).await.ok();
        refused_for("crew member lacks permission").await;
        hold.remove_from_crew(&hold.writer).await;
        refused_for("user is not a crew member").await;
    }
}
