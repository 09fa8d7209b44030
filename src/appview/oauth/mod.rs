//! The client side of OAuth at the authorization servers of accounts' PDSes: who we are to them, how they are found, and
//! the calls that begin a sign-in and make tokens. It keeps no session. <https://atproto.com/specs/oauth>
//!
//! Why this is our own code: of the crates for it, jacquard-oauth 0.12 and atproto-oauth 0.14 bring reqwest and ring, a second
//! HTTP client and a second crypto provider, which would pass our guard over addresses by; atrium-oauth 0.2 takes any
//! HTTP client, but brings an older generation of all elliptic curve crates, makes assertions of now, which a server
//! whose clock is behind refuses, compares no granted scopes, and keeps one session an account only; oauth2 5.0 knows neither
//! DPoP nor pushed requests. What is left is small beside keys, proofs and client, which we have.

mod client;
mod discovery;
mod error;
mod registration;
mod scopes;

pub use client::{Client, NewTokens, Sought};
pub use discovery::AuthorizationServer;
pub use error::OauthError;
pub use registration::{CALLBACK_PATH, KEYS_PATH, METADATA_PATH, Registration};
