//! The AT Protocol: identifiers, records, keys, and the signed repository.
//!
//! Pure: no I/O, no async, no clock, no randomness: these come in as arguments.
//!
//! | room | for | may name |
//! |---|---|---|
//! | `syntax` | identifiers as types: DID, NSID, record key, TID, AT URI, digest, image name, service URL | – |
//! | `lexicon` | names, records and methods of the protocol | syntax |
//! | `keys` | signing and public keys, did:key, Multikey | – |
//! | `repo` | CID, DAG-CBOR, Merkle search tree, commit, CAR | syntax, keys |
#![forbid(unsafe_code)]

pub mod keys;
pub mod lexicon;
pub mod repo;
pub mod syntax;
