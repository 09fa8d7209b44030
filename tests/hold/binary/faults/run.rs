//! One hold on one server through one proxy, and what everybody who pushes to it knows together.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use atcr_hold::objects::{self, S3Settings};

use super::journey::Journey;
use super::proxy::Proxy;
use super::truth;
use crate::binary::dice::Dice;
use crate::binary::process::Daemon;
use crate::binary::site::Site;
use crate::objects::Bucket;

const WORKERS: usize = 12;
/// A run that does not come to an end fails.
const TIME_LIMIT: Duration = Duration::from_secs(1_500);
/// Three times what the hold of a debug build was seen to take, with 12 workers and parts of 5 MiB.
const MAX_MEMORY_KIB: u64 = 64 * 1024;

/// How the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Presigned,
    ThroughHold,
}

pub(super) struct Run {
    pub(super) way: Way,
    pub(super) site: Site,
    pub(super) daemon: Daemon,
    pub(super) proxy: Proxy,
    /// The bucket without the proxy.
    pub(super) direct: objects::Bucket,
    /// The smallest part that the server takes when it is not the last one.
    pub(super) part_bytes: usize,
    pub(super) ledger: Mutex<Ledger>,
    wanted_faults: u64,
    began: Instant,
    /// Somebody saw what must not be: nobody need go on.
    broken: AtomicBool,
}

struct Watch<'a>(&'a AtomicBool);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(std::thread::panicking(), Ordering::Relaxed);
    }
}

/// What is known of all uploads.
#[derive(Default)]
pub(super) struct Ledger {
    /// Blobs that the hold has acknowledged, with what makes their bytes.
    pub(super) acknowledged: BTreeMap<[u8; 32], Content>,
    /// Digests of bytes that nobody has ever sent.
    pub(super) claimed: BTreeSet<[u8; 32]>,
    /// How often what happened.
    pub(super) events: BTreeMap<&'static str, u64>,
}

/// Bytes by the number they come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Content {
    pub(super) seed: u64,
    pub(super) size_bytes: usize,
}

impl Content {
    pub(super) fn bytes(self) -> Vec<u8> {
        let mut state = self.seed.wrapping_mul(2).wrapping_add(1);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..self.size_bytes.div_ceil(8)).flat_map(|_| next().to_le_bytes()).take(self.size_bytes).collect()
    }
}

impl Run {
    pub(super) fn start(bucket: &Bucket, way: Way, wanted_faults: u64, dice: &mut Dice) -> Self {
        // Stalls beyond the hold's patience take a while: they are for long runs.
        let stall_ms = if wanted_faults > 500 { 12_000 } else { 1_500 };
        let endpoint = bucket.settings.endpoint.clone().unwrap();
        let proxy = Proxy::start(&endpoint, dice.split(), stall_ms);
        let mut site = Site::new();
        site.set("STORAGE_DRIVER", "s3");
        site.unset("STORAGE_ROOT_DIR");
        let settings = S3Settings { endpoint: Some(proxy.url()), ..bucket.settings.clone() };
        let through_proxy = Bucket { name: bucket.name.clone(), settings };
        site.configure(&format!(
            "[limits]\nuploads_per_account = 1000\nrequests_per_address = 0\nrequests_per_account = 0\n\
             [crew.\"{}\"]\nrole = \"mate\"\npermissions = [\"blob:write\"]\n\
             [storage.s3]\ndisable_presigned_urls = {}\n{}",
            site.bob.did,
            way == Way::ThroughHold,
            through_proxy.options()
        ));
        let daemon = site.start();
        let part_bytes = if bucket.name == "garage" { 96 * 1024 } else { 5 << 20 };
        let (direct, ledger, began) = (bucket.open(), Mutex::default(), Instant::now());
        Self {
            way,
            site,
            daemon,
            proxy,
            direct,
            part_bytes,
            ledger,
            wanted_faults,
            began,
            broken: AtomicBool::new(false),
        }
    }

    /// Lets many push and read until enough has gone wrong, then looks at what there is.
    pub(super) fn finish(self, server: &str, mut dice: Dice) -> u64 {
        self.proxy.arm(true);
        std::thread::scope(|scope| {
            for _ in 0..WORKERS {
                let (run, mut dice) = (&self, dice.split());
                scope.spawn(move || {
                    let _watch = Watch(&run.broken);
                    while !run.is_done() {
                        Journey::new(run, dice.split()).travel();
                    }
                });
            }
        });
        self.proxy.arm(false);
        assert!(self.began.elapsed() < TIME_LIMIT, "only {} so far", self.proxy.summary());
        let memory_kib = self.daemon.memory_kib("VmHWM");
        let (way, faults, seconds) = (self.way, self.proxy.faults(), self.began.elapsed().as_secs());
        let summary = self.proxy.summary();
        let events: Vec<_> = self.ledger.lock().unwrap().events.iter().map(|(what, n)| format!("{what} {n}")).collect();
        let found = truth::check(self);
        let _ = writeln!(
            std::io::stderr(),
            "faults: {server}, {way:?}: {summary}; {}; {found}; memory of the hold at most {} MiB; {seconds} s",
            events.join(", "),
            memory_kib / 1024
        );
        assert!(memory_kib < MAX_MEMORY_KIB, "the hold took {memory_kib} KiB");
        faults
    }

    fn is_done(&self) -> bool {
        self.proxy.faults() >= self.wanted_faults
            || self.began.elapsed() > TIME_LIMIT
            || self.broken.load(Ordering::Relaxed)
    }

    /// The end of the hold's log, and what it says of `word`.
    pub(super) fn log_of(&self, word: &str) -> String {
        let log = self.daemon.log();
        let lines: Vec<_> = log.lines().collect();
        let end = lines.len().saturating_sub(20);
        let (early, late) = lines.split_at(end);
        early.iter().filter(|line| line.contains(word)).chain(late).copied().collect::<Vec<_>>().join("\n")
    }

    pub(super) fn note(&self, what: &'static str) {
        *self.ledger.lock().unwrap().events.entry(what).or_default() += 1;
    }
}
