//! A hold for the ATCR container registry: it stores image blobs, and is an account of the AT Protocol itself.
//!
//! # The map
//! One room a folder. A room may name only the rooms listed for it, all of them above it, so no cycle can form;
//! `tests/architecture.rs` holds the code to this table and the table to the disk.
//!
//! | room | for | may name |
//! |---|---|---|
//! | `schema` | the schema of the database: the scripts of its versions, all rooms' tables together | – |
//! | `objects` | the blob store: files or a bucket | – |
//! | `config` | layers of configuration, checked | objects |
//! | `pds` | records and their blobs, commits, events, exports | – |
//! | `did_document` | our own DID document | – |
//! | `relays` | asks relays to crawl the hold | – |
//! | `crew` | captain, members, permissions, profile, the declared against the recorded | pds |
//! | `blobs` | image blobs: uploads, proofs of digest, reads, sweep | objects |
//! | `images` | what is recorded of images: layers, statistics, quotas, what is known of an account | pds, blobs, crew |
//! | `upkeep` | looks after the blobs: verify, repair, usage, garbage, migration | objects, blobs, images |
//! | `gate` | permits, signed URLs | crew |
//! | `hold` | `Hold`, one opened hold: its rooms and its clock | pds, crew, blobs, images, upkeep |
//! | `api` | the endpoint table, a handler a method, the page | pds, crew, blobs, images, gate, hold |
//! | `operations` | what an operator may do, and the table of it | objects, pds, crew, blobs, images, upkeep, hold |
//! | `app` | wiring | all |
//! | `cli` | the command line: what is asked, where it runs, how it is shown | all |
//!
//! Outside crates have one address each, which `tests/architecture.rs` checks too.
//!
//! # A part on its way in
//! `server::daemon::serve` accepts a socket and hands it to `server::wire`, which checks the head of each request before
//! hyper sees it. `server::xrpc::answer` gives it an id and later its log line; `api::dispatch` finds the row of the endpoint
//! table; it says that a part needs a signed URL or a
//! token of crew that may write, so `gate::Gate` makes a `WritePermit`, or a refusal. `upload_part::handle` passes the
//! body on to `blobs::Blobs::upload_part`, which hashes and appends it as it arrives, and answers an ETag once the bytes
//! and the part's row are on disk. `completeUpload` compares the digest, renames the file, and makes the blob a row.
//! With a bucket, `getPartUploadUrl` may have sent the client to the store; `blobs::bucket` then reads the assembled object
//! back to find its digest. Parts that came through the hold were hashed on their way, and are not read again. In both
//! cases that very object is copied to the blob's key.
//!
//! # A crew member on the way in
//! `createRecord` reaches `crew::Crew::apply` the same way, with an `AdminPermit`. It checks the record against its
//! lexicon and plans a change; `pds::Pds::commit` runs the plan in one transaction: tree, signature, blocks, head and
//! event together. From the next request on, `gate::Gate` reads the new record.
//!
//! # A push on its way into the books
//! `notifyManifest` has what the registry says of a manifest; `images::Push::of` checks it, and `images::Images::push`
//! opens one transaction with `pds::Pds::transact`: are all blobs here, and has the account room? Then it makes one commit
//! of a layer record each and the statistics, and changes the index that quotas and garbage collection ask.
//!
//! # A blob on its way out
//! `upkeep::Upkeep::collect` asks that index, blob after blob, who names it. What nobody names, and nobody uploaded or
//! asked for during the grace, is judged again in the transaction that drops its row, under the digest's lock that
//! completion takes. The object goes after its row, and `upkeep::removal` finishes what was cut off.
//!
//! # A command on its way
//! `atcr-hold crew add` loads the configuration, and `cli::target` finds the hold: a daemon that listens at its admin
//! socket (`operations::ROUTES` is the table), else `app::open` under the database's lock. Either way `operations::CrewAdd::run`
//! makes one commit through `crew::Crew::add_member`; `cli::crew` prints what came of it.
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
