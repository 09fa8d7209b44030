//! Uploads into the bucket of each real server. Most go past the hold: what the client lists is all that the hold
//! knows of their parts.

mod cut_off;
mod downloads_presigned;
mod measured;
mod presigned;
mod swept;
mod through_the_hold;

use atcr_hold::blobs::{BlobError, Target, UploadId, UploadLimits};
use atcr_hold::objects::Presigned;

use crate::objects::{buckets_here, pattern};
use crate::support::blob_hold::{Hold, NOW_US, alice, digest, part_number};
use crate::support::hold::Call;

const MIB: usize = 1 << 20;

/// A hold in each bucket whose clients get URLs of the store.
async fn holds() -> Vec<Hold> {
    holds_with(&UploadLimits::default()).await
}

async fn holds_with(limits: &UploadLimits) -> Vec<Hold> {
    let mut holds = vec![];
    for bucket in buckets_here() {
        holds.push(Hold::in_bucket(&bucket, Presigned::All, limits.clone()).await);
    }
    holds
}

/// Two parts of 5 MiB and a smaller one: large enough to be copied in pieces.
fn three_parts() -> Vec<u8> {
    pattern(11 * MIB + 17)
}

async fn begin(hold: &Hold) -> UploadId {
    hold.blobs.initiate(&alice(), NOW_US).await.unwrap()
}

async fn part_url(hold: &Hold, id: &UploadId, number: u32) -> String {
    match hold.blobs.part_target(id, &alice(), part_number(number), NOW_US).await.unwrap() {
        Target::Store(url) => url,
        Target::Hold => panic!("{}: not a URL of the store", hold.name),
    }
}

/// PUTs a part as a client does that knows nothing but the URL; answers its ETag as the header has it.
async fn put(hold: &Hold, id: &UploadId, number: u32, bytes: &[u8]) -> String {
    let answer = Call::to("PUT", &part_url(hold, id, number).await).body(bytes.to_vec()).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("etag").unwrap().to_owned()
}

/// Sends everything in parts of 5 MiB, the last one first; answers the list for completing.
async fn put_all(hold: &Hold, id: &UploadId, whole: &[u8]) -> Vec<(u32, String)> {
    let mut list = vec![];
    let parts: Vec<_> = (1..).zip(whole.chunks(5 * MIB)).collect();
    for (number, bytes) in parts.into_iter().rev() {
        list.push((number, put(hold, id, number, bytes).await));
    }
    list
}

async fn complete(hold: &Hold, id: &UploadId, whole: &[u8], list: &[(u32, String)]) -> Result<(), BlobError> {
    let list = list.iter().map(|(number, etag)| (part_number(*number), etag.clone())).collect();
    hold.blobs.complete(id, &alice(), digest(whole), list, NOW_US).await
}
