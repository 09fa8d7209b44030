//! What the registry says of images, over HTTP: pushes, pulls, quotas, and what is known of an account.

mod growth;
mod import;
mod lexicon;
mod posts;
mod pulls;
mod pushes;
mod quotas;
mod races;
mod reconcile;
mod refusals;
mod schema;
mod stored;
mod tiers;
mod user_data;

use serde_json::{Value, json};

use crate::support::hold::{Account, Answer, Hold, digest_of};

const NOTIFY: &str = "io.atcr.hold.notifyManifest";
const LAYER: &str = "io.atcr.hold.layer";
const STATS: &str = "io.atcr.hold.stats";
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What the registry says of a push of `name:1.0` with these layers; the first is the config.
fn push_of(account: &Account, name: &str, contents: &[&str]) -> Value {
    let blob = |content: &&str| json!({ "digest": digest_of(content.as_bytes()), "size": content.len() });
    let layer = |content: &&str| {
        let mut layer = blob(content);
        layer["mediaType"] = OCI_LAYER.into();
        layer
    };
    json!({
        "repository": name,
        "userDid": account.did,
        "manifestDigest": digest_of(contents.concat().as_bytes()),
        "manifest": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": blob(&contents[0]),
            "layers": contents[1..].iter().map(layer).collect::<Vec<_>>(),
        },
        "tag": "1.0",
        "operation": "push",
    })
}

/// Uploads these blobs, and says that they were pushed as `name:1.0`.
async fn push(hold: &Hold, account: &Account, name: &str, contents: &[&str]) -> Answer {
    for content in contents {
        hold.upload(account, content.as_bytes()).await;
    }
    notify(hold, account, &push_of(account, name, contents)).await
}

async fn notify(hold: &Hold, account: &Account, input: &Value) -> Answer {
    hold.post(account, NOTIFY, input).await
}

/// A pull by `account` of an image of `owner`.
async fn pull(hold: &Hold, account: &Account, owner: &Account, name: &str) -> Answer {
    let input = json!({
        "repository": name, "userDid": owner.did, "manifestDigest": digest_of(b"any"), "manifest": {}, "operation": "pull",
    });
    notify(hold, account, &input).await
}

/// All records of a collection, the oldest first, by key.
async fn records(hold: &Hold, collection: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let query = format!("repo={}&collection={collection}&limit=100&reverse=true{cursor}", hold.did_in_query());
        let page = hold.get(&format!("/xrpc/com.atproto.repo.listRecords?{query}")).send().await.ok();
        for record in page["records"].as_array().unwrap() {
            let key = record["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            all.push((key, record["value"].clone()));
        }
        match page["cursor"].as_str() {
            Some(text) => cursor = format!("&cursor={text}"),
            None => return all,
        }
    }
}

/// Waits until the statistics are so: what is only counted comes into them within a minute, and after a start.
async fn counted(hold: &Hold, are_so: impl Fn(&[(String, Value)]) -> bool) {
    while !are_so(&records(hold, STATS).await) {
        tokio::task::yield_now().await;
    }
}

/// The revision of the newest commit.
async fn rev(hold: &Hold) -> String {
    let query = format!("did={}", hold.did_in_query());
    let output = hold.get(&format!("/xrpc/com.atproto.sync.getLatestCommit?{query}")).send().await.ok();
    output["rev"].as_str().unwrap().to_owned()
}

async fn quota(hold: &Hold, account: &Account) -> Value {
    let did = account.did.as_str().replace('%', "%25");
    hold.get(&format!("/xrpc/io.atcr.hold.getQuota?userDid={did}")).send().await.ok()
}
