//! Stars: records in the repositories of the accounts that give them.

use serde_json::json;

use super::Catalog;
use crate::accounts::Login;
use crate::repos::{ReposError, SWAPS};
use atproto::lexicon::Star;
use atproto::lexicon::nsid;
use atproto::syntax::{Datetime, Did, ImageName, RecordKey};
use server::identity::Account;

impl Catalog {
    /// Gives a repository a star, unless the account's star is there already, or removes that star. `known` is the key of
    /// the star's record, if it is known.
    ///
    /// # Errors
    /// [`ReposError`]; [`ReposError::Changed`] when others have written the record during each of the attempts.
    pub async fn set_star(
        &self,
        login: &Login,
        account: &Account,
        owner: &Did,
        name: &ImageName,
        known: Option<&RecordKey>,
        is_given: bool,
    ) -> Result<(), ReposError> {
        // A second click sends the form once more while the first one is answered.
        for _ in 0..SWAPS {
            let set = match is_given {
                true => self.give_star(login, account, owner, name, known).await,
                false => self.take_star_back(login, account, owner, name, known).await,
            };
            match set {
                Err(ReposError::Changed) => {}
                set => return set,
            }
        }
        Err(ReposError::Changed)
    }

    /// Writes the record of a star, unless it is there.
    async fn give_star(
        &self,
        login: &Login,
        account: &Account,
        owner: &Did,
        name: &ImageName,
        known: Option<&RecordKey>,
    ) -> Result<(), ReposError> {
        let key = known.cloned().unwrap_or_else(|| Star::key_of(owner, name));
        let writing = self.index.begin_write(&account.did);
        let seen = self.repos.record(account, nsid::STAR, &key).await?;
        let subject = Star::of(owner, name, Datetime::from_micros((self.clock)()));
        let is_given = |record: &serde_json::Value| record.get("subject") == Some(&json!(subject.subject));
        if let Some(record) = seen.value.as_ref().filter(|record| is_given(record)) {
            self.index.written(&writing, nsid::STAR, &key, Some(record)).await;
            return Ok(());
        }
        let mut record = json!(subject);
        record["$type"] = nsid::STAR.as_str().into();
        self.repos.put(login, nsid::STAR, &key, record, &seen).await.map(drop)
    }

    /// Removes a star: the record with the key `known`, and that with the key that this program uses.
    async fn take_star_back(
        &self,
        login: &Login,
        account: &Account,
        owner: &Did,
        name: &ImageName,
        known: Option<&RecordKey>,
    ) -> Result<(), ReposError> {
        let own = Star::key_of(owner, name);
        for key in known.into_iter().filter(|known| **known != own).chain([&own]) {
            let seen = self.repos.record(account, nsid::STAR, key).await?;
            match seen.value {
                Some(_) => self.repos.delete(login, nsid::STAR, key, &seen).await?,
                None => self.repos.absent(account, nsid::STAR, key).await,
            }
        }
        Ok(())
    }
}
