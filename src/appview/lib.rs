//! The registry front end of ATCR: the OCI registry that clients talk to. Manifests and tags are records in the owner's
//! own repository, blobs are in a hold; this program has nothing that could not be fetched again.
//!
//! # The map
//! One room a folder. A room may name only the rooms listed for it, all of them above it, so no cycle can form;
//! `tests/architecture.rs` holds the code to this table and the table to the disk. The crate never names the hold's.
//!
//! | room | for | may name |
//! |---|---|---|
//! | `schema` | the schema of the database: the scripts of its versions, all rooms' tables together | – |
//! | `names` | what stands in a path: the owner, the repository, a tag or a digest | – |
//! | `config` | layers of configuration, checked | names |
//! | `remote` | calls to PDSes, authorization servers and holds: one client, one kind of error | – |
//! | `oauth` | the client side of OAuth at accounts' authorization servers | remote |
//! | `accounts` | who owns an image, who signs in, sessions at their PDSes (with its tables) | names, remote, oauth |
//! | `index` | what can be searched for: what records say of repositories (with its tables) | – |
//! | `gate` | scopes, registry tokens, permits | names, accounts |
//! | `repos` | manifests and tags as records in their owners' repositories | remote, accounts, index |
//! | `holds` | which hold, and the calls to it | remote, accounts, repos |
//! | `catalog` | what repositories and images there are, for people (with its tables) | accounts, index, repos, holds |
//! | `follow` | keeps the index up: asks holds and accounts, follows the network's events | names, accounts, index, repos, holds |
//! | `uploads` | blobs on their way to a hold (with its tables) | accounts, holds |
//! | `webhooks` | whom owners want told of pushes, and telling them (with its tables) | – |
//! | `images` | manifests in and out, where blobs are, what holds are told (with its tables) | accounts, names, gate, repos, holds, catalog, webhooks |
//! | `devices` | devices that act for accounts (with its tables) | – |
//! | `web` | what people see in a browser, and the endpoints of sign-in and devices (with its tables) | names, remote, oauth, accounts, index, gate, repos, holds, catalog, uploads, webhooks, images, devices |
//! | `oci` | the registry's HTTP API and its token endpoint | names, remote, accounts, index, gate, repos, holds, catalog, follow, uploads, webhooks, images, devices, web |
//! | `operations` | what an operator may do, and the table of it | images, devices, web, oci |
//! | `app` | wiring | all |
//! | `cli` | the command line | all |
//!
//! # A client on its way in
//! `GET /v2/` without a token is answered 401 with a challenge, which names `GET /auth/token`. There `accounts::Sessions`
//! finds or makes the one session at the account's PDS that its app password stands for, `gate::Tokens` signs a token
//! with what of the scopes the account may have, and every later request shows that token: `gate::Tokens::verify` makes
//! the permit that a handler takes.
//!
//! # A person on the way in
//! `web` shows a page that asks for a handle; `accounts::SignIns::begin` finds the account's authorization server, tells it
//! of the sign-in by `oauth::Client::push`, and sends the browser there. When the browser comes back, `SignIns::end` gets
//! the tokens, and the account has its one session by OAuth. A device that the person lets in then signs in by a secret of its
//! own: the token endpoint finds it in `devices`, and the session by its account.
//!
//! # A blob on its way to the hold
//! `POST …/blobs/uploads/` asks the owner's hold for an upload and gives the client a name of its own. `uploads::Uploads::append`
//! passes a body on in parts of 16 MiB as it comes, or by a file where it has no length, hashes it on the way, and writes
//! down after each part how far it is. Only with the right digest does `finish` have the hold make the parts a blob.
//!
//! # A manifest on its way to its owner
//! `images::Images::push` looks for its blobs at the hold, writes down that the hold is to be told, and puts bytes, record
//! and tag into the owner's repository. The hold is told while the client waits, or later by `deliver_due`. Before the push
//! is acknowledged `webhooks::Webhooks::pushed` queues what its owner wants others told; `keep_delivering` tells them.
//!
//! # A page on its way to a person
//! `web::site` finds the account of a path, and leads to the one address that its page has. `catalog` says what there is, by the
//! account's own records, and remembers it for some seconds; `catalog::Catalog::proof` has the record of a manifest proven. What
//! does not come in time is said in its place.
//!
//! # A repository on its way into a search
//! What `repos` writes for an account passes through `index::Index::written`, which keeps of each record what it says of a
//! repository. `follow` asks its hold whether it is public, and its owner's domain about the handle; then `/search` shows it.
//!
//! # A command on its way
//! `atcr-appview queue list` loads the configuration, and `cli::target` finds the registry: a daemon that listens at its
//! admin socket (`operations::ROUTES` is the table), else `app::open` under the database's lock. Either way
//! `operations::QueueList::run` answers.
#![forbid(unsafe_code)]

pub mod accounts;
pub mod app;
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
