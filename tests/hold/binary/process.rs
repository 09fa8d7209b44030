//! One process of the binary, and the accounts that talk to it.

use super::site::token;
use crate::support::hold::Account;
use crate::support::http::blocking::Client;

pub(super) use crate::support::process::{Daemon, PATIENCE, eventually};

impl Daemon {
    pub(super) fn client(&self, account: &Account) -> Client {
        Client { place: self.place.clone(), token: Some(token(account)) }
    }
}
