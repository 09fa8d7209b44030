//! What every handler may use.

use crate::accounts::{Owners, Sessions};
use crate::gate::Tokens;
use crate::names::Owner;
use server::sqlite::Database;
use server::xrpc::Front;

/// The rooms of a front end that requests need.
pub struct OciState {
    /// What every request passes first.
    pub front: Front,
    /// Base URL of the registry.
    pub base_url: String,
    /// Host and port: the service that tokens are for.
    pub service: String,
    /// Who may push; empty: whoever their hold lets.
    pub allowed_accounts: Vec<Owner>,
    /// Makes and verifies tokens.
    pub tokens: Tokens,
    /// Finds accounts.
    pub owners: Owners,
    /// Sessions at their PDSes.
    pub sessions: Sessions,
    /// Answers whether all is well.
    pub database: Database,
    /// Microseconds since 1970.
    pub clock: fn() -> u64,
}

impl OciState {
    /// Now, in seconds since 1970.
    #[must_use]
    pub fn now_s(&self) -> u64 {
        (self.clock)() / 1_000_000
    }
}
