//! Notifications that are refused, exactly how, and that nothing of them is recorded.

use serde_json::{Value, json};

use super::{LAYER, STATS, notify, push_of, records, rev};
use crate::support::hold::{Hold, PRIVATE, digest_of};

const DIGEST: &str = "must be \"sha256:\" and 64 lower-case hexadecimal digits";

#[tokio::test]
async fn a_manifest_whose_blobs_are_not_here_is_reported_not_trusted() {
    let hold = Hold::start(PRIVATE).await;
    hold.upload(&hold.writer, b"here").await;
    let at = rev(&hold).await;
    let input = push_of(&hold.writer, "app", &["config", "here", "absent"]);
    let named = [digest_of(b"config"), digest_of(b"absent")].map(|digest| digest.to_string()).join(", ");
    let message = format!("2 of the manifest's blobs are not in this hold: {named}");
    notify(&hold, &hold.writer, &input).await.assert_refused(400, "BlobNotFound", &message);

    let contents: Vec<_> = (0..30).map(|number| format!("absent {number}")).collect();
    let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
    let answer = notify(&hold, &hold.writer, &push_of(&hold.writer, "app", &contents)).await;
    answer.assert_error(400, "BlobNotFound");
    assert_eq!(answer.text().matches("sha256:").count(), 10, "{}", answer.text());
    assert!(answer.text().contains("30 of the manifest's blobs"), "{}", answer.text());

    assert_eq!(rev(&hold).await, at, "no commit");
    assert!(records(&hold, LAYER).await.is_empty() && records(&hold, STATS).await.is_empty());
}

#[tokio::test]
async fn a_size_that_is_not_the_blobs_is_refused() {
    let hold = Hold::start(PRIVATE).await;
    for content in ["config", "layer"] {
        hold.upload(&hold.writer, content.as_bytes()).await;
    }
    let at = rev(&hold).await;
    let mut input = push_of(&hold.writer, "app", &["config", "layer"]);
    input["manifest"]["layers"][0]["size"] = 6.into();
    let message = format!("{} has 5 bytes, not 6 as the manifest says", digest_of(b"layer"));
    notify(&hold, &hold.writer, &input).await.assert_refused(400, "InvalidSize", &message);
    let mut input = push_of(&hold.writer, "app", &["config", "layer"]);
    input["manifest"]["config"]["size"] = 0.into();
    let message = format!("{} has 6 bytes, not 0 as the manifest says", digest_of(b"config"));
    notify(&hold, &hold.writer, &input).await.assert_refused(400, "InvalidSize", &message);
    assert_eq!(rev(&hold).await, at);
}

#[tokio::test]
async fn who_may_not_push_is_refused_by_what_is_wrong() {
    let hold = Hold::start(PRIVATE).await;
    let of_writer = push_of(&hold.writer, "app", &["config"]);
    let message = "userDid must be the account whose token this is";
    for account in [&hold.other_writer, &hold.captain, &hold.stranger] {
        notify(&hold, account, &of_writer).await.assert_refused(403, "UserMismatch", message);
    }
    let reader = push_of(&hold.reader, "app", &["config"]);
    let message = "access denied for blob:write: crew member lacks permission (required: blob:write)";
    notify(&hold, &hold.reader, &reader).await.assert_refused(403, "Forbidden", message);
    let stranger = push_of(&hold.stranger, "app", &["config"]);
    let message = "access denied for blob:write: user is not a crew member (required: blob:write)";
    notify(&hold, &hold.stranger, &stranger).await.assert_refused(403, "Forbidden", message);
}

/// Where what is written, and what is answered.
fn wrong_fields() -> Vec<(&'static str, Value, &'static str, String)> {
    let long = "x".repeat(257);
    let upper = digest_of(b"layer").to_string().to_uppercase();
    vec![
        ("/operation", json!("delete"), "InvalidOperation", "operation must be push or pull".into()),
        ("/operation", json!(""), "InvalidOperation", "operation must be push or pull".into()),
        (
            "/repository",
            json!("My App"),
            "InvalidRequest",
            "repository is not a valid image name: it must look like myapp or team/my-app".into(),
        ),
        (
            "/repository",
            json!(long),
            "InvalidRequest",
            "repository is not a valid image name: it must have at most 256 characters".into(),
        ),
        (
            "/tag",
            json!("-x"),
            "InvalidRequest",
            "tag is not a valid tag: it must have 1 to 128 letters, digits and . _ - and not begin with . or -".into(),
        ),
        ("/manifestDigest", json!("sha256:abc"), "InvalidRequest", format!("manifestDigest {DIGEST}")),
        ("/manifest/mediaType", json!(long), "InvalidRequest", "manifest.mediaType has at most 256 bytes".into()),
        ("/manifest/config/digest", json!("sha512:00"), "InvalidRequest", format!("manifest.config.digest {DIGEST}")),
        ("/manifest/config/size", json!(-1), "InvalidRequest", "manifest.config.size must not be negative".into()),
        ("/manifest/layers/0/digest", json!(upper), "InvalidRequest", format!("manifest.layers[0].digest {DIGEST}")),
        ("/manifest/layers/0/digest", json!(null), "InvalidRequest", format!("manifest.layers[0].digest {DIGEST}")),
        ("/manifest/layers/0/size", json!(-5), "InvalidRequest", "manifest.layers[0].size must not be negative".into()),
        (
            "/manifest/layers/0/mediaType",
            json!("x".repeat(129)),
            "InvalidRequest",
            "manifest.layers[0].mediaType has at most 128 bytes".into(),
        ),
        (
            "/manifest/layers",
            json!([{ "digest": digest_of(b"layer"), "size": 5 }, { "digest": digest_of(b"layer"), "size": 6 }]),
            "InvalidRequest",
            "manifest.layers[1].size is not that of the same digest before".into(),
        ),
    ]
}

#[tokio::test]
async fn each_field_that_is_wrong_is_named() {
    let hold = Hold::start(PRIVATE).await;
    for content in ["config", "layer"] {
        hold.upload(&hold.writer, content.as_bytes()).await;
    }
    let at = rev(&hold).await;
    for (pointer, value, name, message) in wrong_fields() {
        let mut input = push_of(&hold.writer, "app", &["config", "layer"]);
        *input.pointer_mut(pointer).unwrap() = value;
        notify(&hold, &hold.writer, &input).await.assert_refused(400, name, &message);
    }
    for (pointer, value) in [
        ("/userDid", json!("alice")),
        ("/userDid", json!(null)),
        ("/manifest", json!("text")),
        ("/manifest/layers/0/size", json!(1.5)),
        ("/manifest/layers/0/size", json!(1e300)),
        ("/manifest/layers", json!({})),
        ("/tag", json!(1)),
    ] {
        let mut input = push_of(&hold.writer, "app", &["config", "layer"]);
        *input.pointer_mut(pointer).unwrap() = value;
        notify(&hold, &hold.writer, &input).await.assert_error(400, "InvalidRequest");
    }
    assert_eq!(rev(&hold).await, at, "nothing is recorded");
}
