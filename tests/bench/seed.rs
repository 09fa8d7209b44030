//! Makes the state of a hold that has `COUNT` layer records, for measurements: `seed DATABASE KEY_DIRECTORY URL COUNT`.
//!
//! The repository grows as a hold's does: signed commits of at most 200 layers, ten minutes apart and ending now, each
//! with its event, and the events pruned as the hold does it. The first start of a hold on it adds the captain.

use std::path::Path;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use atcr_hold::pds::{MAX_WRITES, Pds, PdsError, Plan, RecordChange, RecordWrite};
use atcr_hold::schema;
use atproto::keys::SigningKey;
use atproto::lexicon::Swap;
use atproto::repo::cbor::{self, Ipld};
use atproto::syntax::{Datetime, Nsid, RecordKey, ServiceUrl, Tid};
use server::daemon::ClockSteps;
use server::key_file;

type Failure = Box<dyn std::error::Error>;

const LAYER: &str = "io.atcr.hold.layer";
const BETWEEN_COMMITS_US: u64 = 600_000_000;
const LAYERS_A_MANIFEST: u64 = 8;
const CLOCK_ID: u16 = 1;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [database, keys, url, count] = arguments.as_slice() else {
        return Err("seed DATABASE KEY_DIRECTORY URL COUNT".into());
    };
    let key = SigningKey::from_bytes(&[7; 32])?;
    key_file::create(&Path::new(keys).join(key_file::FILE_NAME), &key)?;
    let url = ServiceUrl::parse(url)?;
    let pds = Pds::new(schema::open(Path::new(database))?, url.did(), &url, key, CLOCK_ID);

    let count: u64 = count.parse()?;
    let per_commit = MAX_WRITES as u64;
    let commits = count.div_ceil(per_commit);
    let now_us = u64::try_from(chrono::Utc::now().timestamp_micros())?;
    let mut last = None;
    for commit in 0..commits {
        let commit_us = now_us - (commits - commit) * BETWEEN_COMMITS_US;
        let layers = commit * per_commit..count.min((commit + 1) * per_commit);
        let changes = layers.map(|layer| change(layer, commit_us, &mut last)).collect::<Result<Vec<_>, _>>()?;
        pds.commit::<PdsError, _>(commit_us, None, move |_| Ok(Plan::of(changes))).await?;
        pds.prune_events(commit_us, &ClockSteps::default()).await?;
    }
    Ok(())
}

fn change(layer: u64, now_us: u64, last: &mut Option<Tid>) -> Result<RecordChange, Failure> {
    let tid = Tid::next(now_us, CLOCK_ID, last.as_ref());
    let rkey = RecordKey::parse(tid.as_str())?;
    *last = Some(tid);
    Ok(RecordChange {
        collection: Nsid::parse(LAYER)?,
        rkey,
        write: RecordWrite::Create(record(layer, now_us)?),
        swap: Swap::Any,
    })
}

/// What a push notes of one layer.
fn record(layer: u64, now_us: u64) -> Result<Ipld, Failure> {
    let user = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    let manifest = hash(&format!("manifest {}", layer / LAYERS_A_MANIFEST));
    Ok(cbor::from_json(&json!({
        "$type": LAYER,
        "digest": format!("sha256:{}", hash(&format!("layer {layer}"))),
        "size": 1_000_000 + layer,
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "manifest": format!("at://{user}/io.atcr.manifest/{manifest}"),
        "userDid": user,
        "createdAt": Datetime::from_micros(now_us).as_str(),
    }))?)
}

fn hash(text: &str) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(text))
}
