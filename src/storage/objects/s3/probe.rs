//! What is tried once at start, so that a hold that cannot store anything says so before it serves.
//!
//! Everything an upload and a read will need is done with one small object under a name of its own, and undone.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::header::HeaderName;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};

use super::client::Call;
use super::fault::Fault;
use super::http::any_body;
use super::multipart::Completed;
use super::{Copied, S3, clock};

/// What the first answer may take, all steps after it, and cleaning up: half a minute together.
const REACH_LIMIT: Duration = Duration::from_secs(5);
const TIME_LIMIT: Duration = Duration::from_secs(20);
const CLEANING_LIMIT: Duration = Duration::from_secs(5);
/// The folder of what is tried, as a name without slashes.
pub const PROBES: &str = "probe";
const WORDS: [&str; 4] = ["object", "parts", "copy", "checksum"];
const CONTENT: &[u8] = b"atcr-hold was here";
static CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");
/// The SHA-256 of nothing, which is not that of [`CONTENT`], in base64.
const WRONG_CHECKSUM: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

/// Why the bucket cannot be used. Each text is one line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The operator must change something.
    #[error("{0}")]
    Settings(String),
    /// It may be otherwise in a minute.
    #[error("{0}")]
    Unavailable(String),
}

/// What is good to know about a bucket that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Seconds by which this machine's clock is ahead of the store's, if the store shows its own.
    pub clock_ahead_s: Option<i64>,
    /// Whether the store refuses bytes that are not what their signed checksum says.
    pub refuses_wrong_checksum: bool,
}

/// A step that failed: what was tried, and how it went.
struct Step(&'static str, Fault);

/// Whether an object under this key is of a probe: it is left behind only when the process ended before the probe did.
#[must_use]
pub fn is_probe(key: &str) -> bool {
    let segments: Vec<_> = key.split('/').collect();
    matches!(segments[..], [PROBES, _, word] if WORDS.contains(&word))
}

impl S3 {
    /// Tries everything the hold will need, within half a minute, and leaves nothing behind. `name` is a word that
    /// no other hold probes with; `now_us` gives the time in microseconds since 1970.
    ///
    /// # Errors
    /// [`ProbeError`]
    pub async fn probe(&self, name: &str, now_us: fn() -> u64) -> Result<Probed, ProbeError> {
        let keys = WORDS.map(|word| format!("{PROBES}/{name}/{word}"));
        // Nothing is written before this, so that nothing is cleaned up in a store that is not there.
        let clock_ahead_s = self.reach(now_us).await?;
        let outcome = tokio::time::timeout(TIME_LIMIT, self.try_all(&keys)).await;
        // Also after a failure: half of the steps may have been done.
        let _ = tokio::time::timeout(CLEANING_LIMIT, self.clean_up(name, &keys)).await;
        match outcome {
            Ok(Ok(refuses_wrong_checksum)) => Ok(Probed { clock_ahead_s, refuses_wrong_checksum }),
            Ok(Err(step)) => Err(step.into()),
            Err(_) => Err(ProbeError::Unavailable(format!(
                "the S3 store is too slow: what should take a second was not done after {} s; check its health and the \
                 network",
                TIME_LIMIT.as_secs()
            ))),
        }
    }

    async fn reach(&self, now_us: fn() -> u64) -> Result<Option<i64>, Step> {
        let clock_ahead_s = self.clock_ahead_s(now_us).await.map_err(in_step("reach the store"))?;
        match clock_ahead_s {
            Some(seconds) if clock::is_too_far(seconds, 0) => Err(Step("read the clock", Fault::skewed())),
            _ => Ok(clock_ahead_s),
        }
    }

    /// Answers whether a wrong checksum is refused.
    async fn try_all(&self, keys: &[String; 4]) -> Result<bool, Step> {
        let [object, parts, copy, checksum] = keys;
        self.try_object(object).await?;
        self.try_parts(parts).await?;
        self.try_copy(parts, copy).await.map_err(in_step("copy an object"))?;
        let call = Call::on(Method::PUT, checksum).header(CHECKSUM.clone(), WRONG_CHECKSUM).body(CONTENT);
        let refuses_wrong_checksum = self.client.exchange(&call).await.is_err_and(|fault| !fault.is_passing());
        for key in keys {
            self.remove(key).await.map_err(in_step("delete an object"))?;
        }
        Ok(refuses_wrong_checksum)
    }

    /// Any answer does, a refusal too: it is the clock that counts.
    async fn clock_ahead_s(&self, now_us: fn() -> u64) -> Result<Option<i64>, Fault> {
        let request = Request::get(&self.client.bucket_url).body(any_body(Empty::new()));
        let request = request.map_err(|_| Fault::Senseless("its address is not a URL"))?;
        let answer = tokio::time::timeout(REACH_LIMIT, self.client.http.send(request)).await;
        let answer = answer.unwrap_or_else(|_| Err("it did not answer in time".into())).map_err(Fault::NoAnswer)?;
        let own_s = i64::try_from(now_us() / 1_000_000).unwrap_or_default();
        Ok(clock::answered_s(answer.headers()).map(|store_s| own_s - store_s))
    }

    async fn try_object(&self, key: &str) -> Result<(), Step> {
        let put = Call::on(Method::PUT, key).body(CONTENT);
        self.client.exchange(&put).await.map_err(in_step("put an object"))?;
        let info = self.find(key).await.map_err(in_step("ask for an object's size"))?;
        let expected = CONTENT.len() as u64;
        if info.is_none_or(|info| info.size_bytes != expected) {
            return Err(Step("ask for an object's size", Fault::Senseless("what was put is not there")));
        }
        let got = self.client.exchange(&Call::on(Method::GET, key)).await.map_err(in_step("get an object"))?;
        if got.body() != CONTENT {
            return Err(Step("get an object", Fault::Senseless("the bytes are not what was put")));
        }
        let list = Call::on_bucket(Method::GET).query("list-type", "2").query("prefix", self.listed_prefix(PROBES));
        self.client.exchange(&list).await.map(drop).map_err(in_step("list the bucket"))
    }

    async fn try_parts(&self, key: &str) -> Result<(), Step> {
        let begin = in_step("begin an upload in parts (CreateMultipartUpload)");
        let dropped = self.create(key).await.map_err(begin)?;
        self.abort(key, &dropped).await.map_err(in_step("drop an upload in parts (AbortMultipartUpload)"))?;
        let id = self.create(key).await.map_err(begin)?;
        let url = self.part_url(key, &id, 1).await.map_err(in_step("sign a URL"))?;
        let etag = self.put_by_url(url.as_str()).await.map_err(in_step("upload a part by a presigned URL"))?;
        let listing = in_step("list the parts of an upload (ListParts)");
        if self.parts(key, &id).await.map_err(listing)?.is_none_or(|parts| parts.len() != 1) {
            return Err(listing(Fault::Senseless("the part is not there")));
        }
        let open = Call::on_bucket(Method::GET).query("uploads", "").query("prefix", self.listed_prefix(PROBES));
        self.client.exchange(&open).await.map_err(in_step("list the open uploads (ListMultipartUploads)"))?;
        let completing = in_step("complete an upload in parts (CompleteMultipartUpload)");
        match self.complete(key, &id, &[(1, etag)]).await.map_err(completing)? {
            Completed::Object(info) if info.size_bytes == CONTENT.len() as u64 => Ok(()),
            _ => Err(completing(Fault::Senseless("the parts do not become the object"))),
        }
    }

    async fn try_copy(&self, from: &str, to: &str) -> Result<(), Fault> {
        let gone = Fault::Senseless("the object to be copied is gone");
        let Some(info) = self.find(from).await? else { return Err(gone) };
        match self.copy_object(from, &info.etag, to, info.size_bytes).await? {
            Copied::Done => Ok(()),
            Copied::SourceChanged => Err(gone),
        }
    }

    /// As a client does that has nothing but the URL.
    async fn put_by_url(&self, url: &str) -> Result<String, Fault> {
        let request = Request::put(url).body(any_body(Full::from(CONTENT)));
        let request = request.map_err(|_| Fault::Senseless("its address is not a URL"))?;
        let answer = self.client.http.send(request).await.map_err(Fault::NoAnswer)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_or(Bytes::new(), http_body_util::Collected::to_bytes);
        if !head.status.is_success() {
            return Err(Fault::answered(head.status, &body));
        }
        let etag = head.headers.get(http::header::ETAG).and_then(|etag| etag.to_str().ok());
        etag.map(str::to_owned).ok_or(Fault::Senseless("a part has no ETag"))
    }

    /// Removes what the probe may have left; what fails here was reported by the step before.
    async fn clean_up(&self, name: &str, keys: &[String]) {
        let open = self.list_multiparts(&format!("{PROBES}/{name}")).try_collect::<Vec<_>>().await;
        for upload in open.unwrap_or_default() {
            let _ = self.abort(&upload.key, &upload.id).await;
        }
        for key in keys {
            let _ = self.remove(key).await;
        }
    }
}

fn in_step(tried: &'static str) -> impl Fn(Fault) -> Step + Copy {
    move |fault| Step(tried, fault)
}

impl From<Step> for ProbeError {
    fn from(Step(tried, fault): Step) -> Self {
        let Fault::Answered { status, code } = &fault else {
            return match &fault {
                Fault::NoAnswer(_) => {
                    Self::Unavailable(format!("{fault}; check S3_ENDPOINT, the network and the store"))
                }
                Fault::NoCredentials(_) => Self::Settings(format!(
                    "{fault}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
                )),
                _ => Self::Settings(format!(
                    "the S3 store does not do what the hold needs, which tried to {tried}: {fault}; check that S3_ENDPOINT \
                     is the S3 address of the provider"
                )),
            };
        };
        let settings = |advice: &str| Self::Settings(format!("{fault} when the hold tried to {tried}: {advice}"));
        match code.as_str() {
            // The clock is set soon after a machine starts.
            "RequestTimeTooSkewed" => Self::Unavailable(
                "the clock of this machine and that of the S3 store differ by more than 15 minutes: set the clock"
                    .into(),
            ),
            "NoSuchBucket" => settings("create the bucket, or correct S3_BUCKET"),
            "InvalidAccessKeyId" => settings("the store does not know the key: correct AWS_ACCESS_KEY_ID"),
            "SignatureDoesNotMatch" => settings("correct AWS_SECRET_ACCESS_KEY (or AWS_REGION)"),
            "ExpiredToken" | "InvalidToken" => settings("the session has ended: renew AWS_SESSION_TOKEN and its keys"),
            "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "IllegalLocationConstraintException" => {
                settings("the bucket is in another region: correct AWS_REGION and S3_ENDPOINT")
            }
            _ if fault.is_passing() => {
                Self::Unavailable(format!("{fault} when the hold tried to {tried}; check the store"))
            }
            _ if matches!(*status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) => settings(
                "correct the keys or S3_BUCKET, or allow the key to read, write, list and delete in the bucket",
            ),
            _ if status.is_redirection() => settings("correct S3_ENDPOINT and AWS_REGION"),
            _ => settings("check S3_ENDPOINT, S3_BUCKET and AWS_REGION, and that the provider has this request"),
        }
    }
}
