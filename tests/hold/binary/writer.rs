//! Who writes crew records of every kind, and remembers what was acknowledged.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::dice::Dice;
use crate::api::firehose::member_record;
use crate::support::did_server::plc;
use crate::support::http::blocking::Client;
use crate::support::repo_home::CREW;

/// Members whose records one writer changes.
const MEMBERS: u64 = 40;
const MAX_WRITES: u64 = 20;

/// The records of a writer: member and note.
type Records = BTreeMap<String, String>;

pub(super) struct Writer {
    /// Its first member; no other writer has its members.
    first: u32,
    dice: Dice,
    /// What is stored, as far as it was acknowledged.
    records: Records,
    /// What is stored if the write that was not answered happened.
    in_doubt: Option<Records>,
    /// Writes that were acknowledged, and the revisions in those answers.
    pub(super) acknowledged: u64,
    pub(super) revs: Vec<String>,
}

impl Writer {
    pub(super) fn new(number: u32, dice: Dice) -> Self {
        let (records, revs) = (Records::new(), vec![]);
        Self { first: 1_000 * (number + 1), dice, records, in_doubt: None, acknowledged: 0, revs }
    }

    /// Works until the daemon is gone, and counts what was answered.
    pub(super) fn work(&mut self, client: &Client, answered: &AtomicU64) {
        while self.write(client).is_ok() {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One write, or several in one commit.
    pub(super) fn write(&mut self, client: &Client) -> io::Result<()> {
        let (method, mut input, after) = self.plan();
        input["repo"] = "did:web:localhost%3A8080".into();
        self.in_doubt = Some(after);
        let answer = client.try_call(&format!("com.atproto.repo.{method}"), &input)?;
        assert_eq!(answer.outcome(), (200, String::new()), "{method} {input}");
        self.revs.extend(answer.json()["commit"]["rev"].as_str().map(str::to_owned));
        self.records = self.in_doubt.take().unwrap();
        self.acknowledged += 1;
        Ok(())
    }

    /// Method, input, and the records after it.
    fn plan(&mut self) -> (&'static str, Value, Records) {
        let mut after = self.records.clone();
        let number = self.member();
        let member = plc(number).to_string();
        let note = format!("note {} of {}", self.acknowledged, self.dice.below(1 << 30));
        let record = member_record(&plc(number), &note);
        let one = json!({ "collection": CREW, "rkey": member });
        match self.dice.below(4) {
            0 => {
                let writes = self.several(&mut after);
                ("applyWrites", json!({ "writes": writes }), after)
            }
            1 => {
                after.remove(&member);
                ("deleteRecord", one, after)
            }
            rest => {
                let is_new = after.insert(member, note).is_none();
                let method = if rest == 2 && is_new { "createRecord" } else { "putRecord" };
                (method, with(one, "record", record), after)
            }
        }
    }

    /// Writes to different members, each of a kind that is allowed there.
    fn several(&mut self, after: &mut Records) -> Vec<Value> {
        let mut numbers: Vec<_> = (0..=self.dice.below(MAX_WRITES)).map(|_| self.member()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut write = |number| {
            let member = plc(number).to_string();
            let note = format!("note {} of {}", self.acknowledged, self.dice.below(1 << 30));
            let value = member_record(&plc(number), &note);
            let of_kind = |kind: &str| json!({ "$type": format!("com.atproto.repo.applyWrites#{kind}"), "collection": CREW, "rkey": member });
            match (after.contains_key(&member), self.dice.below(2)) {
                (true, 0) => {
                    after.remove(&member);
                    of_kind("delete")
                }
                (is_there, _) => {
                    let write = of_kind(if is_there { "update" } else { "create" });
                    after.insert(member, note);
                    with(write, "value", value)
                }
            }
        };
        numbers.into_iter().map(&mut write).collect()
    }

    fn member(&mut self) -> u32 {
        self.first + u32::try_from(self.dice.below(MEMBERS)).unwrap()
    }

    /// Compares with what is stored: all that was acknowledged, and of what was not, all or nothing.
    pub(super) fn settle(&mut self, listed: &BTreeMap<String, (String, Value)>) {
        let note = |number: u64| {
            let member = plc(self.first + u32::try_from(number).unwrap()).to_string();
            let (_, value) = listed.get(&format!("{CREW}/{member}"))?;
            Some((member, value["note"].as_str().unwrap().to_owned()))
        };
        let stored: Records = (0..MEMBERS).filter_map(note).collect();
        let in_doubt = self.in_doubt.take();
        assert!(stored == self.records || Some(&stored) == in_doubt.as_ref(), "what is stored was never written");
        self.records = stored;
    }
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}
