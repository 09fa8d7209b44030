//! 1 GiB in and out by URLs of the store: by the hold's, and by those that the same program signs itself.

use std::sync::Arc;
use std::time::Instant;

use atcr_hold::objects::{Bucket, Completed, ResponseHeaders};
use http::Method;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use crate::Failure;
use crate::hold::Hold;
use crate::wire::{Connection, split};

pub(crate) const SIZE: usize = 1 << 30;
pub(crate) const PART: usize = 16 << 20;
pub(crate) const AT_ONCE: usize = 4;

/// Bytes that become another blob by changing the first eight of every part.
pub(crate) struct Content {
    part: Vec<u8>,
    count: u64,
}

/// One blob.
pub(crate) struct Blob {
    pub(crate) part: Arc<Vec<u8>>,
    pub(crate) digest: String,
}

impl Content {
    pub(crate) fn new(part_bytes: usize) -> Result<Self, Failure> {
        let mut part = vec![0; part_bytes];
        getrandom::fill(&mut part).map_err(|error| error.to_string())?;
        Ok(Self { part, count: 0 })
    }

    /// The next blob of so many parts.
    pub(crate) fn next(&mut self, parts: usize) -> Blob {
        self.count += 1;
        self.part[..8].copy_from_slice(&self.count.to_be_bytes());
        let mut hash = Sha256::new();
        (0..parts).for_each(|_| hash.update(&self.part));
        let digest = format!("sha256:{}", data_encoding::HEXLOWER.encode(&hash.finalize()));
        Blob { part: Arc::new(self.part.clone()), digest }
    }
}

/// Seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) push: f64,
    /// The part of it that completing took.
    pub(crate) complete: f64,
    pub(crate) pull: f64,
}

/// Sends the parts to their URLs, so many at once, and answers the ETags.
async fn send_parts(blob: &Blob, urls: Vec<String>) -> Result<Vec<String>, Failure> {
    let urls = Arc::new(urls);
    let mut senders = JoinSet::new();
    for first in 0..AT_ONCE {
        let (urls, part) = (Arc::clone(&urls), Arc::clone(&blob.part));
        senders.spawn(async move {
            let mut etags = Vec::new();
            let mut connection: Option<Connection> = None;
            for index in (first..urls.len()).step_by(AT_ONCE) {
                let (host, target) = split(&urls[index]);
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => Connection::open(host).await?,
                };
                let mut answer = open.call("PUT", target, "", &part).await?;
                if answer.status >= 500 {
                    // As any client of S3 does: a small server that is busy says so.
                    eprintln!("part {}: {}, sent again", index + 1, answer.status);
                    open = Connection::open(host).await?;
                    answer = open.call("PUT", target, "", &part).await?;
                }
                connection = Some(open);
                let status = answer.status;
                let etag = answer.etag.filter(|_| status == 200).ok_or(format!("a part was answered {status}"))?;
                etags.push((index, etag));
            }
            Ok::<_, Failure>(etags)
        });
    }
    let mut etags = Vec::new();
    while let Some(sent) = senders.join_next().await {
        etags.extend(sent??);
    }
    etags.sort_unstable();
    Ok(etags.into_iter().map(|(_, etag)| etag).collect())
}

async fn pull(url: &str) -> Result<(), Failure> {
    let (host, target) = split(url);
    let size = Connection::open(host).await?.read_away(target, "").await?;
    if size == SIZE { Ok(()) } else { Err(format!("{size} bytes came back").into()) }
}

/// The server driven directly.
pub(crate) async fn direct(s3: &Bucket, blob: &Blob) -> Result<Times, Failure> {
    let key = format!("direct/{}", blob.digest.replace(':', "-"));
    let began = Instant::now();
    let id = s3.create_multipart(&key).await?;
    let mut urls = Vec::new();
    for number in 1..=SIZE / PART {
        urls.push(s3.presign_part(&key, &id, u16::try_from(number)?).await?);
    }
    let etags = send_parts(blob, urls).await?;
    let completing = Instant::now();
    let parts: Vec<_> = (1..).zip(etags).collect();
    let Completed::Object(_) = s3.complete_multipart(&key, &id, &parts).await? else {
        return Err("not complete".into());
    };
    let (push, complete) = (began.elapsed().as_secs_f64(), completing.elapsed().as_secs_f64());
    let began = Instant::now();
    pull(&s3.presign_read(Method::GET, &key, &ResponseHeaders::default()).await?).await?;
    let pulled = began.elapsed().as_secs_f64();
    s3.delete(&key).await?;
    Ok(Times { push, complete, pull: pulled })
}

/// The same by the hold.
pub(crate) async fn by_hold(hold: &Hold, s3: &Bucket, blob: &Blob) -> Result<Times, Failure> {
    let mut control = hold.connect().await?;
    let began = Instant::now();
    let begun = hold.post(&mut control, "io.atcr.hold.initiateUpload", &json!({ "digest": "uploads/temp-1" })).await?;
    let id = begun["uploadId"].as_str().ok_or("no upload")?.to_owned();
    let mut urls = Vec::new();
    for number in 1..=SIZE / PART {
        let input = json!({ "uploadId": id, "partNumber": number });
        let answer = hold.post(&mut control, "io.atcr.hold.getPartUploadUrl", &input).await?;
        urls.push(answer["url"].as_str().ok_or("no URL")?.to_owned());
    }
    let etags = send_parts(blob, urls).await?;
    let completing = Instant::now();
    complete(hold, &mut control, &id, &blob.digest, &etags).await?;
    let (push, complete) = (began.elapsed().as_secs_f64(), completing.elapsed().as_secs_f64());
    let began = Instant::now();
    let answer = control.call("GET", &hold.blob_target(&blob.digest), &hold.bearer(), b"").await?;
    let answer: serde_json::Value = serde_json::from_slice(&answer.body)?;
    pull(answer["url"].as_str().ok_or("no URL")?).await?;
    let pulled = began.elapsed().as_secs_f64();
    remove(s3, &blob.digest).await?;
    Ok(Times { push, complete, pull: pulled })
}

pub(crate) async fn complete(
    hold: &Hold,
    control: &mut Connection,
    id: &str,
    digest: &str,
    etags: &[String],
) -> Result<(), Failure> {
    let parts: Vec<_> =
        (1..).zip(etags).map(|(number, etag): (u32, _)| json!({ "partNumber": number, "etag": etag })).collect();
    let input = json!({ "uploadId": id, "digest": digest, "parts": parts });
    hold.post(control, "io.atcr.hold.completeUpload", &input).await.map(drop)
}

/// Frees the space behind the hold's back.
pub(crate) async fn remove(s3: &Bucket, digest: &str) -> Result<(), Failure> {
    let hex = digest.strip_prefix("sha256:").ok_or("not a digest")?;
    Ok(s3.delete(&format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2])).await?)
}

/// Seconds to hash 1 GiB from memory: no proof can take less.
pub(crate) fn hashing(blob: &Blob) -> f64 {
    let began = Instant::now();
    let mut hash = Sha256::new();
    (0..SIZE / PART).for_each(|_| hash.update(&*blob.part));
    std::hint::black_box(hash.finalize());
    began.elapsed().as_secs_f64()
}
