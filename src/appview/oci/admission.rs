//! The bulkheads before shared resources: calls to PDSes and holds, listings, manifests in memory, uploads.
//!
//! A caller is the account of a verified token, else the network of the client's address.

use std::time::Duration;

use server::bulkhead::{Bulkhead, BulkheadCounts, BulkheadLimits, Caller, Overload, Slot};

/// Time limit of an answer, however many servers it needs; each has a shorter one of its own. Proxies give up after 60 s,
/// and a request may have waited 10 s for its slot. Bodies that stream are not bound by it.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(45);

/// The shared resource that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// A token, which may need a sign-in at a PDS.
    Token,
    /// A record from a PDS, or the URL of a blob from a hold.
    Read,
    /// A listing of records of a PDS, page after page.
    Listing,
    /// A manifest in memory that is written to its owner's PDS, or the deletion of records there.
    Write,
    /// The bytes of a blob that are sent to a hold.
    Upload,
}

/// The front end's bulkheads.
pub struct Admission {
    tokens: Bulkhead<Caller>,
    reads: Bulkhead<Caller>,
    listings: Bulkhead<Caller>,
    writes: Bulkhead<Caller>,
    uploads: Bulkhead<Caller>,
}

/// A PDS takes 0.4 s to check a password: eight slots of one address are 20 tokens a second, and a client needs one
/// token for each image.
const TOKENS: BulkheadLimits = BulkheadLimits {
    slots: 64,
    slots_per_caller: 8,
    queue: 1024,
    queue_per_caller: 256,
    max_wait: Duration::from_secs(10),
};
/// Each holds a connection to a PDS or a hold, with up to 4 MiB of response: a manifest has some kilobytes. Clients
/// pull 3 to 10 at a time.
const READS: BulkheadLimits = BulkheadLimits {
    slots: 128,
    slots_per_caller: 32,
    queue: 1024,
    queue_per_caller: 256,
    max_wait: Duration::from_secs(10),
};
/// Each takes up to 100 pages and 30 s, and has a page of records in memory: 8 MiB in all.
const LISTINGS: BulkheadLimits = BulkheadLimits {
    slots: 8,
    slots_per_caller: 2,
    queue: 64,
    queue_per_caller: 16,
    max_wait: Duration::from_secs(10),
};
/// Each has a manifest of 5 MiB at most in memory: 40 MiB in all, 10 MiB of one account.
const WRITES: BulkheadLimits = BulkheadLimits {
    slots: 8,
    slots_per_caller: 2,
    queue: 256,
    queue_per_caller: 64,
    max_wait: Duration::from_secs(30),
};
/// Each holds a connection to a hold, and 64 KiB between it and the client's. A client pushes three to eight layers at
/// a time.
const UPLOADS: BulkheadLimits = BulkheadLimits {
    slots: 256,
    slots_per_caller: 32,
    queue: 512,
    queue_per_caller: 64,
    max_wait: Duration::from_secs(30),
};

impl Default for Admission {
    fn default() -> Self {
        Self {
            tokens: Bulkhead::new(TOKENS),
            reads: Bulkhead::new(READS),
            listings: Bulkhead::new(LISTINGS),
            writes: Bulkhead::new(WRITES),
            uploads: Bulkhead::new(UPLOADS),
        }
    }
}

impl Admission {
    /// Waits for a slot for a request of `caller`.
    ///
    /// # Errors
    /// [`Overload`]
    pub(super) async fn enter(&self, cost: Cost, caller: &Caller) -> Result<Slot<Caller>, Overload> {
        let bulkhead = match cost {
            Cost::Token => &self.tokens,
            Cost::Read => &self.reads,
            Cost::Listing => &self.listings,
            Cost::Write => &self.writes,
            Cost::Upload => &self.uploads,
        };
        bulkhead.enter(caller).await
    }

    /// Returns the metrics of each bulkhead, with its name in the metrics.
    pub fn counts(&self) -> [(&'static str, &BulkheadCounts); 5] {
        [
            ("tokens", self.tokens.counts()),
            ("reads", self.reads.counts()),
            ("listings", self.listings.counts()),
            ("writes", self.writes.counts()),
            ("uploads", self.uploads.counts()),
        ]
    }
}
