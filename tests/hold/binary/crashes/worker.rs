//! Who writes while the daemon is killed, and remembers what was acknowledged.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use crate::support::blob_hold::content;
use crate::support::did_server::plc;
use crate::support::http::Answer;
use crate::support::http::blocking::Client;

const PARTS: usize = 3;

/// Uploads blob after blob, and goes on where it was when the daemon comes back.
pub(super) struct Uploader {
    number: u8,
    backwards: bool,
    /// The contents whose completion was answered.
    pub(super) acknowledged: Vec<Vec<u8>>,
    open: Option<Open>,
}

struct Open {
    id: String,
    whole: Vec<u8>,
    etags: [Option<String>; PARTS],
}

impl Uploader {
    pub(super) fn in_order(number: u8) -> Self {
        Self { number, backwards: false, acknowledged: vec![], open: None }
    }

    /// The last part first, so that parts get files of their own.
    pub(super) fn backwards(number: u8) -> Self {
        Self { backwards: true, ..Self::in_order(number) }
    }

    pub(super) fn open_id(&self) -> Option<&str> {
        self.open.as_ref().map(|open| open.id.as_str())
    }

    /// Works until the daemon is gone, and counts what was answered.
    pub(super) fn work(&mut self, client: &Client, answered: &AtomicU64) {
        while self.step(client).is_ok() {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Finishes what is open.
    pub(super) fn finish(&mut self, client: &Client) {
        while self.open.is_some() {
            self.step(client).unwrap();
        }
    }

    /// One part, or the completion. An error leaves everything as it was, to be repeated.
    fn step(&mut self, client: &Client) -> io::Result<()> {
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let id = succeeded(client.try_initiate()?).field("uploadId");
                let count = self.acknowledged.len();
                let mut whole = content(self.number, 30_000 + 1_000 * (count % 40));
                whole[..8].copy_from_slice(&count.to_be_bytes());
                none.insert(Open { id, whole, etags: [const { None }; PARTS] })
            }
        };
        let missing = |index: &usize| open.etags[*index].is_none();
        let next = if self.backwards { (0..PARTS).rev().find(missing) } else { (0..PARTS).find(missing) };
        if let Some(index) = next {
            let number = u32::try_from(index + 1).unwrap();
            let url = succeeded(client.try_part_target(&open.id, number)?).field("url");
            let length = open.whole.len().div_ceil(PARTS);
            let bytes = open.whole.chunks(length).nth(index).unwrap();
            open.etags[index] = Some(succeeded(client.try_by_url("PUT", &url, bytes)?).etag());
        } else {
            let etags = open.etags.iter().flatten().cloned().collect::<Vec<_>>();
            succeeded(client.try_complete(&open.id, &open.whole, &etags)?);
            self.acknowledged.extend(self.open.take().map(|open| open.whole));
        }
        Ok(())
    }
}

/// Adds crew member after crew member.
#[derive(Default)]
pub(super) struct Members {
    tried: u32,
    /// The record keys that were answered.
    pub(super) acknowledged: Vec<String>,
}

impl Members {
    /// Works until the daemon is gone, and counts what was answered.
    pub(super) fn work(&mut self, client: &Client, answered: &AtomicU64) {
        loop {
            self.tried += 1;
            let member = plc(1_000 + self.tried);
            let record = json!({
                "$type": "io.atcr.hold.crew", "member": member, "role": "mate",
                "permissions": ["blob:read"], "addedAt": "2026-01-01T00:00:00.000Z",
            });
            let input = json!({
                "repo": "did:web:localhost%3A8080", "collection": "io.atcr.hold.crew",
                "rkey": atcr_hold::crew::member_key(&member), "record": record,
            });
            let Ok(answer) = client.try_call("com.atproto.repo.createRecord", &input) else { return };
            let uri = succeeded(answer).field("uri");
            self.acknowledged.push(uri.rsplit('/').next().unwrap().to_owned());
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[track_caller]
fn succeeded(answer: Answer) -> Answer {
    assert!(answer.status < 400, "{} {}", answer.status, String::from_utf8_lossy(&answer.body));
    answer
}
