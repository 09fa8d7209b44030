//! What any daemon of this project needs, and nothing of what one of them is for.
//!
//! | room | for | may name |
//! |---|---|---|
//! | `metrics` | counters, and the text that shows them | – |
//! | `text` | text that others wrote, made readable for people | – |
//! | `bulkhead` | so many at once, a bounded queue, a fair turn for everybody who waits; locks by name | metrics |
//! | `storage` | why storage fails, how often it did, how full a disk is, a hash that can be put aside | metrics |
//! | `sqlite` | the database engine: open, lock, migrate, one writer, readers, backup; the schema is handed in | metrics, storage |
//! | `daemon` | sockets, accepting and draining, signals, the service manager, the log | metrics |
//! | `wire` | HTTP/1.1 connections with their guards, WebSocket handshakes, ranges, rate limits; no error format | daemon |
//! | `xrpc` | query, JSON, error envelope, CORS, request id, log line, request metrics, the public sockets | metrics, bulkhead, daemon, wire |
//! | `settings` | layers of configuration, environment names, secrets, errors that name option, origin and remedy | daemon |
//! | `reload` | the configuration read again at each SIGHUP | daemon, settings |
//! | `key_file` | the signing key on disk | – |
//! | `egress` | the one way out: HTTP client, TLS roots, look-ups of names and their guard, limits | – |
//! | `control` | the admin socket: operations of any program over HTTP on a socket file, and its client; the sockets for metrics | metrics, storage, daemon, wire, egress |
//! | `console` | what a command line needs: output, tables, progress, errors, the manual, units, backups; where a command runs | storage, sqlite, daemon, settings, control |
//! | `identity` | other accounts' keys, handles and sessions | metrics, bulkhead, egress |
//! | `watchdog` | signs of life to the service manager, by how the database is | daemon, sqlite |
//! | `tokens` | service tokens, DPoP proofs: parsed and proven; what OAuth clients show, made | metrics, bulkhead, identity |
//!
//! Every room may name the crate `atproto`.
#![forbid(unsafe_code)]

pub mod bulkhead;
pub mod console;
pub mod control;
pub mod daemon;
pub mod egress;
pub mod identity;
pub mod key_file;
pub mod metrics;
pub mod reload;
pub mod settings;
pub mod sqlite;
pub mod storage;
pub mod text;
pub mod tokens;
pub mod watchdog;
pub mod wire;
pub mod xrpc;
