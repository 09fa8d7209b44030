//! A private hold does not tell those who may not read whether a blob exists.

use atproto::repo::cid;

use crate::support::hold::{Answer, Hold, NO_TOKEN, PRIVATE, PUBLIC, digest_of};

/// All of an answer that could tell one blob from another.
fn lasting(answer: &Answer) -> (u16, http::HeaderMap, bytes::Bytes) {
    (answer.status, answer.lasting_headers(), answer.body.clone())
}

#[tokio::test]
async fn existing_and_missing_blobs_look_alike_to_those_who_may_not_read() {
    let hold = Hold::start(PRIVATE).await;
    let (existing, missing) = (hold.upload(&hold.writer, b"secret").await, digest_of(b"nothing"));
    let mut cids = vec!["nonsense".to_owned(), "sha256:nonsense".to_owned()];
    for digest in [existing, missing] {
        cids.extend([digest.to_string(), cid::raw(&digest).to_string()]);
    }
    let anonymous = (401, "AuthRequired", NO_TOKEN);
    let stranger = (
        403,
        "Forbidden",
        "access denied for blob:read: user is not a crew member (required: blob:read or blob:write)",
    );
    for (token, (status, name, message)) in [(None, anonymous), (Some(hold.token(&hold.stranger)), stranger)] {
        for method in ["GET", "HEAD"] {
            let mut answers = vec![];
            for cid in &cids {
                let call =
                    hold.call(method, &format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={cid}", hold.did_in_query()));
                let call = call.header("range", "bytes=0-0");
                answers.push(match &token {
                    None => call.send().await,
                    Some(token) => call.bearer(token).send().await,
                });
            }
            for answer in &answers {
                assert_eq!(lasting(answer), lasting(&answers[0]));
            }
            assert_eq!(answers[0].status, status);
            if method == "GET" {
                answers[0].assert_refused(status, name, message);
            }
        }
    }
    // Nor does the path of the bytes.
    let [one, two] = [existing, missing].map(|digest| hold.get(&format!("/blobs/{digest}?expires=1&signature=AAAA")));
    assert_eq!(lasting(&one.send().await), lasting(&two.send().await));
}

#[tokio::test]
async fn what_may_be_read_follows_the_configuration() {
    let mut hold = Hold::start(PRIVATE).await;
    let digest = hold.upload(&hold.writer, b"content").await;
    for (configuration, anonymous, stranger) in [(PUBLIC, 200, 200), (PRIVATE, 401, 403)] {
        hold.restart(configuration).await;
        assert_eq!(hold.blob_url(None, &digest).await.status, anonymous);
        assert_eq!(hold.blob_url(Some(&hold.stranger), &digest).await.status, stranger);
        assert_eq!(hold.blob_url(Some(&hold.reader), &digest).await.status, 200);
    }
}
