//! The registry front end of ATCR: the OCI registry that clients talk to. Manifests and tags are records in the owner's
//! own repository, blobs are in a hold; the database here has sessions, devices, webhooks, uploads under way, queues
//! and the search index, but no images.
//!
//! # The map
//! Each room is a folder. A room may name only the rooms listed for it, all of them above it, so no cycle can form;
//! `tests/architecture.rs` checks the code against this table, and the table against the folders. The crate never names
//! the hold's.
//!
//! | room | for | may name |
//! |---|---|---|
//! | `schema` | the schema of the database: a script for each version, with the tables of all rooms | – |
//! | `names` | the parts of a path: owner, repository, tag or digest | – |
//! | `config` | the configuration: layers, checks | names |
//! | `cache` | caches of what other servers answered | – |
//! | `remote` | calls to PDSes, authorization servers and holds: one client, one error type | – |
//! | `oauth` | the OAuth client of accounts' authorization servers | cache, remote |
//! | `accounts` | owners of images, sign-ins, sessions at PDSes (with its tables) | names, cache, remote, oauth |
//! | `index` | the search index: repositories by their records (with its tables) | – |
//! | `gate` | scopes, registry tokens, permits | names, accounts |
//! | `repos` | manifests and tags as records in their owners' repositories | cache, remote, accounts, index |
//! | `holds` | the choice of a hold, and calls to it | cache, remote, accounts, repos |
//! | `catalog` | the repositories and images of accounts, for people (with its tables) | cache, accounts, index, repos, holds |
//! | `follow` | updates of the index: look-ups at holds and accounts, events of the network | names, accounts, index, repos, holds |
//! | `uploads` | uploads of blobs to a hold (with its tables) | accounts, holds |
//! | `webhooks` | webhooks for pushes, and their deliveries (with its tables) | – |
//! | `images` | push and pull of manifests, the holds of blobs, notices to holds (with its tables) | cache, accounts, names, gate, repos, holds, catalog, webhooks |
//! | `devices` | devices that act for accounts (with its tables) | – |
//! | `web` | the pages, and the endpoints of sign-in and devices (with its tables) | names, cache, remote, oauth, accounts, index, gate, repos, holds, catalog, uploads, webhooks, images, devices |
//! | `oci` | the registry's HTTP API and its token endpoint | names, remote, accounts, index, gate, repos, holds, catalog, follow, uploads, webhooks, images, devices, web |
//! | `operations` | the operator's commands, and their table | images, devices, web, oci |
//! | `app` | wiring | all |
//! | `cli` | the command line | all |
//!
//! # A client signs in
//! `GET /v2/` without a token is answered 401 with a challenge, which names `GET /auth/token`. There
//! `accounts::Sessions` finds or makes the one session at the account's PDS for its app password, `gate::Tokens` signs
//! a token with those of the requested scopes that the account may have, and every later request shows that token:
//! `gate::Tokens::verify` returns the grant from which the permit of a handler is made.
//!
//! # A person signs in
//! `web` shows a page that asks for a handle; `accounts::SignIns::begin` finds the account's authorization server,
//! sends it a pushed authorization request by `oauth::Client::push`, and redirects the browser there. When the browser
//! comes back, `SignIns::end` gets the tokens, and the account has its one session by OAuth. A device that the person
//! approves then signs in by a secret of its own: the token endpoint finds it in `devices`, and the session by its
//! account.
//!
//! # A client pushes an image
//! Each request comes to `OciState::respond` in `oci::dispatch`, which parses its `Route`. `answer_v2` has the token
//! checked, makes the permit (`push_permit`), waits for a slot among such requests (`enter`), and calls the handler.
//!
//! First the layers: `POST …/blobs/uploads/` (`oci::blobs::begin`) finds the owner's hold by `holds::Holds::of_account`,
//! starts an upload there, and gives the client an id of its own. `PATCH` and `PUT` (`oci::blobs::upload`) lock the
//! upload. `uploads::Uploads::append` sends a body to the hold in parts of 16 MiB as it comes, or through a file if it
//! has no length and the hold needs one, hashes it on the way, and stores its progress after each part: `Holds::send_part`
//! asks the hold for the URL of a part and sends it there. Only with the right digest does `finish` have the hold make a
//! blob of the parts, by `Holds::complete`.
//!
//! Then the manifest: `PUT …/manifests/REFERENCE` (`oci::manifests::put`) parses it, and `images::Images::push` looks for
//! its blobs at the hold (`check`), takes the locks of the records, queues a notice to the hold (`enqueue`), and writes
//! bytes, record and tag into the owner's repository (`write_records`). The hold is notified while the client waits
//! (`deliver`), or later by `deliver_due`. Before the push is acknowledged `webhooks::Webhooks::pushed` queues the events
//! for the owner's webhooks; `keep_delivering` sends them.
//!
//! # A browser gets a page
//! `web::site` finds the account of a path, and redirects to the one URL of its page. `catalog` reads the account's own
//! records, and caches them for some seconds; `catalog::Catalog::proof` verifies the record of a manifest. The page
//! says so where something does not come in time.
//!
//! # A repository gets into a search
//! The records that `repos` writes for an account pass through `index::Index::written`, which stores their description
//! of a repository. `follow` asks its hold whether it is public, and its owner's domain about the handle; then
//! `/search` shows it.
//!
//! # An operator runs a command
//! `atcr-appview queue list` loads the configuration, and `cli::target` finds the registry: a daemon that listens at
//! its admin socket (`operations::ROUTES` is the table), else `app::open` under the database's lock. Either way
//! `operations::QueueList::run` answers.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod app;
pub mod cache;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod devices;
pub mod follow;
pub mod gate;
pub mod holds;
pub mod images;
pub mod index;
pub mod names;
pub mod oauth;
pub mod oci;
pub mod operations;
pub mod remote;
pub mod repos;
pub mod schema;
pub mod uploads;
pub mod web;
pub mod webhooks;
