//! Makes the state of a front end whose index has `COUNT` repositories of 50 tags, for measurements:
//! `seed_index DATABASE COUNT`. A hundred accounts have them, each image at the same public hold.

use std::path::Path;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use atcr_appview::index::{Change, ChangeKind, Index, IndexLimits};
use atcr_appview::schema;
use atproto::syntax::{Datetime, Did};

type Failure = Box<dyn std::error::Error>;

const TAGS: u64 = 50;
const ACCOUNTS: u64 = 100;
const HOLD: &str = "did:web:hold.example.org";
/// 2026-01-01.
const BEGIN_US: u64 = 1_767_225_600_000_000;
const WORDS: [&str; 12] =
    ["harbour", "lantern", "ferry", "tide", "anchor", "compass", "sail", "mast", "rope", "keel", "rudder", "beacon"];

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [database, count] = arguments.as_slice() else { return Err("seed_index DATABASE COUNT".into()) };
    let database = schema::open(Path::new(database))?;
    // Nobody is asked about handles for as long as this is measured.
    let index = Index::new(database.clone(), IndexLimits::of_total(2_000_000), || u64::MAX / 4);
    for number in 0..count.parse::<u64>()? {
        index.apply(repository(number)?, None).await?;
        if number == 0 {
            index.set_hold_is_public(&Did::parse(HOLD)?, Some(true), u64::MAX >> 1).await?;
        }
    }
    database.settle().await;
    Ok(())
}

fn repository(number: u64) -> Result<Vec<Change>, Failure> {
    let account = account(number % ACCOUNTS)?;
    let word = |at: u64| WORDS[(at % WORDS.len() as u64) as usize];
    let name = format!("{}-{}/{}-{number}", word(number), word(number / 7), word(number / 49));
    let about = format!("The {} of the {} number {number}", word(number / 3), word(number / 11));
    let mut changes = Vec::new();
    for tag in 0..TAGS {
        let hex = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{name}:{tag}")));
        let at = Datetime::from_micros(BEGIN_US + (number * TAGS + tag) * 1_000_000);
        let manifest = json!({
            "repository": name, "digest": format!("sha256:{hex}"), "createdAt": at, "holdDid": HOLD,
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "schemaVersion": 2,
            "layers": [{ "digest": "x", "size": 50_000_000 }],
            "annotations": { "org.opencontainers.image.description": about },
        });
        changes.extend(Change::of(&account, "io.atcr.manifest", &hex, Some(&manifest), u64::MAX));
        let key = format!("{}_v1.{tag}", name.replace('/', "~"));
        let uri = format!("at://{account}/io.atcr.manifest/{hex}");
        let record = json!({ "repository": name, "tag": format!("v1.{tag}"), "manifest": uri, "updatedAt": at });
        changes.extend(Change::of(&account, "io.atcr.tag", &key, Some(&record), u64::MAX));
    }
    assert!(changes.iter().all(|change| matches!(change.kind, ChangeKind::Tag(_) | ChangeKind::Manifest(_))));
    Ok(changes)
}

/// The `number`th account.
fn account(number: u64) -> Result<Did, Failure> {
    let id: String = format!("{number:024}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
    Ok(Did::parse(&format!("did:plc:{id}"))?)
}
