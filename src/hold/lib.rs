//! A hold of the ATCR container registry: it stores image blobs, and is itself an account of the AT Protocol.
//!
//! # The map
//! Each room is a folder. A room may name only the rooms listed for it, all of them above it, so no cycle can form;
//! `tests/architecture.rs` checks the code against this table, and the table against the folders.
//!
//! | room | for | may name |
//! |---|---|---|
//! | `schema` | the schema of the database: a script for each version, with the tables of all rooms | – |
//! | `objects` | the blob store: files or a bucket | – |
//! | `config` | the configuration: layers, checks | objects |
//! | `pds` | records and their blobs, commits, events, exports | – |
//! | `did_document` | the hold's DID document | – |
//! | `relays` | requests to relays to crawl the hold | – |
//! | `crew` | captain, members, permissions, profile, reconciliation with the configuration | pds |
//! | `blobs` | image blobs: uploads, verification of digests, reads, sweep | objects |
//! | `images` | the records of images: layers, statistics, quotas, export and deletion of an account's records | pds, blobs, crew |
//! | `upkeep` | maintenance of the blobs: verification, repair, usage, garbage collection, migration | objects, blobs, images |
//! | `gate` | permits, signed URLs | crew |
//! | `hold` | `Hold`, one opened hold: its rooms, its lock and its clock | objects, pds, crew, blobs, images, upkeep |
//! | `api` | the endpoint table, a handler for each method, the page | pds, crew, blobs, images, gate, hold |
//! | `operations` | the operator's commands, and their table | objects, did_document, pds, crew, blobs, images, upkeep, hold |
//! | `app` | wiring | all |
//! | `cli` | the command line: arguments, the place of execution, output | all |
//!
//! Many outside crates may be named in certain folders only, which `tests/architecture.rs` checks too.
//!
//! # A client uploads a part
//! `server::daemon::serve` accepts a socket and passes it to `server::wire`, which checks the head of each request
//! before hyper sees it. `server::xrpc::answer` gives the request an id and later its log line; `api::dispatch` finds
//! the row of the endpoint table; a part needs a signed URL or a token of a crew member that may write, so `gate::Gate`
//! makes a `WritePermit`, or a refusal. `upload_part::handle` passes the body to `blobs::Blobs::upload_part`, which
//! hashes and appends it as it arrives, and returns an ETag once the bytes and the part's row are on disk.
//! `completeUpload` compares the digest, renames the file, and adds the blob's row. With a bucket, `getPartUploadUrl`
//! may have given the client a presigned URL of the store; `blobs::bucket` then reads the assembled object back to
//! compute its digest. Parts that pass through the hold are hashed as they arrive, and are not read again. In both
//! cases that very object is copied to the blob's key.
//!
//! # The captain adds a member
//! `createRecord` reaches `crew::Crew::apply` the same way, with an `AdminPermit`. It checks the record against its
//! lexicon and plans a change; `pds::Pds::commit` executes the plan in one transaction: tree, signature, blocks, head
//! and event together. From the next request on, `gate::Gate` reads the new record.
//!
//! # A push is recorded
//! `notifyManifest` has the registry's description of a manifest; `images::Push::of` checks it, and
//! `images::Images::push` opens one transaction with `pds::Pds::transact`: are all blobs here, and is the account
//! within its quota? Then it commits a record for each layer and the statistics, and updates the index for quotas and
//! garbage collection.
//!
//! # Garbage is collected
//! `upkeep::Upkeep::collect` looks up each blob in that index. A blob that no layer record and no manifest's config
//! names, and that was not uploaded or requested during the grace period, is judged again in the transaction that
//! deletes its row, under the digest's lock, which completion takes too. The object is deleted after its row, and
//! `upkeep::removal` finishes an interrupted removal.
//!
//! # An operator runs a command
//! `atcr-hold crew add` loads the configuration, and `cli::target` finds the hold: a daemon that listens at its admin
//! socket (`operations::ROUTES` is the table), else `app::open` under the database's lock. Either way
//! `operations::CrewAdd::run` makes one commit through `crew::Crew::add_member`; `cli::crew` prints the result.
#![forbid(unsafe_code)]

pub mod api;
pub mod app;
pub mod blobs;
pub mod cli;
pub mod config;
pub mod crew;
pub mod did_document;
pub mod gate;
pub mod hold;
pub mod images;
pub mod objects;
pub mod operations;
pub mod pds;
pub mod relays;
pub mod schema;
pub mod upkeep;
