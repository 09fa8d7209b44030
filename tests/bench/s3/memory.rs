//! Memory of the hold with uploads in flight.

use std::sync::Arc;
use std::time::Duration;

use atcr_hold::objects::Bucket;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Failure;
use crate::hold::Hold;
use crate::transfer::{Blob, Content, complete, remove};
use crate::wire::{Connection, split};

const UPLOADS: usize = 64;
const PARTS: usize = 2;
const PART: usize = 5 << 20;
/// A part goes in pieces of this, with pauses, so that all of them are on their way together.
const PIECE: usize = 64 * 1024;
const PAUSE: Duration = Duration::from_millis(40);
/// As a client that was told to come back later.
const LATER: Duration = Duration::from_millis(300);

/// Resident memory in KiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) idle: u64,
    /// The peak while parts are on their way.
    pub(crate) in_flight: u64,
    /// The peak while all of them are completed at once.
    pub(crate) completing: u64,
    /// How often a part was told to come back later.
    pub(crate) later: usize,
}

/// 64 uploads at once.
pub(crate) async fn measure(hold: Arc<Hold>, s3: &Bucket) -> Result<Memory, Failure> {
    let idle = hold.memory_kib("VmRSS")?;
    hold.forget_peak()?;
    let mut content = Content::new(PART)?;
    let blobs: Vec<_> = (0..UPLOADS).map(|_| content.next(PARTS)).collect();
    let mut uploads = JoinSet::new();
    for blob in blobs {
        let hold = Arc::clone(&hold);
        uploads.spawn(async move { send(&hold, blob).await });
    }
    let mut sent = Vec::new();
    while let Some(upload) = uploads.join_next().await {
        sent.push(upload??);
    }
    let in_flight = hold.memory_kib("VmHWM")?;
    hold.forget_peak()?;
    let later = sent.iter().map(|upload| upload.later).sum();
    let digests: Vec<_> = sent.iter().map(|upload| upload.blob.digest.clone()).collect();
    let mut completing = JoinSet::new();
    for upload in sent {
        let hold = Arc::clone(&hold);
        completing.spawn(async move {
            let mut control = hold.connect().await?;
            complete(&hold, &mut control, &upload.id, &upload.blob.digest, &upload.etags).await
        });
    }
    while let Some(completed) = completing.join_next().await {
        completed??;
    }
    let memory = Memory { idle, in_flight, completing: hold.memory_kib("VmHWM")?, later };
    for digest in digests {
        remove(s3, &digest).await?;
    }
    Ok(memory)
}

struct Sent {
    id: String,
    blob: Blob,
    etags: Vec<String>,
    later: usize,
}

async fn send(hold: &Hold, blob: Blob) -> Result<Sent, Failure> {
    let mut control = hold.connect().await?;
    let begun = hold.post(&mut control, "io.atcr.hold.initiateUpload", &json!({ "digest": "uploads/temp-1" })).await?;
    let id = begun["uploadId"].as_str().ok_or("no upload")?.to_owned();
    let (mut etags, mut later) = (Vec::new(), 0);
    for number in 1..=PARTS {
        let input = json!({ "uploadId": id, "partNumber": number });
        let answer = hold.post(&mut control, "io.atcr.hold.getPartUploadUrl", &input).await?;
        let url = answer["url"].as_str().ok_or("no URL")?;
        let etag = loop {
            if let Some(etag) = send_slowly(url, &blob.part).await? {
                break etag;
            }
            later += 1;
            tokio::time::sleep(LATER).await;
        };
        etags.push(etag);
        // The hold closes connections that are idle for long.
        control = hold.connect().await?;
    }
    Ok(Sent { id, blob, etags, later })
}

/// `None` when the part is to come later.
async fn send_slowly(url: &str, part: &[u8]) -> Result<Option<String>, Failure> {
    let (host, target) = split(url);
    let mut connection = Connection::open(host).await?;
    let head = connection.head("PUT", target, "", part.len());
    connection.send(head.as_bytes()).await?;
    for piece in part.chunks(PIECE) {
        if connection.send(piece).await.is_err() {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
    match connection.exchange(b"", b"").await {
        Ok(answer) if answer.status == 200 => Ok(answer.etag),
        Ok(answer) if answer.status == 503 => Ok(None),
        Ok(answer) => Err(format!("a part: {} {}", answer.status, String::from_utf8_lossy(&answer.body)).into()),
        Err(_) => Ok(None),
    }
}
