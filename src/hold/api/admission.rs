//! The cost of an endpoint, and the bulkheads of shared resources: readers, the one writer, exports, proofs.
//!
//! A caller is an authenticated account, else the network that the request comes from. A request waits here with its
//! body already in memory, so a slow sender holds no slot.

use std::time::Duration;

use server::bulkhead::{Bulkhead, BulkheadCounts, BulkheadLimits, Caller, Overload, Slot};
use server::xrpc::JSON_BYTES;

/// The shared resource that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// None for long: data in memory, and bytes of blobs, whose connections have limits of their own.
    Light,
    /// A reader of the database.
    Read,
    /// The writer of the database.
    Write,
    /// A reader for as long as the response is sent.
    Export,
    /// A reader for each page of an account's data, for as long as the response is sent.
    UserData,
    /// The verification of a blob's digest, which may read the whole blob.
    Proof,
}

/// The hold's bulkheads.
pub struct Admission {
    reads: Bulkhead<Caller>,
    writes: Bulkhead<Caller>,
    exports: Bulkhead<Caller>,
    user_data: Bulkhead<Caller>,
    proofs: Bulkhead<Caller>,
    bodies: Bulkhead<Caller>,
    large_bodies: Bulkhead<Caller>,
}

/// Four readers with sixteen requests before each; a read takes 1.3 ms at most, so the last one waits 0.7 s.
const READS: BulkheadLimits = BulkheadLimits {
    slots: 64,
    slots_per_caller: 16,
    queue: 512,
    queue_per_caller: 128,
    max_wait: Duration::from_secs(5),
};
/// One writer. A manifest of 200 layers takes up to 60 ms on a busy disk: with two writes of each account others wait
/// for 0.5 s. The number of one account's slots is an option.
const WRITES: BulkheadLimits = BulkheadLimits {
    slots: 8,
    slots_per_caller: 2,
    queue: 512,
    queue_per_caller: 64,
    max_wait: Duration::from_secs(10),
};
/// Each export holds a snapshot of the database, or a copy of it on disk.
const EXPORTS: BulkheadLimits =
    BulkheadLimits { slots: 4, slots_per_caller: 1, queue: 32, queue_per_caller: 4, max_wait: Duration::from_secs(10) };
/// Each export has a page of some 80 KB in memory, twice: 2.5 MB in all.
const USER_DATA: BulkheadLimits =
    BulkheadLimits { slots: 16, slots_per_caller: 1, queue: 64, queue_per_caller: 4, max_wait: Duration::from_secs(5) };
/// With a bucket each proof reads a blob back. A client pushes some three to eight layers at a time.
const PROOFS: BulkheadLimits = BulkheadLimits {
    slots: 64,
    slots_per_caller: 16,
    queue: 256,
    queue_per_caller: 64,
    max_wait: Duration::from_secs(20),
};

/// Bodies of at most 256 KiB in memory: 32 MiB in all, 4 MiB of one caller.
const BODIES: BulkheadLimits = BulkheadLimits {
    slots: 128,
    slots_per_caller: 16,
    queue: 1024,
    queue_per_caller: 256,
    max_wait: Duration::from_secs(30),
};
/// Bodies of at most a few MiB: with manifests, 4.25 MiB each, 68 MiB in all, 17 MiB of one caller.
const LARGE_BODIES: BulkheadLimits = BulkheadLimits {
    slots: 16,
    slots_per_caller: 4,
    queue: 256,
    queue_per_caller: 64,
    max_wait: Duration::from_secs(30),
};

impl Cost {
    /// Whether the slot is held until the response is sent.
    pub(super) fn lasts(self) -> bool {
        matches!(self, Self::Export | Self::UserData)
    }
}

impl Admission {
    /// Creates the bulkheads with all slots free; one account may have `writes_per_account` writes under way.
    #[must_use]
    pub fn new(writes_per_account: usize) -> Self {
        let writes = BulkheadLimits { slots_per_caller: writes_per_account, ..WRITES };
        Self {
            reads: Bulkhead::new(READS),
            writes: Bulkhead::new(writes),
            exports: Bulkhead::new(EXPORTS),
            user_data: Bulkhead::new(USER_DATA),
            proofs: Bulkhead::new(PROOFS),
            bodies: Bulkhead::new(BODIES),
            large_bodies: Bulkhead::new(LARGE_BODIES),
        }
    }

    /// Waits for a slot for a request of `caller`. Returns `None` where the request needs none.
    ///
    /// # Errors
    /// [`Overload`]
    pub(super) async fn enter(&self, cost: Cost, caller: &Caller) -> Result<Option<Slot<Caller>>, Overload> {
        let bulkhead = match cost {
            Cost::Light => return Ok(None),
            Cost::Read => &self.reads,
            Cost::Write => &self.writes,
            Cost::Export => &self.exports,
            Cost::UserData => &self.user_data,
            Cost::Proof => &self.proofs,
        };
        bulkhead.enter(caller).await.map(Some)
    }

    /// Waits for a share of memory for a body of at most `limit_bytes`.
    ///
    /// # Errors
    /// [`Overload`]
    pub(super) async fn enter_body(&self, limit_bytes: u64, caller: &Caller) -> Result<Slot<Caller>, Overload> {
        let bulkhead = if limit_bytes <= JSON_BYTES { &self.bodies } else { &self.large_bodies };
        bulkhead.enter(caller).await
    }

    /// Returns the metrics of each bulkhead, with its name in metrics.
    pub fn counts(&self) -> [(&'static str, &BulkheadCounts); 7] {
        [
            ("reads", self.reads.counts()),
            ("writes", self.writes.counts()),
            ("exports", self.exports.counts()),
            ("user_data", self.user_data.counts()),
            ("proofs", self.proofs.counts()),
            ("bodies", self.bodies.counts()),
            ("large_bodies", self.large_bodies.counts()),
        ]
    }
}
