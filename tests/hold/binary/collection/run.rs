//! One hold, everybody who uses it, and what happened.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::member::Member;
use crate::binary::dice::Dice;
use crate::binary::process::Daemon;
use crate::binary::site::Site;
use crate::objects::Bucket;

const MEMBERS: u8 = 6;
pub(super) const GRACE: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Run {
    name: String,
    pub(super) site: Site,
    pub(super) daemon: Daemon,
    tally: Mutex<BTreeMap<&'static str, u64>>,
    is_over: AtomicBool,
}

/// Ends the run for all when one of them fails.
struct Watch<'a>(&'a AtomicBool);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(std::thread::panicking(), Ordering::Relaxed);
    }
}

impl Run {
    pub(super) fn start(bucket: Option<&Bucket>) -> Self {
        let mut site = Site::new();
        let mut toml = format!(
            "allow_all_crew = true\n[gc]\ngrace_s = {}\n\
             [limits]\nuploads_per_account = 1000\nrequests_per_address = 0\nrequests_per_account = 0\n",
            GRACE.as_secs()
        );
        if let Some(bucket) = bucket {
            site.set("STORAGE_DRIVER", "s3");
            site.unset("STORAGE_ROOT_DIR");
            toml += &format!("[storage.s3]\n{}", bucket.options());
        }
        site.configure(&toml);
        let name = bucket.map_or("directory", |bucket| bucket.name.as_str()).to_owned();
        Self { daemon: site.start(), site, name, tally: Mutex::default(), is_over: AtomicBool::new(false) }
    }

    pub(super) fn note(&self, what: &'static str, count: u64) {
        *self.tally.lock().unwrap().entry(what).or_default() += count;
    }

    pub(super) fn finish(self, lasts: Duration, mut dice: Dice) {
        let began = Instant::now();
        let mut members: Vec<_> =
            (0..MEMBERS).map(|n| Member::new(&self, self.site.account(n + 3), dice.split())).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _watch = Watch(&self.is_over);
                while !self.is_over.load(Ordering::Relaxed) {
                    self.collect();
                    std::thread::sleep(EVERY);
                }
            });
            let at_work: Vec<_> = members.iter_mut().map(|member| scope.spawn(|| self.employ(member, lasts))).collect();
            let all_well = at_work.into_iter().all(|handle| handle.join().is_ok());
            self.is_over.store(true, Ordering::Relaxed);
            assert!(all_well, "{}", self.end_of_log());
        });
        // All that was acknowledged and not deleted.
        members.iter_mut().for_each(Member::check);
        assert_eq!(self.command(&["storage", "verify", "--json"])["findings"]["listed"], json!([]));
        members.iter_mut().for_each(Member::delete_all);
        drop(members);
        std::thread::sleep(GRACE + EVERY + EVERY);
        let unfinished = (0..20).find_map(|_| self.collect()).expect("a collection that comes to its end");
        let usage = self.command(&["storage", "usage", "--json"]);
        for (what, count) in [("recorded", 0), ("missing", 0), ("stored", unfinished), ("unrecorded", unfinished)] {
            assert_eq!(usage[what]["count"], json!(count), "{what} in the end");
        }
        let tally = self.tally.lock().unwrap();
        let happened: Vec<_> = tally.iter().map(|(what, count)| format!("{what} {count}")).collect();
        let memory_mib = self.daemon.memory_kib("VmHWM") / 1024;
        let _ = writeln!(
            std::io::stderr(),
            "collection: {}: {} s: {}; blobs missing after an acknowledged manifest 0, live blobs removed 0; memory of the \
             hold at most {memory_mib} MiB",
            self.name,
            began.elapsed().as_secs(),
            happened.join(", ")
        );
        for what in ["manifests acknowledged", "blobs told to be here", "blobs collected", "deletions of all data"] {
            assert!(tally.get(what).is_some_and(|count| *count > 0), "{what}: never");
        }
    }

    fn employ(&self, member: &mut Member<'_>, lasts: Duration) {
        let _watch = Watch(&self.is_over);
        let end = Instant::now() + lasts;
        while Instant::now() < end && !self.is_over.load(Ordering::Relaxed) {
            member.go();
        }
    }

    /// Answers how many removals the store has refused or not answered, which are asked for again much later. `None`
    /// when the store was in trouble, or so slow that the command was killed: the next one goes on.
    fn collect(&self) -> Option<u64> {
        let ended = self.site.run(&["gc", "--run", "--force", "--json"]);
        self.note("collections", 1);
        if ended.code == Some(1) && ended.stderr.contains("storage is unavailable") {
            self.note("collections that the store let down", 1);
            return None;
        }
        if ended.code.is_none() {
            self.note("collections that were killed", 1);
            return None;
        }
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
        let collected: Value = serde_json::from_str(&ended.stdout).unwrap();
        self.note("blobs collected", collected["garbage"]["count"].as_u64().unwrap());
        self.note("bytes collected", collected["garbage"]["sizeBytes"].as_u64().unwrap());
        collected["unfinished"]["count"].as_u64()
    }

    fn end_of_log(&self) -> String {
        let log = self.daemon.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn command(&self, arguments: &[&str]) -> Value {
        let ended = self.site.run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{arguments:?}: {}", ended.stdout);
        serde_json::from_str(&ended.stdout).unwrap()
    }
}
