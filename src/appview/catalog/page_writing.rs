//! Pages of repositories as their owners write them.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Catalog;
use crate::accounts::Login;
use crate::repos::{Repos, ReposError, page_key};
use atproto::lexicon::nsid;
use atproto::syntax::{Datetime, ImageName};
use server::identity::Account;

/// How often a record is written anew that another program has written meanwhile.
const SWAPS: usize = 3;

/// What becomes of the picture of a page.
pub enum NewPicture {
    /// It stays.
    Same,
    /// It goes.
    None,
    /// Another one takes its place.
    Bytes(&'static str, Bytes),
}

impl Catalog {
    /// Writes the page of a repository at `now_us`; what is not given stays, also what other programs wrote there.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn write_page(
        &self,
        (login, now_us): (&Login, u64),
        account: &Account,
        name: &ImageName,
        (text, picture): (Option<String>, NewPicture),
    ) -> Result<(), ReposError> {
        let now = json!(Datetime::from_micros(now_us));
        let picture = match picture {
            NewPicture::Same => None,
            NewPicture::None => Some(Value::Null),
            NewPicture::Bytes(media_type, bytes) => Some(self.repos.upload_blob(login, media_type, &bytes).await?),
        };
        for _ in 0..SWAPS {
            match put(&self.repos, login, account, name, (&text, &picture, &now)).await {
                Err(ReposError::Changed) => {}
                written => {
                    self.pages.forget(&(account.did.clone(), name.clone()));
                    return written;
                }
            }
        }
        Err(ReposError::Changed)
    }
}

async fn put(
    repos: &Repos,
    login: &Login,
    account: &Account,
    name: &ImageName,
    (text, picture, now): (&Option<String>, &Option<Value>, &Value),
) -> Result<(), ReposError> {
    let key = page_key(name);
    let seen = repos.record(account, nsid::REPO_PAGE, &key).await?;
    let mut record = match seen.value.clone() {
        Some(Value::Object(record)) => record,
        _ => [("createdAt".to_owned(), now.clone())].into_iter().collect(),
    };
    record.insert("$type".into(), json!(nsid::REPO_PAGE.as_str()));
    record.insert("repository".into(), json!(name));
    record.insert("updatedAt".into(), now.clone());
    if let Some(text) = text {
        record.insert("description".into(), json!(text));
    }
    match picture {
        None => {}
        Some(Value::Null) => drop(record.remove("avatar")),
        Some(picture) => drop(record.insert("avatar".into(), picture.clone())),
    }
    repos.put(login, nsid::REPO_PAGE, &key, Value::Object(record), &seen).await.map(drop)
}
