//! Sessions with a fixed end, whatever use they get: those of an OAuth client on a local address. People are warned
//! before.

use super::error::AccountsError;
use super::sessions::{Login, Sessions};
use crate::accounts::tables::{self, SessionRow};
use atproto::syntax::Did;

/// Life of a session of a local OAuth client at a PDS: two weeks.
const LOCAL_SESSION_FOR_US: u64 = 14 * 24 * 60 * 60 * 1_000_000;
/// Time before the end of a session from which people are warned, in microseconds.
pub const ENDS_SOON_US: u64 = 3 * 24 * 60 * 60 * 1_000_000;

impl Sessions {
    /// Whether sessions have a fixed end: true if this registry is a local OAuth client.
    #[must_use]
    pub fn are_ending(&self) -> bool {
        self.oauth.registration().is_local()
    }

    /// Returns the end of a session, in microseconds since 1970, if it is fixed and nearer than [`ENDS_SOON_US`].
    ///
    /// # Errors
    /// [`AccountsError::Storage`]
    pub async fn ends_soon(&self, login: &Login) -> Result<Option<u64>, AccountsError> {
        if !self.are_ending() {
            return Ok(None);
        }
        let id = login.session;
        let ends_us = match self.endings.get(&id) {
            Some(ends_us) => ends_us,
            None => {
                let ends_us = self.database.read(move |read| tables::by_id(read, id)).await?.as_ref().and_then(end_of);
                self.endings.insert(id, ends_us);
                ends_us
            }
        };
        Ok(self.if_soon(ends_us))
    }

    /// Like [`Sessions::ends_soon`], for the account's session by OAuth.
    ///
    /// # Errors
    /// As [`Sessions::ends_soon`].
    pub async fn oauth_ends_soon(&self, account: &Did) -> Result<Option<u64>, AccountsError> {
        if !self.are_ending() {
            return Ok(None);
        }
        let did = account.clone();
        let row = self.database.read(move |read| tables::by_oauth(read, &did)).await?;
        Ok(self.if_soon(row.as_ref().and_then(end_of)))
    }

    fn if_soon(&self, ends_us: Option<u64>) -> Option<u64> {
        let soon_us = (self.settings.clock)() + ENDS_SOON_US;
        ends_us.filter(|ends_us| *ends_us < soon_us)
    }
}

/// Returns the end of a session of a local OAuth client, in microseconds since 1970.
fn end_of(row: &SessionRow) -> Option<u64> {
    row.begun_us.map(|begun_us| begun_us + LOCAL_SESSION_FOR_US)
}
