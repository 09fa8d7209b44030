//! What the index does not learn from records: whether holds are public, and which handles accounts have.

mod asking;

use std::sync::Arc;

use crate::accounts::Owners;
use crate::holds::Holds;
use crate::index::Index;

/// Keeps the index up.
pub struct Follow {
    index: Arc<Index>,
    owners: Arc<Owners>,
    holds: Arc<Holds>,
}

impl Follow {
    /// By these means.
    #[must_use]
    pub fn new(index: Arc<Index>, owners: Arc<Owners>, holds: Arc<Holds>) -> Self {
        Self { index, owners, holds }
    }
}
