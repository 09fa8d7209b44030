//! Sessions of signed-in browsers.

use super::refusal::WebError;
use crate::web::tables as rows;
use atproto::syntax::Did;
use server::sqlite::Database;
use server::storage::StorageError;

/// Life of a browser's session, in seconds.
pub(super) const SIGNED_IN_FOR_S: u64 = 30 * 24 * 60 * 60;

/// The browsers that are signed in; cheap to clone.
#[derive(Clone)]
pub(super) struct BrowserSessions {
    database: Database,
    clock: fn() -> u64,
}

impl BrowserSessions {
    pub(super) fn new(database: Database, clock: fn() -> u64) -> Self {
        Self { database, clock }
    }

    /// Returns the account that is signed in in the browser with this hash of its cookie.
    pub(super) async fn find(&self, cookie: [u8; 32]) -> Result<Option<Did>, WebError> {
        let now_us = (self.clock)();
        Ok(self.database.read(move |read| rows::find(read, &cookie, now_us)).await?)
    }

    /// Returns the time when the browser's session expires, microseconds since 1970.
    pub(super) async fn until(&self, cookie: [u8; 32]) -> Result<Option<u64>, WebError> {
        Ok(self.database.read(move |read| rows::until(read, &cookie)).await?)
    }

    pub(super) async fn begin(&self, cookie: [u8; 32], account: &Did) -> Result<(), WebError> {
        let (created_us, account) = ((self.clock)(), account.clone());
        let expires_us = created_us + SIGNED_IN_FOR_S * 1_000_000;
        let session = rows::BrowserSessionRow { cookie, created_us, expires_us };
        Ok(self.database.write(move |write| rows::begin(write, &account, &session)).await?)
    }

    pub(super) async fn end(&self, cookie: [u8; 32]) -> Result<(), WebError> {
        Ok(self.database.write(move |write| rows::end(write, &cookie)).await?)
    }

    /// Returns the browsers in which an account is signed in, the newest first.
    pub(super) async fn of_account(&self, account: &Did) -> Result<Vec<rows::BrowserSessionRow>, StorageError> {
        let (account, now_us) = (account.clone(), (self.clock)());
        self.database.read(move |read| rows::of_account(read, &account, now_us)).await
    }

    /// Signs out a browser that is signed in as this account.
    pub(super) async fn end_of(&self, cookie: [u8; 32], account: &Did) -> Result<(), WebError> {
        let account = account.clone();
        Ok(self.database.write(move |write| rows::end_of(write, &cookie, &account)).await?)
    }

    /// Returns the number of browsers in which each account is signed in.
    pub(super) async fn by_account(&self) -> Result<Vec<(Did, u64)>, StorageError> {
        let now_us = (self.clock)();
        self.database.read(move |read| rows::by_account(read, now_us)).await
    }

    /// Signs an account out in all browsers.
    pub(super) async fn forget(&self, account: &Did) -> Result<(), StorageError> {
        let account = account.clone();
        self.database.write(move |write| rows::forget(write, &account)).await
    }

    pub(super) async fn sweep(&self) -> Result<(), StorageError> {
        let now_us = (self.clock)();
        self.database.write(move |write| rows::sweep(write, now_us)).await
    }
}
