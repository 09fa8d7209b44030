//! A hold for the ATCR container registry: it stores image blobs, and is an account of the AT Protocol itself.
//!
//! # The map
//! One room a folder. A room may name only the rooms listed for it, all of them above it, so no cycle can form;
//! `tests/architecture.rs` holds the code to this table and the table to the disk.
//!
//! | room | for | may name |
//! |---|---|---|
//! | `metrics` | counters, and the text that shows them | – |
//! | `syntax` | identifiers as types: DID, NSID, record key, TID, AT URI, digest, … | – |
//! | `lexicon` | names, records and methods of the wire | syntax |
//! | `repo` | CID, DAG-CBOR, Merkle search tree, commit, CAR, signing: pure | syntax |
//! | `config` | layers of configuration, checked | syntax, lexicon |
//! | `storage` | SQLite, the blob store (files or a bucket), the key file | metrics, syntax, repo |
//! | `identity` | our DID document; other accounts' keys and sessions | metrics, syntax, repo |
//! | `pds` | records and their blobs, commits, events, exports | syntax, lexicon, repo, storage |
//! | `crew` | captain, members, permissions, profile, the declared against the recorded | syntax, lexicon, repo, pds |
//! | `blobs` | image blobs: uploads, proofs of digest, reads, sweep | metrics, syntax, storage |
//! | `registry` | what is recorded of images: layers, statistics, quotas, what is known of an account | syntax, lexicon, repo, storage, pds, crew, blobs |
//! | `upkeep` | looks after the blobs: verify, repair, usage, garbage, migration | metrics, syntax, storage, blobs, registry |
//! | `auth` | tokens, signed URLs, permits | metrics, syntax, lexicon, repo, identity, crew |
//! | `crawl` | asks relays to crawl the hold | syntax, lexicon |
//! | `http` | connections, the endpoint table, a handler a method | metrics, syntax, lexicon, repo, identity, pds, crew, blobs, registry, auth |
//! | `admin` | what an operator may do, and the local socket it goes through | syntax, lexicon, repo, pds, crew, blobs, registry, upkeep, http |
//! | `daemon` | sockets, accepting and draining, signals, the service manager, the log | metrics |
//! | `app` | wiring | all |
//! | `cli` | the command line: what is asked, where it runs, how it is shown | all |
//!
//! Outside crates have one address each: `rusqlite` and `object_store` in storage, `figment` in config, `listenfd`,
//! `sd_notify` and `tracing_journald` in daemon, `k256` and `p256` in repo, `hyper` in http (as a server) and
//! admin (as a client of its socket); `hyper_rustls` in identity, crawl and storage, `quick_xml` in storage, `clap` in
//! cli.
//!
//! # A part on its way in
//! `daemon::serve` accepts a socket and hands it to `http::connection`, which checks the head of each request before
//! hyper sees it. `http::answer` finds the row of the endpoint table; it says that a part needs a signed URL or a
//! token of crew that may write, so `auth::Gate` makes a `WritePermit`, or a refusal. `upload_part::handle` passes the
//! body on to `blobs::Blobs::upload_part`, which hashes and appends it as it arrives, and answers an ETag once the bytes
//! and the part's row are on disk. `completeUpload` compares the digest, renames the file, and makes the blob a row.
//! With a bucket, `getPartUploadUrl` already sent the client to the store; `blobs::bucket` reads the assembled object
//! back to find its digest, and copies that very object to the blob's key.
//!
//! # A crew member on the way in
//! `createRecord` reaches `crew::Crew::apply` the same way, with an `AdminPermit`. It checks the record against its
//! lexicon and plans a change; `pds::Pds::commit` runs the plan in one transaction: tree, signature, blocks, head and
//! event together. From the next request on, `auth::Gate` reads the new record.
//!
//! # A push on its way into the books
//! `notifyManifest` has what the registry says of a manifest; `registry::Push::of` checks it, and `registry::Registry::push`
//! opens one transaction with `pds::Pds::transact`: are all blobs here, and has the account room? Then it makes one commit
//! of a layer record each and the statistics, and changes the index that quotas and garbage collection ask.
//!
//! # A blob on its way out
//! `upkeep::Upkeep::collect` asks that index, blob after blob, who names it. What nobody names, and nobody uploaded or
//! asked for during the grace, is judged again in the transaction that drops its row, under the digest's lock that
//! completion takes. The object goes after its row, and `upkeep::removal` finishes what was cut off.
//!
//! # A command on its way
//! `atcr-hold crew add` loads the configuration, and `cli::reach` finds the hold: a daemon that listens at its admin
//! socket (`admin::server` has the table), else `app::open` under the database's lock. Either way `admin::CrewAdd::run`
//! makes one commit through `crew::Crew::add_member`; `cli::crew` prints what came of it.
#![forbid(unsafe_code)]

pub mod admin;
pub mod app;
pub mod auth;
pub mod blobs;
pub mod cli;
pub mod config;
pub mod crawl;
pub mod crew;
pub mod daemon;
pub mod http;
pub mod identity;
pub mod lexicon;
pub mod metrics;
pub mod pds;
pub mod registry;
pub mod repo;
pub mod storage;
pub mod syntax;
pub mod upkeep;
