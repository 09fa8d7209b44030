//! What is known of an account: all of it to the account, and none of it any more once it asks for that.

use std::collections::BTreeSet;

use atcr_hold::images::{Image, Images, ImagesSettings, Push, PushedBlob, PushedLayer};
use atcr_hold::{blobs, pds};
use atproto::lexicon::UserData;
use atproto::syntax::Digest;
use serde_json::{Value, json};
use server::sqlite::Write;
use server::storage::StorageError;

use super::{LAYER, STATS, pull, push, quota, records, rev};
use crate::support::did_server::plc;
use crate::support::hold::{Account, Answer, Hold, PRIVATE, digest_of};
use crate::support::repo_home::{RepoHome, START_US, change, declared, note};

const OPEN: &str = "public = true\nallow_all_crew = true\nbluesky_posts = true\n";
const POST: &str = "app.bsky.feed.post";
const CREW: &str = "io.atcr.hold.crew";

async fn export(hold: &Hold, account: &Account) -> Value {
    hold.get("/xrpc/io.atcr.hold.exportUserData").bearer(&hold.token(account)).send().await.ok()
}

async fn delete(hold: &Hold, account: &Account) -> Answer {
    hold.post(account, "io.atcr.hold.deleteUserData", &json!({})).await
}

fn deleted(crew: bool, layers: usize, stats: usize) -> Value {
    json!({ "success": true, "crewDeleted": crew, "layersDeleted": layers, "statsDeleted": stats })
}

async fn join(hold: &Hold, account: &Account) {
    assert_eq!(hold.post(account, "io.atcr.hold.requestCrew", &json!({})).await.status, 201);
}

#[tokio::test]
async fn an_account_gets_all_that_is_known_of_it_and_nothing_of_others() {
    let hold = Hold::start(OPEN).await;
    join(&hold, &hold.stranger).await;
    push(&hold, &hold.stranger, "app", &["config", "layer"]).await.ok();
    push(&hold, &hold.writer, "theirs", &["config", "layer", "more"]).await.ok();
    pull(&hold, &hold.stranger, &hold.writer, "theirs").await.ok();

    let data = export(&hold, &hold.stranger).await;
    let [(_, layer)] = &records(&hold, LAYER)
        .await
        .into_iter()
        .filter(|(_, layer)| layer["userDid"] == json!(hold.stranger.did))
        .collect::<Vec<_>>()[..]
    else {
        panic!("one layer")
    };
    let (_, stats) = records(&hold, STATS).await.into_iter().find(|(_, stats)| stats["repository"] == "app").unwrap();
    let (key, post) = records(&hold, POST).await.remove(0);
    let (_, crew) = records(&hold, CREW).await.into_iter().find(|(key, _)| key == hold.stranger.did.as_str()).unwrap();
    let expected = json!({
        "exportedAt": data["exportedAt"], "holdDid": hold.did(), "userDid": hold.stranger.did, "isCaptain": false,
        "crewRecord": { "role": "member", "permissions": ["blob:read", "blob:write"], "addedAt": crew["addedAt"] },
        "layerRecords": [{
            "digest": digest_of(b"layer"), "size": 5, "mediaType": layer["mediaType"], "manifest": layer["manifest"],
            "createdAt": layer["createdAt"],
        }],
        "statsRecords": [{
            "repository": "app", "pullCount": 0, "pushCount": 1, "lastPush": stats["lastPush"],
            "updatedAt": stats["updatedAt"],
        }],
        "blueskyPosts": [{
            "uri": format!("at://{}/{POST}/{key}", hold.did()), "text": post["text"], "createdAt": post["createdAt"],
        }],
    });
    assert_eq!(data, expected);
    let captain = export(&hold, &hold.captain).await;
    assert_eq!((&captain["isCaptain"], &captain["layerRecords"]), (&json!(true), &json!([])));
    assert_eq!(captain["crewRecord"]["role"], "owner");
    let reader = export(&hold, &hold.reader).await;
    assert_eq!((&reader["statsRecords"], &reader["blueskyPosts"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn an_account_that_deletes_its_data_leaves_nothing_but_blobs() {
    let mut hold = Hold::start(OPEN).await;
    join(&hold, &hold.stranger).await;
    push(&hold, &hold.stranger, "app", &["config", "layer"]).await.ok();
    push(&hold, &hold.writer, "app", &["config", "layer"]).await.ok();
    pull(&hold, &hold.writer, &hold.stranger, "app").await.ok();
    assert_eq!(delete(&hold, &hold.stranger).await.ok(), deleted(true, 1, 1));

    let data = export(&hold, &hold.stranger).await;
    let gone = json!({
        "exportedAt": data["exportedAt"], "holdDid": hold.did(), "userDid": hold.stranger.did, "isCaptain": false,
        "layerRecords": [], "statsRecords": [], "blueskyPosts": [],
    });
    assert_eq!(data, gone);
    for collection in [LAYER, STATS, POST, CREW] {
        let text = format!("{:?}", records(&hold, collection).await);
        assert!(!text.contains(hold.stranger.did.as_str()), "{collection}: {text}");
    }
    assert!(hold.has_blob(&digest_of(b"layer")).await, "others have the layer too");
    assert_eq!(quota(&hold, &hold.writer).await["totalSize"], 11);
    assert_eq!(pull(&hold, &hold.writer, &hold.stranger, "app").await.ok()["statsUpdated"], false);
    let upload = hold.post(&hold.stranger, "io.atcr.hold.initiateUpload", &json!({ "digest": "temp" })).await;
    upload.assert_error(403, "Forbidden");

    // A second time there is nothing to do; after a restart nothing comes back.
    let at = rev(&hold).await;
    assert_eq!(delete(&hold, &hold.stranger).await.ok(), deleted(false, 0, 0));
    assert_eq!(rev(&hold).await, at);
    hold.restart(OPEN).await;
    assert_eq!(export(&hold, &hold.stranger).await["layerRecords"], json!([]));
    // And the account may come again.
    join(&hold, &hold.stranger).await;
    let output = push(&hold, &hold.stranger, "app", &["config", "layer"]).await.ok();
    assert_eq!(output["layersCreated"], 1);
}

#[tokio::test]
async fn more_records_than_one_commit_takes_go_too_and_are_counted() {
    let hold = Hold::start(OPEN).await;
    join(&hold, &hold.stranger).await;
    for image in 0..3 {
        let contents: Vec<_> = (0..100).map(|number| format!("image {image} layer {number}")).collect();
        let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
        let output = push(&hold, &hold.stranger, &format!("app{image}"), &contents).await.ok();
        assert_eq!(output["layersCreated"], 99);
    }
    push(&hold, &hold.writer, "app", &["config", "layer"]).await.ok();
    assert_eq!(delete(&hold, &hold.stranger).await.ok(), deleted(true, 297, 3));
    assert_eq!((records(&hold, LAYER).await.len(), records(&hold, POST).await.len()), (1, 1));
}

#[tokio::test]
async fn the_captain_stays_and_who_is_declared_comes_back() {
    let mut hold = Hold::start(PRIVATE).await;
    push(&hold, &hold.captain, "app", &["config", "layer"]).await.ok();
    assert_eq!(delete(&hold, &hold.captain).await.ok(), deleted(false, 1, 1));
    assert_eq!(export(&hold, &hold.captain).await["crewRecord"]["role"], "owner");

    assert_eq!(delete(&hold, &hold.writer).await.ok(), deleted(true, 0, 0));
    assert!(export(&hold, &hold.writer).await.get("crewRecord").is_none());
    hold.restart(PRIVATE).await;
    assert_eq!(export(&hold, &hold.writer).await["crewRecord"]["role"], "mate", "the configuration says so");
}

#[tokio::test]
async fn a_large_account_gets_its_data_in_pages_and_holds_no_snapshot() {
    let home = RepoHome::new();
    home.crew.reconcile(&declared(&home, &plc(1)), START_US).await.unwrap();
    let images = Images::open(home.pds.clone(), home.crew.clone(), ImagesSettings::default(), START_US).await.unwrap();
    let layer = |number: u16| {
        let mut digest = [0; 32];
        digest[..2].copy_from_slice(&number.to_le_bytes());
        Digest::from_bytes(digest)
    };
    let job = move |write: &Write<'_>| {
        (0..1400).try_for_each(|number| blobs::tables::put_blob(write, &layer(number), number.into(), START_US))
    };
    home.database.write::<_, StorageError, _>(job).await.unwrap();
    for image in 0..7_u16 {
        let blob = |number| PushedBlob { digest: layer(number), size_bytes: None };
        let pushed = |number| PushedLayer { blob: blob(number), media_type: "a/b".into() };
        // Each manifest has one layer that others have too.
        let layers = (image * 200 + 1..image * 200 + 199).chain([0]).map(pushed).collect();
        let manifest = digest_of(&image.to_le_bytes()).hex();
        let manifest = format!("at://{}/io.atcr.manifest/{manifest}", plc(1)).parse().unwrap();
        let image = Image { owner: plc(1), name: format!("app{image}").parse().unwrap() };
        images.push(Push { image, manifest, tag: None, config: None, layers }, START_US).await.unwrap();
    }
    let mut export = images.export_user_data(&plc(1), START_US);
    let mut pieces = vec![export.next().await.unwrap().unwrap()];
    pieces.push(export.next().await.unwrap().unwrap());
    // While its reader takes its time others write, and the log goes into the database.
    home.commit(START_US, vec![change("com.example.note/a", pds::RecordWrite::Create(note(&"a".repeat(900_000))))])
        .await
        .unwrap();
    assert!(home.database.shrink_log().await.unwrap());
    assert_eq!(home.database.sizes().await.unwrap().log_bytes, 0);
    while let Some(piece) = export.next().await.unwrap() {
        pieces.push(piece);
    }
    assert!(pieces.len() > 8 && pieces.iter().all(|piece| piece.len() < 128 * 1024));
    let data: UserData = serde_json::from_slice(&pieces.concat()).unwrap();
    assert_eq!((data.layer_records.len(), data.stats_records.len(), data.bluesky_posts.len()), (7 * 199, 7, 0));
    let distinct: BTreeSet<_> = data.layer_records.iter().map(|layer| (&layer.digest, &layer.manifest)).collect();
    assert_eq!(distinct.len(), data.layer_records.len());
    assert!(data.head.is_captain && data.head.user_did == plc(1));
}
