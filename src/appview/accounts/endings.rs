//! Sessions that end whatever is done with them: those of a client on one's own machine. People are told before.

use std::time::Duration;

use tokio::time::Instant;

use super::error::AccountsError;
use super::sessions::{Login, Sessions, login};
use crate::accounts::tables;
use atproto::syntax::Did;

/// A PDS ends a session of a client on one's own machine after two weeks.
const LOCAL_SESSION_FOR_US: u64 = 14 * 24 * 60 * 60 * 1_000_000;
/// Who has so long left is told.
pub const ENDS_SOON_US: u64 = 3 * 24 * 60 * 60 * 1_000_000;
/// How long what the database says of a session's end is believed: each manifest's answer says it.
const BELIEVED_FOR: Duration = Duration::from_secs(60);

impl Sessions {
    /// When a session ends that ends soon whatever is done with it: that of a client on one's own machine. Microseconds since
    /// 1970.
    ///
    /// # Errors
    /// [`AccountsError::Storage`]
    pub async fn ends_soon(&self, login: &Login) -> Result<Option<u64>, AccountsError> {
        if !self.oauth.registration().is_local() {
            return Ok(None);
        }
        let id = login.session;
        let known = self.endings.get(&id).filter(|(_, at)| at.elapsed() < BELIEVED_FOR);
        let ends_us = match known {
            Some((ends_us, _)) => ends_us,
            None => {
                let row = self.database.read(move |read| tables::by_id(read, id)).await?;
                let ends_us = row.and_then(|row| row.begun_us).map(|begun_us| begun_us + LOCAL_SESSION_FOR_US);
                self.endings.insert(id, (ends_us, Instant::now()));
                ends_us
            }
        };
        let soon_us = (self.settings.clock)() + ENDS_SOON_US;
        Ok(ends_us.filter(|ends_us| *ends_us < soon_us))
    }

    /// The same of the account's session by OAuth.
    ///
    /// # Errors
    /// As [`Sessions::ends_soon`].
    pub async fn oauth_ends_soon(&self, account: &Did) -> Result<Option<u64>, AccountsError> {
        if !self.oauth.registration().is_local() {
            return Ok(None);
        }
        let did = account.clone();
        match self.database.read(move |read| tables::by_oauth(read, &did)).await? {
            Some(row) => self.ends_soon(&login(&row)).await,
            None => Ok(None),
        }
    }
}
