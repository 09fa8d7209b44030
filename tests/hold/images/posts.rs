//! Posts about pushes: only where operator and captain want them, once for each manifest that has a tag.

use serde_json::{Value, json};

use super::{notify, push, push_of, records};
use crate::support::hold::{Hold, digest_of};

const POST: &str = "app.bsky.feed.post";
const WANTED: &str = "public = false\nbluesky_posts = true\n";

#[tokio::test]
async fn a_push_under_a_tag_is_announced_once() {
    let hold = Hold::start(WANTED).await;
    let contents = ["config", "one", "second"];
    let output = push(&hold, &hold.writer, "team/app", &contents).await.ok();
    let [(key, post)] = &records(&hold, POST).await[..] else { panic!("one post") };
    assert_eq!(output["postCreated"], true);
    assert_eq!(output["postUri"], format!("at://{}/{POST}/{key}", hold.did()));
    let expected = json!({
        "$type": POST, "text": "team/app:1.0 was pushed: 2 layers, 9 B", "langs": ["en"], "createdAt": post["createdAt"],
        "facets": [{
            "index": { "byteStart": 0, "byteEnd": 12 },
            "features": [{ "$type": "app.bsky.richtext.facet#mention", "did": hold.writer.did }],
        }],
    });
    assert_eq!(post, &expected);
    // The same manifest under another tag is no news.
    let mut again = push_of(&hold.writer, "team/app", &contents);
    again["tag"] = "latest".into();
    assert_eq!(notify(&hold, &hold.writer, &again).await.ok()["postCreated"], false);
    // A manifest without a tag is a part of a list.
    let mut part = push_of(&hold.writer, "team/app", &contents);
    (part["tag"], part["manifestDigest"]) = (Value::Null, json!(digest_of(b"another")));
    assert_eq!(notify(&hold, &hold.writer, &part).await.ok()["postCreated"], false);
    assert_eq!(records(&hold, POST).await.len(), 1);
}

#[tokio::test]
async fn the_longest_names_fit_into_a_post() {
    let hold = Hold::start(WANTED).await;
    let mut input = push_of(&hold.writer, &"n".repeat(256), &["config", "layer"]);
    input["tag"] = "t".repeat(128).into();
    for content in ["config", "layer"] {
        hold.upload(&hold.writer, content.as_bytes()).await;
    }
    notify(&hold, &hold.writer, &input).await.ok();
    let text = records(&hold, POST).await[0].1["text"].as_str().unwrap().to_owned();
    assert!(text.chars().count() <= 300 && text.contains('…') && text.ends_with("1 layer, 5 B"), "{text}");
}

#[tokio::test]
async fn captain_and_operator_can_each_say_no() {
    let mut hold = Hold::start("bluesky_posts = false\n").await;
    let output = push(&hold, &hold.writer, "app", &["config", "one"]).await.ok();
    assert_eq!(output["postCreated"], false);
    // The operator allows it from now on, but the captain record was made without.
    hold.restart("bluesky_posts = true\n").await;
    assert_eq!(push(&hold, &hold.writer, "app", &["config", "two"]).await.ok()["postCreated"], false);
    let captain = records(&hold, "io.atcr.hold.captain").await[0].1.clone();
    let mut wanted = captain.clone();
    wanted["enableBlueskyPosts"] = true.into();
    let input = json!({ "repo": hold.did(), "collection": "io.atcr.hold.captain", "rkey": "self", "record": wanted });
    hold.post(&hold.captain, "com.atproto.repo.putRecord", &input).await.ok();
    assert_eq!(push(&hold, &hold.writer, "app", &["config", "three"]).await.ok()["postCreated"], true);
}
