//! The parts that all daemons of this project share, without the purpose of any.
//!
//! | room | for | may name |
//! |---|---|---|
//! | `metrics` | counters, and their text format for Prometheus | – |
//! | `json` | untrusted JSON, parsed within a limit of memory | – |
//! | `nonpoison` | locks that a panic does not poison | – |
//! | `text` | untrusted text, cleaned and shortened for display | – |
//! | `bulkhead` | a limit of concurrent requests, a bounded queue, round robin among waiting callers; locks by name | metrics, nonpoison |
//! | `storage` | storage errors and their counters, disk space and its reservation, owners of files, a hash whose state can be saved | metrics, nonpoison |
//! | `sqlite` | the database engine: open, lock, migrate, one writer, readers, backup; the schema is handed in | metrics, nonpoison, storage |
//! | `daemon` | sockets, accepting and draining, signals, the service manager, the log | metrics, nonpoison |
//! | `wire` | HTTP/1.1 connections with their guards, WebSocket handshakes, ranges, rate limits; no error format | nonpoison, daemon |
//! | `xrpc` | query, JSON, error envelope, CORS, request id, log line, request metrics, the public sockets | metrics, json, bulkhead, daemon, wire |
//! | `settings` | layers of configuration, environment names, secrets, errors that name option, origin and remedy | daemon |
//! | `reload` | reloads of the configuration at SIGHUP | daemon, settings |
//! | `key_file` | the signing key on disk | storage |
//! | `egress` | the one way out: HTTP client, TLS roots, DNS look-ups and the SSRF guard, limits | nonpoison |
//! | `control` | the admin socket: operations of any program over HTTP on a socket file, and its client; the sockets for metrics | metrics, storage, daemon, wire, egress |
//! | `console` | the parts of a command line: output, tables, progress, errors, the manual, units, backups; where a command runs | storage, sqlite, daemon, settings, control |
//! | `identity` | other accounts' keys, handles and sessions | metrics, json, nonpoison, bulkhead, egress |
//! | `watchdog` | watchdog pings to the service manager, by the health of the database | daemon, sqlite |
//! | `tokens` | service tokens and DPoP proofs: parsed and verified; the proofs and assertions of OAuth clients, made | metrics, bulkhead, identity |
//!
//! Every room may name the crate `atproto`.
#![forbid(unsafe_code)]

pub mod bulkhead;
pub mod console;
pub mod control;
pub mod daemon;
pub mod egress;
pub mod identity;
pub mod json;
pub mod key_file;
pub mod metrics;
pub mod nonpoison;
pub mod reload;
pub mod settings;
pub mod sqlite;
pub mod storage;
pub mod text;
pub mod tokens;
pub mod watchdog;
pub mod wire;
pub mod xrpc;
