//! The pure core of the embedded PDS: content identifiers, DAG-CBOR, the Merkle search tree, commits, CAR files and
//! signatures.
//!
//! No I/O, no async, no clock, no randomness: blocks come through [`mst::Blocks`], keys and revisions as arguments.
//! Input may be hostile: every decoder is strict (it accepts only bytes that the encoder would write), limited in
//! depth, and returns an error, never panics.
//! Specifications: <https://atproto.com/specs/repository>, <https://atproto.com/specs/data-model>,
//! <https://atproto.com/specs/cryptography>.

mod blob_ref;
pub mod car;
pub mod cbor;
pub mod cid;
pub mod commit;
mod error;
pub mod event;
pub mod mst;
pub mod proof;
pub mod record;

pub use blob_ref::BlobRef;
pub use error::RepoError;
pub use ipld_core::cid::Cid;
