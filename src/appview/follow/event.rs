//! An event of a source, whichever it is.

use crate::index::Change;

server::label! {
    /// The kind of an event.
    pub enum EventKind {
        /// Records were written or deleted.
        Commit = "commit",
        /// The handle of an account may have changed.
        Identity = "identity",
        /// The account became active or inactive.
        Account = "account",
        /// No event that is known here.
        Unknown = "unknown",
    }
}

/// The content of one message.
pub(super) struct SourceEvent {
    pub(super) kind: EventKind,
    /// Cursor of the source after this event.
    pub(super) cursor: Option<u64>,
    /// Time of the event, microseconds since 1970.
    pub(super) at_us: Option<u64>,
    pub(super) changes: Vec<Change>,
    /// Number of records that do not match their lexicon.
    pub(super) refused: u64,
}
