//! Bounds on how much the repository keeps, and on how fast accounts make it grow.

use std::sync::PoisonError;

use super::{Inner, Pds};

/// Keys in one node of the tree beside which no account may place another by itself. Keys that nobody chose leave a node
/// with more than a hundred once in 10^12 times. One of so many has some 160 KB, and each commit beside it publishes it
/// anew; a commit of 2,000,000 bytes has room for the three that its proof may need.
pub(super) const MAX_NODE_KEYS: usize = 2048;
/// The same, as the block of a node, in which each key has 54 bytes at least: what many changes at once are held to, since
/// the block is made anyway.
pub(super) const MAX_NODE_BYTES: usize = 54 * MAX_NODE_KEYS;

/// Limits on what the repository keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PdsLimits {
    /// Events of so many bytes are kept, the newest of the window.
    pub event_bytes: u64,
    /// Records that one account may add within an hour; 0 is no bound.
    pub records_per_hour: u64,
    /// Commits that one account may cause within an hour; 0 is no bound.
    pub commits_per_hour: u64,
    /// Bytes of the database's disk of which half are left to the captain.
    pub reserve_bytes: u64,
}

impl Default for PdsLimits {
    fn default() -> Self {
        Self { event_bytes: u64::MAX, records_per_hour: 0, commits_per_hour: 0, reserve_bytes: 0 }
    }
}

server::label! {
    /// A bound that a write would have passed.
    pub enum GrowthBound {
        /// Images of one account.
        Images = "images",
        /// Images of one account in one node of the tree.
        ImagesInNode = "images_in_node",
        /// Keys in one node of the tree.
        Node = "node",
        /// Layer records and manifests of one account.
        Records = "records",
        /// Records of one account within an hour.
        RecordsPerHour = "records_per_hour",
        /// Commits of one account within an hour.
        CommitsPerHour = "commits_per_hour",
        /// The room on the database's disk.
        Disk = "disk",
    }
}

impl GrowthBound {
    /// What it bounds, for people.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Images | Self::ImagesInNode => "images",
            Self::Node | Self::Records | Self::RecordsPerHour | Self::Disk => "records",
            Self::CommitsPerHour => "commits",
        }
    }
}

impl Inner {
    pub(super) fn limits(&self) -> PdsLimits {
        *self.limits.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pds {
    /// Changes the limits.
    pub fn set_limits(&self, limits: PdsLimits) {
        *self.inner.limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// Counts a write that a bound on growth refused.
    pub fn count_refused_growth(&self, bound: GrowthBound) {
        self.inner.refused_growth.inc(bound);
    }

    /// Returns how many writes each limit on growth refused.
    pub fn refused_growth(&self) -> &server::metrics::CounterBy<GrowthBound> {
        &self.inner.refused_growth
    }
}
