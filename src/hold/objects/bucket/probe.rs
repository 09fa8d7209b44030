//! How a bucket is tried once at start, so that a hold that cannot store anything says so before it serves.
//!
//! Each provider has its own steps; here is what surrounds them, and the one line that an operator reads when one fails.

use std::time::Duration;

use bytes::Bytes;
use http::header::ETAG;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Full};

use super::client::Client;
use super::clock;
use super::fault::Fault;
use super::http::any_body;

/// What the first answer may take, all steps after it, and cleaning up: half a minute together.
const REACH_LIMIT: Duration = Duration::from_secs(5);
const TIME_LIMIT: Duration = Duration::from_secs(20);
const CLEANING_LIMIT: Duration = Duration::from_secs(5);
/// The folder of what is tried, as a name without slashes.
pub const PROBES: &str = "probe";
const WORDS: [&str; 4] = ["object", "parts", "copy", "checksum"];
pub(super) const CONTENT: &[u8] = b"atcr-hold was here";

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
pub(super) struct Step(pub(super) &'static str, pub(super) Fault);

pub(super) fn in_step(tried: &'static str) -> impl Fn(Fault) -> Step + Copy {
    move |fault| Step(tried, fault)
}

/// Whether an object under this key is of a probe: it is left behind only when the process ended before the probe did.
#[must_use]
pub fn is_probe(key: &str) -> bool {
    let segments: Vec<_> = key.split('/').collect();
    matches!(segments[..], [PROBES, _, word] if WORDS.contains(&word))
}

/// The keys of a probe of this name: of an object, of one made of parts, of its copy, and of one with a wrong checksum.
pub(super) fn keys(name: &str) -> [String; 4] {
    WORDS.map(|word| format!("{PROBES}/{name}/{word}"))
}

/// What an operator calls the things that may be wrong, and what to do about the provider's own codes.
pub(super) struct Advice {
    /// As in "the S3 store".
    pub(super) store: &'static str,
    /// The setting with the address.
    pub(super) address: &'static str,
    /// The settings that may be wrong when nothing else is known.
    pub(super) all: &'static str,
    /// Those that may be wrong when the store points elsewhere.
    pub(super) elsewhere: &'static str,
    /// What to do without credentials.
    pub(super) credentials: &'static str,
    /// What to do when the credentials may not do what was tried.
    pub(super) not_allowed: &'static str,
    /// What to do about one of the provider's codes.
    pub(super) by_code: &'static [(&'static str, &'static str)],
}

/// A bucket that is being tried.
pub(super) struct Attempt<'a> {
    pub(super) client: &'a Client,
    pub(super) advice: &'static Advice,
}

impl Attempt<'_> {
    /// Takes the `steps`, which answer whether a wrong checksum is refused, and cleans up after them, whatever came of
    /// them: half of them may have been done.
    pub(super) async fn run(
        &self,
        now_us: fn() -> u64,
        steps: impl Future<Output = Result<bool, Step>>,
        clean_up: impl Future<Output = ()>,
    ) -> Result<Probed, ProbeError> {
        // Nothing is written before this, so that nothing is cleaned up in a store that is not there.
        let clock_ahead_s = self.reach(now_us).await.map_err(|step| self.advice.on(step))?;
        let outcome = tokio::time::timeout(TIME_LIMIT, steps).await;
        let _ = tokio::time::timeout(CLEANING_LIMIT, clean_up).await;
        match outcome {
            Ok(Ok(refuses_wrong_checksum)) => Ok(Probed { clock_ahead_s, refuses_wrong_checksum }),
            Ok(Err(step)) => Err(self.advice.on(step)),
            Err(_) => Err(ProbeError::Unavailable(format!(
                "the {} is too slow: what should take a second was not done after {} s; check its health and the \
                 network",
                self.advice.store,
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

    /// Any answer does, a refusal too: it is the clock that counts.
    async fn clock_ahead_s(&self, now_us: fn() -> u64) -> Result<Option<i64>, Fault> {
        let request = Request::get(&self.client.bucket_url).body(any_body(Empty::new()));
        let request = request.map_err(|_| Fault::Senseless("its address is not a URL"))?;
        let answer = tokio::time::timeout(REACH_LIMIT, self.client.http.send(request)).await;
        let answer = answer.unwrap_or_else(|_| Err("it did not answer in time".into())).map_err(Fault::NoAnswer)?;
        let own_s = i64::try_from(now_us() / 1_000_000).unwrap_or_default();
        Ok(clock::answered_s(answer.headers()).map(|store_s| own_s - store_s))
    }
}

impl Client {
    /// PUTs a part as a client does that has nothing but the URL; answers its ETag.
    pub(super) async fn put_by_url(&self, url: &str) -> Result<String, Fault> {
        let request = Request::put(url).body(any_body(Full::from(CONTENT)));
        let request = request.map_err(|_| Fault::Senseless("its address is not a URL"))?;
        let answer = self.http.send(request).await.map_err(Fault::NoAnswer)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_or(Bytes::new(), http_body_util::Collected::to_bytes);
        if !head.status.is_success() {
            return Err(Fault::answered(head.status, &body));
        }
        let etag = head.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
        etag.map(str::to_owned).ok_or(Fault::Senseless("a part has no ETag"))
    }
}

#[cfg(feature = "azure")]
impl Client {
    /// GETs an object as a client does that has nothing but the URL.
    pub(super) async fn get_by_url(&self, url: &str) -> Result<Bytes, Fault> {
        let request = Request::get(url).body(any_body(Empty::new()));
        let request = request.map_err(|_| Fault::Senseless("its address is not a URL"))?;
        let answer = self.http.send(request).await.map_err(Fault::NoAnswer)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_or(Bytes::new(), http_body_util::Collected::to_bytes);
        if head.status.is_success() { Ok(body) } else { Err(Fault::answered(head.status, &body)) }
    }
}

impl Advice {
    /// The line for a step that failed.
    fn on(&self, Step(tried, fault): Step) -> ProbeError {
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
            None if fault.is_passing() => {
                ProbeError::Unavailable(format!("{fault} when the hold tried to {tried}; check the store"))
            }
            None if matches!(*status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) => settings(self.not_allowed),
            None if status.is_redirection() => settings(&format!("correct {}", self.elsewhere)),
            None => settings(&format!("check {all}, and that the provider has this request")),
        }
    }
}
