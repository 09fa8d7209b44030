//! The bulkheads before what many share: calls to PDSes and holds, listings, manifests in memory, uploads.
//!
//! A caller is an account where a token proved one, else the network it comes from.

use std::time::Duration;

use server::bulkhead::{Bulkhead, BulkheadCounts, BulkheadLimits, Caller, Overload, Place};

/// Which of the shared resources a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// A token: perhaps a password that a PDS is asked about.
    Token,
    /// A record or a URL of elsewhere.
    Read,
    /// Records of elsewhere, page after page.
    Listing,
    /// A manifest in memory on its way to its owner's PDS, or records that are removed there.
    Write,
    /// The bytes of a blob on their way to a hold.
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

/// A PDS takes 0.4 s for a password: eight of one address are 20 a second, where a client needs one for each image.
const TOKENS: BulkheadLimits = BulkheadLimits {
    places: 64,
    places_per_caller: 8,
    queue: 1024,
    queue_per_caller: 256,
    max_wait: Duration::from_secs(10),
};
/// A connection to elsewhere each, with up to 4 MiB of answer: a manifest has some kilobytes. Clients pull 3 to 10 at a time.
const READS: BulkheadLimits = BulkheadLimits {
    places: 128,
    places_per_caller: 32,
    queue: 1024,
    queue_per_caller: 256,
    max_wait: Duration::from_secs(10),
};
/// Up to 100 pages and 30 s each, and a page of records in memory: 8 MiB in all.
const LISTINGS: BulkheadLimits = BulkheadLimits {
    places: 8,
    places_per_caller: 2,
    queue: 64,
    queue_per_caller: 16,
    max_wait: Duration::from_secs(10),
};
/// A manifest of 5 MiB at most each: 40 MiB in all, 10 MiB of one account.
const WRITES: BulkheadLimits = BulkheadLimits {
    places: 8,
    places_per_caller: 2,
    queue: 256,
    queue_per_caller: 64,
    max_wait: Duration::from_secs(30),
};
/// A connection to a hold each, and 64 KiB between the two. A client pushes three to eight layers at a time.
const UPLOADS: BulkheadLimits = BulkheadLimits {
    places: 256,
    places_per_caller: 32,
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
    /// Waits for a place for a request of `caller`.
    ///
    /// # Errors
    /// [`Overload`]
    pub(super) async fn enter(&self, cost: Cost, caller: &Caller) -> Result<Place<Caller>, Overload> {
        let bulkhead = match cost {
            Cost::Token => &self.tokens,
            Cost::Read => &self.reads,
            Cost::Listing => &self.listings,
            Cost::Write => &self.writes,
            Cost::Upload => &self.uploads,
        };
        bulkhead.enter(caller).await
    }

    /// Returns the metrics of each bulkhead, by its name there.
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
