//! SIGKILL while pushes and pulls are recorded: what was acknowledged is there once, and each push whole or not at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::dice::Dice;
use super::process::eventually;
use super::repository::{listed, verified};
use super::site::Site;
use crate::support::blob_hold::digest;
use crate::support::http::blocking::Client;

const KILLS: usize = 12;
/// The most requests that a daemon answers before it is killed.
const LIFE_REQUESTS: u64 = 30;
const NOTIFY: &str = "io.atcr.hold.notifyManifest";
const LAYERS: [&str; 3] = ["one", "two", "three"];

/// What was asked for, and what of it was acknowledged.
#[derive(Default)]
struct Asked {
    manifests: u64,
    pushed: Vec<u64>,
    pulls: u64,
    pulled: u64,
}

/// The `number`th manifest of `app`: all have the same blobs.
fn notification(owner: &str, number: u64, operation: &str) -> Value {
    let blob =
        |text: &&str| json!({ "digest": digest(text.as_bytes()), "size": text.len(), "mediaType": "text/plain" });
    json!({
        "repository": "app", "userDid": owner, "operation": operation,
        "manifestDigest": digest(format!("manifest {number}").as_bytes()),
        "manifest": { "config": blob(&"config"), "layers": LAYERS.iter().map(blob).collect::<Vec<_>>() },
    })
}

impl Asked {
    /// Pushes and pulls until the daemon dies.
    fn work(&mut self, client: &Client, owner: &str, answered: &AtomicU64) {
        loop {
            let number = self.manifests;
            self.manifests += 1;
            let Ok(answer) = client.try_call(NOTIFY, &notification(owner, number, "push")) else { return };
            assert_eq!((answer.outcome(), &answer.json()["layersCreated"]), ((200, String::new()), &json!(3)));
            self.pushed.push(number);
            answered.fetch_add(1, Ordering::Relaxed);
            self.pulls += 1;
            let Ok(answer) = client.try_call(NOTIFY, &notification(owner, number, "pull")) else { return };
            assert_eq!((answer.outcome(), &answer.json()["statsUpdated"]), ((200, String::new()), &json!(true)));
            self.pulled += 1;
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What must hold after a start.
    fn check(&self, client: &Client) {
        verified(client);
        let records = listed(client);
        let mut layers: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, (_, layer)) in records.iter().filter(|(path, _)| path.starts_with("io.atcr.hold.layer/")) {
            *layers.entry(layer["manifest"].as_str().unwrap()).or_default() += 1;
        }
        assert!(layers.values().all(|count| *count == 3), "each push is whole: {layers:?}");
        for number in &self.pushed {
            let hex = digest(format!("manifest {number}").as_bytes()).hex();
            assert!(layers.keys().any(|manifest| manifest.ends_with(&hex)), "an acknowledged push is lost");
        }
        let stats = records.iter().find(|(path, _)| path.starts_with("io.atcr.hold.stats/"));
        let pushes = stats.map_or(0, |(_, (_, stats))| stats["pushCount"].as_u64().unwrap());
        assert_eq!(pushes, layers.len() as u64);
    }
}

#[test]
fn no_acknowledged_push_or_pull_is_lost_to_a_kill() {
    let site = Site::new();
    let owner = site.alice.did.to_string();
    let mut dice = Dice(17);
    let mut asked = Asked::default();
    for kill in 0..KILLS {
        let mut daemon = site.start();
        let client = daemon.client(&site.alice);
        if kill == 0 {
            ["config"].iter().chain(&LAYERS).for_each(|text| client.push(text.as_bytes()));
        }
        asked.check(&client);
        let answered = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| asked.work(&client, &owner, &answered));
            let last = dice.below(LIFE_REQUESTS);
            eventually("requests are answered", || answered.load(Ordering::Relaxed) >= last);
            std::thread::sleep(Duration::from_micros(dice.below(8_000)));
            daemon.kill();
        });
    }
    let daemon = site.start();
    let client = daemon.client(&site.alice);
    asked.check(&client);
    // The start brings those pulls into the record that wait for it.
    let pulls = || {
        let records = listed(&client);
        let stats = records.iter().find(|(path, _)| path.starts_with("io.atcr.hold.stats/")).unwrap();
        stats.1.1["pullCount"].as_u64().unwrap()
    };
    eventually("every acknowledged pull is counted", || pulls() >= asked.pulled);
    assert!(pulls() <= asked.pulls && asked.pulled > 0);
    let quota = client.get(&format!("/xrpc/io.atcr.hold.getQuota?userDid={owner}")).json();
    assert_eq!((&quota["uniqueBlobs"], &quota["totalSize"]), (&json!(3), &json!(17)));
    assert_eq!(daemon.stop(), Some(0));
}
