//! The result of a commit.

use atproto::repo::Cid;
use atproto::syntax::Tid;

/// The result of a commit.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// CID and revision of the new commit; `None` when nothing changed.
    pub commit: Option<(Cid, Tid)>,
    /// CID of each planned record, in the plan's order; `None` for a deletion.
    pub cids: Vec<Option<Cid>>,
}
