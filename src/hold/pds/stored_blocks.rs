//! The blocks of the database, as a source of the tree's nodes.

use crate::pds::tables;
use atproto::repo::{Cid, RepoError, mst};
use server::sqlite::Read;

/// The blocks of the database, as a source of the tree's nodes.
pub(super) struct StoredBlocks<'r>(pub(super) &'r Read<'r>);

impl mst::Blocks for StoredBlocks<'_> {
    fn block(&self, cid: &Cid) -> Result<Option<Vec<u8>>, RepoError> {
        tables::block(self.0, cid).map_err(|e| RepoError::Source(e.into()))
    }
}
