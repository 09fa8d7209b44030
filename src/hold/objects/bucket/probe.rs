//! The probe of a bucket at start: a hold that cannot store anything reports that before it serves.
//!
//! The probe tries all operations of an upload and a read with small objects under a name of its own, and removes them.
//! When a step fails, the operator gets one line.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::ETAG;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};

use super::client::{Call, Client};
use super::fault::Fault;
use super::probe_plan::{Advice, ProbePlan};
use super::provider::{Cursor, Provider};
use super::{Completed, Copied, CopySource, PartError, ResponseHeaders, clock};
use server::egress::boxed_body;

/// Time limits of the first response, of all steps after it, and of cleaning up: half a minute together.
const REACH_LIMIT: Duration = Duration::from_secs(5);
const TIME_LIMIT: Duration = Duration::from_secs(20);
const CLEANING_LIMIT: Duration = Duration::from_secs(5);
/// The folder of probes, as a name without slashes.
pub const PROBES: &str = "probe";
const WORDS: [&str; 4] = ["object", "parts", "copy", "checksum"];
/// Azure's header with the version of a stored object. S3's own header tells nothing: Garage sends it although
/// it keeps no older versions.
const VERSION: &str = "x-ms-version-id";
/// S3's header that tells whether a removal left a marker above older versions.
const DELETE_MARKER: &str = "x-amz-delete-marker";
const CONTENT: &[u8] = b"atcr-hold was here";

/// Errors of the probe. Each text is one line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The operator must change a setting.
    #[error("{0}")]
    Settings(String),
    /// The bucket may be available in a minute.
    #[error("{0}")]
    Unavailable(String),
}

/// The findings about a usable bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Seconds by which this machine's clock is ahead of the store's, if the store sends its time.
    pub clock_ahead_s: Option<i64>,
    /// Whether the store refuses bytes that do not match their signed checksum.
    pub refuses_wrong_checksum: bool,
    /// Whether the store keeps replaced or removed objects as older versions.
    pub keeps_versions: bool,
}

/// The findings of the steps.
struct Seen {
    refuses_wrong_checksum: bool,
    keeps_versions: bool,
}

/// A failed step: the operation that was tried, and the fault.
struct FailedStep(&'static str, Fault);

fn in_step(tried: &'static str) -> impl Fn(Fault) -> FailedStep + Copy {
    move |fault| FailedStep(tried, fault)
}

/// Whether an object under this key is a probe's: it is left behind only if the process ended during the probe.
#[must_use]
pub fn is_probe(key: &str) -> bool {
    let segments: Vec<_> = key.split('/').collect();
    matches!(segments[..], [PROBES, _, word] if WORDS.contains(&word))
}

/// Returns the keys of a probe: of an object, of one made of parts, of its copy, and of one with a wrong checksum.
fn keys(name: &str) -> [String; 4] {
    WORDS.map(|word| format!("{PROBES}/{name}/{word}"))
}

/// Probes a bucket, as [`Bucket::probe`](super::Bucket::probe).
pub(super) async fn run(provider: &dyn Provider, name: &str, now_us: fn() -> u64) -> Result<Probed, ProbeError> {
    let (client, plan) = (&**provider.client(), provider.probe_plan());
    let (advice, attempt) = (&plan.advice, Attempt { provider, client, plan, keys: keys(name) });
    // Nothing is written before this, so nothing needs cleaning up in a store that is not there.
    let clock_ahead_s = attempt.reach(now_us).await.map_err(|step| advice.on(step))?;
    let outcome = tokio::time::timeout(TIME_LIMIT, attempt.try_all()).await;
    // Also after a failure: some steps may have been done.
    let _ = tokio::time::timeout(CLEANING_LIMIT, attempt.clean_up(name)).await;
    match outcome {
        Ok(Ok(Seen { refuses_wrong_checksum, keeps_versions })) => {
            Ok(Probed { clock_ahead_s, refuses_wrong_checksum, keeps_versions })
        }
        Ok(Err(step)) => Err(advice.on(step)),
        Err(_) => Err(ProbeError::Unavailable(format!(
            "the {} is too slow: what should take a second was not done after {} s; check its health and the network",
            advice.store,
            TIME_LIMIT.as_secs()
        ))),
    }
}

/// A probe in progress.
struct Attempt<'a> {
    provider: &'a dyn Provider,
    client: &'a Client,
    plan: &'static ProbePlan,
    keys: [String; 4],
}

impl Attempt<'_> {
    async fn reach(&self, now_us: fn() -> u64) -> Result<Option<i64>, FailedStep> {
        let clock_ahead_s = self.clock_ahead_s(now_us).await.map_err(in_step("reach the store"))?;
        match clock_ahead_s {
            Some(seconds) if clock::is_too_far(seconds, 0) => Err(FailedStep("read the clock", Fault::skewed())),
            _ => Ok(clock_ahead_s),
        }
    }

    /// Returns how far this machine's clock is ahead of the store's. Any response does, also a refusal: only its time
    /// counts.
    async fn clock_ahead_s(&self, now_us: fn() -> u64) -> Result<Option<i64>, Fault> {
        let request = Request::get(&self.client.bucket_url).body(boxed_body(Empty::new()));
        let request = request.map_err(|_| Fault::InvalidResponse("its address is not a URL"))?;
        let answer = tokio::time::timeout(REACH_LIMIT, self.client.http.send(request)).await;
        let answer = answer.unwrap_or_else(|_| Err("it did not answer in time".into())).map_err(Fault::NoAnswer)?;
        let own_s = i64::try_from(now_us() / 1_000_000).unwrap_or_default();
        Ok(clock::answered_s(answer.headers()).map(|store_s| own_s - store_s))
    }

    async fn try_all(&self) -> Result<Seen, FailedStep> {
        let [object, parts, copy, checksum] = &self.keys;
        let mut keeps_versions = self.try_object(object).await?;
        self.try_parts(parts).await?;
        self.try_copy(parts, copy).await.map_err(in_step(self.plan.steps.copy))?;
        let (name, value) = &self.plan.wrong_checksum;
        let call = self.provider.put(checksum).header(name.clone(), value).body(CONTENT);
        let refuses_wrong_checksum = self.client.exchange(&call).await.is_err_and(|fault| !fault.is_transient());
        for key in &self.keys {
            let answer = self.client.remove_with_answer(key).await.map_err(in_step("delete an object"))?;
            let marker = answer.as_ref().and_then(|headers| headers.get(DELETE_MARKER));
            keeps_versions |= marker.is_some_and(|marker| marker == "true");
        }
        Ok(Seen { refuses_wrong_checksum, keeps_versions })
    }

    /// Puts, finds, gets and lists an object. Returns whether the store keeps versions of objects.
    async fn try_object(&self, key: &str) -> Result<bool, FailedStep> {
        let put = self.provider.put(key).body(CONTENT);
        let answer = self.client.exchange(&put).await.map_err(in_step("put an object"))?;
        let keeps_versions = answer.headers().contains_key(VERSION);
        let asking = in_step("ask for an object's size");
        let info = self.client.find(key).await.map_err(asking)?;
        if info.is_none_or(|info| info.size_bytes != CONTENT.len() as u64) {
            return Err(asking(Fault::InvalidResponse("what was put is not there")));
        }
        let got = if self.provider.signs_parts() {
            let got = self.client.exchange(&Call::on(Method::GET, key)).await;
            got.map(http::Response::into_body).map_err(in_step("get an object"))?
        } else {
            let signed = self.provider.read_url(Method::GET, key, &ResponseHeaders::default()).await;
            let url = signed.map_err(in_step("sign a URL"))?;
            self.client.by_url(Method::GET, &url, b"").await.map_err(in_step("get an object by a signed URL"))?.1
        };
        if got != CONTENT {
            return Err(FailedStep("get an object", Fault::InvalidResponse("the bytes are not what was put")));
        }
        let listing = self.provider.list(&self.client.listed_prefix(PROBES), Cursor::new()).await;
        listing.map(|_| keeps_versions).map_err(in_step(self.plan.steps.list))
    }

    async fn try_parts(&self, key: &str) -> Result<(), FailedStep> {
        let (provider, steps) = (self.provider, &self.plan.steps);
        let begin = in_step("begin an upload in parts (CreateMultipartUpload)");
        let dropped = provider.create(key).await.map_err(begin)?;
        provider.abort(key, &dropped).await.map_err(in_step("drop an upload in parts (AbortMultipartUpload)"))?;
        let id = provider.create(key).await.map_err(begin)?;
        let etag = self.send_part(key, &id).await?;
        let listing = in_step(steps.parts);
        if provider.parts(key, &id).await.map_err(listing)?.is_none_or(|parts| parts.len() != 1) {
            return Err(listing(Fault::InvalidResponse("the part is not there")));
        }
        let open = provider.list_uploads(&self.client.listed_prefix(PROBES), Cursor::new()).await;
        open.map_err(in_step("list the open uploads (ListMultipartUploads)"))?;
        let completing = in_step(steps.complete);
        match provider.complete(key, &id, &[(1, etag)]).await.map_err(completing)? {
            Completed::Object(info) if info.size_bytes == CONTENT.len() as u64 => Ok(()),
            _ => Err(completing(Fault::InvalidResponse("the parts do not become the object"))),
        }
    }

    /// Sends a part as clients do, by a URL, or else through the hold. Returns its ETag.
    async fn send_part(&self, key: &str, id: &str) -> Result<String, FailedStep> {
        let sending = in_step(self.plan.steps.part);
        // The hold itself may be unable to reach the store at the address that clients use.
        if self.provider.signs_parts() && self.client.url_signer.is_none() {
            let url = self.provider.part_url(key, id, 1).await.map_err(in_step("sign a URL"))?;
            let (etag, _) = self.client.by_url(Method::PUT, &url, CONTENT).await.map_err(sending)?;
            return etag.ok_or_else(|| sending(Fault::InvalidResponse("a part has no ETag")));
        }
        let part = self.provider.part(key, id, 1).map_err(sending)?;
        let body = stream::iter([Ok(Bytes::from_static(CONTENT))]);
        let sent = self.client.send_part(&part.call, CONTENT.len() as u64, body).await;
        let answer = sent.map_err(|_: PartError<()>| sending(Fault::InvalidResponse("it does not take the part")))?;
        part.etag(answer.headers()).map_err(sending)
    }

    async fn try_copy(&self, from: &str, to: &str) -> Result<(), Fault> {
        let gone = Fault::InvalidResponse("the object to be copied is gone");
        let Some(info) = self.client.find(from).await? else { return Err(gone) };
        let source = CopySource { key: from, etag: &info.etag, size_bytes: info.size_bytes };
        match self.provider.copy(source, to).await? {
            Copied::Done => Ok(()),
            Copied::SourceChanged => Err(gone),
        }
    }

    /// Removes all objects and uploads that the probe may have left; ignores failures.
    async fn clean_up(&self, name: &str) {
        let prefix = self.client.listed_prefix(&format!("{PROBES}/{name}"));
        if let Ok(open) = self.provider.list_uploads(&prefix, Cursor::new()).await {
            for upload in open.items {
                let _ = self.provider.abort(&upload.key, &upload.id).await;
            }
        }
        if !self.provider.signs_parts() {
            // Such a store has no list of open uploads, and identifies an upload by its key alone.
            let _ = self.provider.abort(&self.keys[1], "").await;
        }
        for key in &self.keys {
            let _ = self.client.remove(key).await;
        }
    }
}

impl Client {
    /// Sends a request by URL alone, as a client does. Returns the ETag and the body.
    async fn by_url(&self, method: Method, url: &str, body: &'static [u8]) -> Result<(Option<String>, Bytes), Fault> {
        let request = Request::builder().method(method).uri(url).body(boxed_body(Full::from(body)));
        let request = request.map_err(|_| Fault::InvalidResponse("its address is not a URL"))?;
        let answer = self.http.send(request).await.map_err(Fault::NoAnswer)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_or(Bytes::new(), http_body_util::Collected::to_bytes);
        if !head.status.is_success() {
            return Err(Fault::answered(head.status, &body));
        }
        let etag = head.headers.get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        Ok((etag, body))
    }
}

impl Advice {
    /// Returns the error for a failed step.
    fn on(&self, FailedStep(tried, fault): FailedStep) -> ProbeError {
        let Self { store, address, all, .. } = self;
        let Fault::Answered { status, code } = &fault else {
            return match &fault {
                Fault::NoAnswer(_) => {
                    ProbeError::Unavailable(format!("{fault}; check {address}, the network and the store"))
                }
                Fault::NoCredentials(_) => ProbeError::Settings(format!("{fault}; {}", self.credentials)),
                _ => ProbeError::Settings(format!(
                    "the {store} does not do what the hold needs, which tried to {tried}: {fault}; check that {address} \
                     is the address of the provider"
                )),
            };
        };
        let settings = |advice: &str| ProbeError::Settings(format!("{fault} when the hold tried to {tried}: {advice}"));
        let known = self.by_code.iter().find(|(known, _)| known == code);
        match known {
            // The clock is set soon after a machine starts.
            _ if code == "RequestTimeTooSkewed" => ProbeError::Unavailable(format!(
                "the clock of this machine and that of the {store} differ by more than 15 minutes: set the clock"
            )),
            Some((_, advice)) => settings(advice),
            None if fault.is_transient() => {
                ProbeError::Unavailable(format!("{fault} when the hold tried to {tried}; check the store"))
            }
            None if matches!(*status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) => settings(self.not_allowed),
            None if status.is_redirection() => settings(&format!("correct {}", self.elsewhere)),
            None => settings(&format!("check {all}, and that the provider has this request")),
        }
    }
}
