//! OAuth client of the authorization servers of accounts' PDSes: its registration, discovery of servers, and the calls
//! that begin a sign-in and issue tokens. It stores no session. <https://atproto.com/specs/oauth>
//!
//! No crate is used for it: jacquard-oauth 0.12 and atproto-oauth 0.14 bring reqwest and ring, a second HTTP client and
//! a second crypto provider, which would bypass our address guard; atrium-oauth 0.2 takes any HTTP client, but brings
//! an older generation of all elliptic curve crates, makes assertions with `iat` of now, which a server whose clock is
//! behind refuses, compares no granted scopes, and keeps one session an account only; oauth2 5.0 supports neither DPoP
//! nor pushed authorization requests. The rest is small beside keys, DPoP proofs and the HTTP client, which we have.

mod client;
mod discovery;
mod error;
mod registration;
mod scopes;

pub use client::{AuthorizationCode, AuthorizationRequest, Client, NewTokens};
pub use discovery::AuthorizationServer;
pub use error::OauthError;
pub use registration::{CALLBACK_PATH, KEYS_PATH, METADATA_PATH, Registration};
