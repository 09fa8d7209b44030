//! A hold for the ATCR container registry.
#![forbid(unsafe_code)]

pub mod app;
pub mod auth;
pub mod blobs;
pub mod config;
pub mod crew;
pub mod daemon;
pub mod http;
pub mod identity;
pub mod lexicon;
pub mod pds;
pub mod repo;
pub mod storage;
pub mod syntax;
