//! Pushes: their layers and statistics in one commit, each layer once.

use atcr_hold::images::{Image, stats_key};
use atproto::syntax::{Datetime, ImageName, Tid};
use serde_json::{Value, json};

use super::{LAYER, OCI_LAYER, STATS, counted, notify, push, push_of, records, rev};
use crate::api::firehose::Subscriber;
use crate::support::hold::{Hold, PRIVATE, digest_of};

#[tokio::test]
async fn a_push_is_one_commit_of_its_layers_and_statistics() {
    let hold = Hold::start(PRIVATE).await;
    let mut subscriber = Subscriber::open(&hold, "").await;
    let contents = ["the config", "one", "second"];
    let output = push(&hold, &hold.writer, "team/my-app", &contents).await.ok();
    let expected = json!({
        "success": true, "operation": "push", "statsUpdated": true, "layersCreated": 2, "postCreated": false,
    });
    assert_eq!(output, expected);
    let ops: Vec<_> = subscriber.event().await.ops().into_iter().map(|op| op.path).collect();
    assert_eq!(ops.len(), 3, "{ops:?}");

    let layers = records(&hold, LAYER).await;
    let manifest =
        format!("at://{}/io.atcr.manifest/{}", hold.writer.did, digest_of(contents.concat().as_bytes()).hex());
    for ((key, record), content) in layers.iter().zip(&contents[1..]) {
        let created_at = record["createdAt"].as_str().unwrap();
        let expected = json!({
            "$type": LAYER, "digest": digest_of(content.as_bytes()), "size": content.len(), "mediaType": OCI_LAYER,
            "manifest": manifest, "userDid": hold.writer.did, "createdAt": created_at,
        });
        assert_eq!(record, &expected);
        let micros = Tid::parse(key).unwrap().micros();
        assert!(Datetime::from_micros(micros).as_str()[..19] == created_at[..19], "{key} {created_at}");
        assert!(ops.contains(&format!("{LAYER}/{key}")));
    }
    assert_eq!(layers.len(), 2);

    let [(key, stats)] = &records(&hold, STATS).await[..] else { panic!("one record") };
    let pushed = stats["lastPush"].as_str().unwrap();
    let expected = json!({
        "$type": STATS, "ownerDid": hold.writer.did, "repository": "team/my-app", "pullCount": 0, "pushCount": 1,
        "lastPush": pushed, "updatedAt": pushed,
    });
    assert_eq!(stats, &expected);
    let image = Image { owner: hold.writer.did.clone(), name: ImageName::parse("team/my-app").unwrap() };
    assert_eq!((key, key.len()), (&stats_key(&image), 26));
}

#[test]
fn the_key_of_statistics_is_the_published_one() {
    // printf %s did:plc:alice/myapp | sha256sum | cut -c1-32 | xxd -r -p | base32
    let image = Image { owner: "did:plc:alice".parse().unwrap(), name: "myapp".parse().unwrap() };
    assert_eq!(stats_key(&image), "p32rpajxf2zz3oqisezeiac2sm");
}

#[tokio::test]
async fn a_repeated_push_is_counted_but_doubles_no_layer() {
    let mut hold = Hold::start(PRIVATE).await;
    let contents = ["config", "one", "two"];
    push(&hold, &hold.writer, "app", &contents).await.ok();
    let at = rev(&hold).await;
    let again = notify(&hold, &hold.writer, &push_of(&hold.writer, "app", &contents)).await.ok();
    assert_eq!(again["layersCreated"], 0);
    assert_eq!(records(&hold, LAYER).await.len(), 2);
    assert_eq!(rev(&hold).await, at, "it is counted, and waits for the next commit");
    hold.restart(PRIVATE).await;
    counted(&hold, |stats| stats.iter().all(|(_, stats)| stats["pushCount"] == 2)).await;

    // Another manifest with one layer in common: a record for each pair.
    push(&hold, &hold.writer, "app", &["other config", "one", "three"]).await.ok();
    assert_eq!(records(&hold, LAYER).await.len(), 4);
    // The same manifest of another account.
    let other = push(&hold, &hold.other_writer, "app", &contents).await.ok();
    assert_eq!(other["layersCreated"], 2);
    assert_eq!(records(&hold, STATS).await.len(), 2);
}

#[tokio::test]
async fn a_layer_that_a_manifest_has_twice_is_recorded_once() {
    let hold = Hold::start(PRIVATE).await;
    let output = push(&hold, &hold.writer, "app", &["config", "same", "other", "same"]).await.ok();
    assert_eq!(output["layersCreated"], 2);
}

#[tokio::test]
async fn more_layers_than_one_commit_takes_come_in_several() {
    let hold = Hold::start(PRIVATE).await;
    let contents: Vec<_> = (0..450).map(|number| format!("layer {number}")).collect();
    let contents: Vec<&str> = contents.iter().map(String::as_str).collect();
    let most = &contents[..199];
    let output = push(&hold, &hold.writer, "app", most).await.ok();
    assert_eq!(output["layersCreated"], 198, "the first is the config");
    let keys: Vec<_> = records(&hold, LAYER).await.into_iter().map(|(key, _)| key).collect();
    assert!(keys.len() == 198 && keys.is_sorted());

    let at = rev(&hold).await;
    let refused = notify(&hold, &hold.writer, &push_of(&hold.writer, "app", &contents)).await;
    assert_eq!(refused.status, 400, "the other layers are not here");
    assert_eq!(rev(&hold).await, at, "nothing of it is recorded");
    let output = push(&hold, &hold.writer, "app", &contents).await.ok();
    assert_eq!(output["layersCreated"], 449);
    let keys: Vec<_> = records(&hold, LAYER).await.into_iter().map(|(key, _)| key).collect();
    assert!(keys.len() == 198 + 449 && keys.is_sorted());
    // Directly after: its keys are above those before, though these were ahead of the clock.
    push(&hold, &hold.writer, "app", &["config", "one more"]).await.ok();
    assert_eq!(records(&hold, LAYER).await.len(), 198 + 449 + 1);
}

#[tokio::test]
async fn a_list_of_manifests_is_counted_and_has_no_layers() {
    let hold = Hold::start(PRIVATE).await;
    let mut list = push_of(&hold.writer, "app", &["nothing of it is here"]);
    list["manifest"] = json!({
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "config": { "digest": "", "size": 0 }, "layers": null,
        "manifests": [{
            "digest": digest_of(b"child"), "size": 5, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "platform": { "os": "linux", "architecture": "amd64" },
        }],
    });
    let output = notify(&hold, &hold.writer, &list).await.ok();
    assert_eq!((&output["layersCreated"], &output["statsUpdated"]), (&json!(0), &json!(true)));
    assert_eq!(records(&hold, STATS).await[0].1["pushCount"], 1);
}

#[tokio::test]
async fn a_foreign_layer_may_be_elsewhere() {
    let hold = Hold::start(PRIVATE).await;
    for content in ["config", "own", "kept here too"] {
        hold.upload(&hold.writer, content.as_bytes()).await;
    }
    let mut input = push_of(&hold.writer, "app", &["config", "own", "elsewhere", "kept here too"]);
    let layers = input["manifest"]["layers"].as_array_mut().unwrap();
    layers[1]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
    layers[2]["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip".into();
    let output = notify(&hold, &hold.writer, &input).await.ok();
    assert_eq!(output["layersCreated"], 2);
    let recorded: Vec<Value> =
        records(&hold, LAYER).await.into_iter().map(|(_, layer)| layer["digest"].clone()).collect();
    assert_eq!(recorded, [json!(digest_of(b"own")), json!(digest_of(b"kept here too"))]);
}

#[tokio::test]
async fn what_a_client_leaves_out_is_filled_in() {
    let hold = Hold::start(PRIVATE).await;
    hold.upload(&hold.writer, b"only layer").await;
    let input = json!({
        "repository": "app", "userDid": hold.writer.did, "manifestDigest": digest_of(b"manifest"),
        "manifest": { "layers": [{ "digest": digest_of(b"only layer") }] }, "tag": "",
    });
    let output = notify(&hold, &hold.writer, &input).await.ok();
    assert_eq!((&output["operation"], &output["layersCreated"]), (&json!("push"), &json!(1)));
    let (_, layer) = &records(&hold, LAYER).await[0];
    assert_eq!((&layer["size"], &layer["mediaType"]), (&json!(10), &json!("application/octet-stream")));
}
