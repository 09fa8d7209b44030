//! One upload or read after the other, by a client that tries again as long as that makes sense.

use std::io;
use std::time::Duration;

use serde_json::json;

use super::run::{Content, Run, Way};
use crate::binary::dice::Dice;
use crate::support::hold::digest_of;
use crate::support::http::Answer;
use crate::support::http::blocking::{Client, by_url, path_of};

/// How long a store may be silent.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// How often a call is made before it is given up.
const ATTEMPTS: usize = 25;
/// Contents that many clients push at once.
const POPULAR: u64 = 12;
const EMPTY: Content = Content { seed: 0, size_bytes: 0 };

pub(super) struct Journey<'a> {
    pub(super) run: &'a Run,
    pub(super) dice: Dice,
    pub(super) client: Client,
    /// Whether bytes of a blob are expected.
    pub(super) is_reading: bool,
}

/// How completing went.
pub(super) enum Outcome {
    Acknowledged,
    /// Refused, because the bytes are not what was announced.
    OtherBytes,
    /// The store does not have the parts that the client was told it has.
    PartsGone,
    GaveUp,
}

impl<'a> Journey<'a> {
    pub(super) fn new(run: &'a Run, mut dice: Dice) -> Self {
        let account = if dice.below(2) == 0 { &run.site.alice } else { &run.site.bob };
        Self { run, dice, client: run.daemon.client(account), is_reading: false }
    }

    pub(super) fn travel(&mut self) {
        let Some(id) = self.initiate() else { return };
        let content = self.content();
        match self.dice.below(10) {
            0 => self.abandon(&id, content),
            1 => self.claim_other_bytes(&id, content),
            _ => self.push(&id, content),
        }
    }

    fn content(&mut self) -> Content {
        let seed = self.dice.below(1 << 30);
        let popular = self.dice.below(POPULAR);
        let parts = if self.dice.below(if self.run.part_bytes > 1 << 20 { 6 } else { 2 }) == 0 { 2 } else { 0 };
        let rest = usize::try_from(1 + self.dice.below(64 * 1024)).unwrap();
        match self.dice.below(8) {
            0 => EMPTY,
            1 | 2 => Content { seed: popular, size_bytes: 1 + 5_000 * usize::try_from(popular).unwrap() },
            _ => Content { seed, size_bytes: parts * self.run.part_bytes + rest },
        }
    }

    /// An upload from its first part to what is read of it afterwards.
    fn push(&mut self, id: &str, content: Content) {
        let bytes = content.bytes();
        for _ in 0..3 {
            let Some(etags) = self.send_parts(id, &bytes) else { break };
            match self.complete(id, &bytes, &etags) {
                Outcome::Acknowledged => {
                    let digest = *digest_of(&bytes).as_bytes();
                    self.run.ledger.lock().unwrap().acknowledged.insert(digest, content);
                    self.run.note("acknowledged");
                    self.afterwards(id, &bytes, &etags);
                    return;
                }
                // The store lost a part to a request that came late: it is sent again.
                Outcome::PartsGone => self.run.note("parts sent again"),
                Outcome::OtherBytes | Outcome::GaveUp => break,
            }
        }
        self.run.note("given up");
        self.abort(id);
    }

    fn afterwards(&mut self, id: &str, bytes: &[u8], etags: &[String]) {
        if self.dice.below(3) == 0 {
            let again = self.complete(id, bytes, etags);
            assert!(matches!(again, Outcome::Acknowledged), "an upload that was acknowledged once");
            self.run.note("completed again");
        }
        self.is_reading = true;
        for _ in 0..self.dice.below(3) {
            self.read(bytes);
        }
    }

    /// The parts in any order, some of them twice and with other bytes at first.
    fn send_parts(&mut self, id: &str, bytes: &[u8]) -> Option<Vec<String>> {
        let parts: Vec<_> = bytes.chunks(self.run.part_bytes).collect();
        let mut order: Vec<_> = (0..parts.len()).collect();
        if self.dice.below(2) == 0 {
            order.reverse();
        }
        let mut etags = vec![String::new(); parts.len()];
        for index in order {
            let number = u32::try_from(index + 1).unwrap();
            if self.dice.below(5) == 0 {
                let other: Vec<u8> = parts[index].iter().map(|byte| !byte).collect();
                self.send_part(id, number, &other)?;
            }
            etags[index] = self.send_part(id, number, parts[index])?;
        }
        Some(etags)
    }

    /// Begins, sends some and thinks better of it.
    fn abandon(&mut self, id: &str, content: Content) {
        let bytes = content.bytes();
        self.send_parts(id, &bytes[..bytes.len() / 2]);
        self.abort(id);
        self.run.note("aborted");
    }

    /// Says that the bytes are others than they are.
    fn claim_other_bytes(&mut self, id: &str, content: Content) {
        let bytes = content.bytes();
        let Some(etags) = self.send_parts(id, &bytes) else { return self.abort(id) };
        let mut claimed = bytes;
        claimed.push(b'!');
        claimed.extend(self.dice.below(1 << 30).to_be_bytes());
        self.run.ledger.lock().unwrap().claimed.insert(*digest_of(&claimed).as_bytes());
        match self.complete(id, &claimed, &etags) {
            Outcome::Acknowledged => panic!("a blob was acknowledged whose bytes nobody has sent"),
            Outcome::OtherBytes => self.run.note("other bytes refused"),
            Outcome::PartsGone | Outcome::GaveUp => self.run.note("given up"),
        }
        self.abort(id);
    }

    fn initiate(&mut self) -> Option<String> {
        let answer = self.client.try_initiate().expect("beginning an upload asks nothing of the store");
        assert_eq!(answer.status, 200, "{}", answer.field("message"));
        Some(answer.field("uploadId"))
    }

    /// The part's ETag, once the store or the hold has taken it.
    fn send_part(&mut self, id: &str, number: u32, bytes: &[u8]) -> Option<String> {
        for _ in 0..ATTEMPTS {
            let etag = match self.run.way {
                Way::Presigned => self.send_part_to_store(id, number, bytes),
                Way::ThroughHold => self.send_part_to_hold(id, number, bytes),
            };
            if etag.is_some() {
                return etag;
            }
            self.rest();
        }
        None
    }

    fn send_part_to_store(&mut self, id: &str, number: u32, bytes: &[u8]) -> Option<String> {
        let target = self.settle(id, |client| client.try_part_target(id, number))?;
        let answer = by_url("PUT", &target.field("url"), "", bytes, PATIENCE).ok()?;
        answer.header("etag").filter(|_| answer.status == 200).map(str::to_owned)
    }

    fn send_part_to_hold(&mut self, id: &str, number: u32, bytes: &[u8]) -> Option<String> {
        let target = self.settle(id, |client| client.try_part_target(id, number))?;
        let answer = self.settle(id, |client| client.try_put(&path_of(&target), bytes))?;
        Some(answer.field("etag"))
    }

    pub(super) fn complete(&mut self, id: &str, bytes: &[u8], etags: &[String]) -> Outcome {
        let digest = digest_of(bytes);
        for _ in 0..ATTEMPTS {
            let Ok(answer) = self.client.try_complete(id, bytes, etags).map_err(|error| self.took_long(&error)) else {
                continue;
            };
            if answer.status == 200 {
                assert_eq!(answer.json(), json!({ "status": "completed", "digest": digest.to_string() }));
                return Outcome::Acknowledged;
            }
            if self.is_trouble(&answer, &[id, &digest.hex()]) {
                self.rest();
                continue;
            }
            let lied = self.run.proxy.lied_about(id) || self.run.proxy.lied_about(&digest.hex());
            let is_claim = self.run.ledger.lock().unwrap().claimed.contains(digest.as_bytes());
            return match answer.outcome() {
                (400, name) if name == "InvalidDigest" && (is_claim || lied) => Outcome::OtherBytes,
                (400, name) if name == "MissingParts" && lied => Outcome::PartsGone,
                (404, name) if name == "InvalidUploadId" && lied => Outcome::GaveUp,
                (500, name) if is_failure(&name) && lied => Outcome::GaveUp,
                (status, name) => panic!("completeUpload: {status} {name}\n{}", self.run.log_of(id)),
            };
        }
        Outcome::GaveUp
    }

    fn abort(&mut self, id: &str) {
        let input = json!({ "uploadId": id });
        for _ in 0..ATTEMPTS {
            let answer = self.client.try_call("io.atcr.hold.abortUpload", &input);
            match answer.map(|answer| answer.outcome()) {
                // It may have been finished by an attempt whose answer came too late.
                Ok((200 | 404, _)) => return,
                Ok(other) => panic!("abortUpload: {other:?}"),
                Err(error) => self.took_long(&error),
            }
        }
        panic!("an upload that cannot be aborted");
    }

    /// A call to the hold that must succeed in the end; `None` when the store's trouble lasts, or what was lied about is lost.
    pub(super) fn settle(&mut self, what: &str, mut call: impl FnMut(&Client) -> io::Result<Answer>) -> Option<Answer> {
        for _ in 0..ATTEMPTS {
            match call(&self.client) {
                // A CID is answered by the way to its bytes.
                Ok(answer) if answer.status < 400 => return Some(answer),
                Ok(answer) if self.is_trouble(&answer, &[what]) => self.rest(),
                Ok(answer) if self.run.proxy.lied_about(what) => {
                    assert!(matches!(answer.status, 400 | 404 | 500), "{:?}", answer.outcome());
                    return None;
                }
                Ok(answer) => panic!("{:?}\n{}", answer.outcome(), self.run.log_of(what)),
                Err(error) => self.took_long(&error),
            }
        }
        None
    }

    /// Whether this is how the hold says that the store is in trouble. A store that says what is not so is a
    /// failure of another kind.
    fn is_trouble(&mut self, answer: &Answer, about: &[&str]) -> bool {
        match answer.outcome() {
            (503, name) if name == "ServiceUnavailable" => {
                assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
                self.run.note("503");
                true
            }
            (500, name) if is_failure(&name) && about.iter().any(|word| self.run.proxy.lied_about(word)) => {
                self.run.note("500 after a lie");
                // Worth another try or two.
                self.dice.below(3) > 0
            }
            _ => false,
        }
    }

    /// The hold always answers: only its patience with the store can be longer than a client's, and a read whose
    /// head was sent can only be cut off.
    fn took_long(&self, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.run.note("client gave up waiting"),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset if self.is_reading => {
                self.run.note("read cut off");
            }
            _ => panic!("the hold must answer: {error}"),
        }
    }

    pub(super) fn rest(&mut self) {
        std::thread::sleep(Duration::from_millis(50 + self.dice.below(250)));
    }
}

/// The names of what the hold has no remedy for.
fn is_failure(name: &str) -> bool {
    ["InternalServerError", "UploadFailed", "CompletionFailed"].contains(&name)
}
