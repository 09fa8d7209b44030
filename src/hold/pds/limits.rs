//! Limits of the stored events, of the growth by accounts, and of the disk.

use super::{Inner, Pds};

/// Limit of the keys in one node of the tree, above which accounts cannot add one beside them. Keys that nobody chose
/// leave a node with more than a hundred once in 10^12 times. A node of so many has some 160 KB, and each commit beside
/// it publishes it again; a commit of 2,000,000 bytes has room for the three that its proof may need.
pub(super) const MAX_NODE_KEYS: usize = 2048;
/// The same limit as the size of a node's block, in which each key has at least 54 bytes. It is checked for commits of
/// several changes, since their blocks are made anyway.
pub(super) const MAX_NODE_BYTES: usize = 54 * MAX_NODE_KEYS;

/// Limits of the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PdsLimits {
    /// Limit of the bytes of all events that are kept.
    pub event_bytes: u64,
    /// Records that one account may add within an hour; 0 means no limit.
    pub records_per_hour: u64,
    /// Commits that one account may cause within an hour; 0 means no limit.
    pub commits_per_hour: u64,
    /// Reserve of the database's disk in bytes; half of it is left to the captain.
    pub reserve_bytes: u64,
}

impl Default for PdsLimits {
    fn default() -> Self {
        Self { event_bytes: u64::MAX, records_per_hour: 0, commits_per_hour: 0, reserve_bytes: 0 }
    }
}

server::label! {
    /// A limit of growth that refused a write.
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
        /// Free space on the database's disk.
        Disk = "disk",
    }
}

impl GrowthBound {
    /// Returns the noun of what is limited, for messages.
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
        *self.limits.read()
    }
}

impl Pds {
    /// Replaces the limits.
    pub fn set_limits(&self, limits: PdsLimits) {
        *self.inner.limits.write() = limits;
    }

    /// Counts a write that a limit of growth refused.
    pub fn count_refused_growth(&self, bound: GrowthBound) {
        self.inner.refused_growth.inc(bound);
    }

    /// Returns the number of writes that each limit of growth refused.
    pub fn refused_growth(&self) -> &server::metrics::CounterBy<GrowthBound> {
        &self.inner.refused_growth
    }
}
