//! Writes of repository pages by their owners.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::Catalog;
use crate::accounts::Login;
use crate::repos::ReposError;
use atproto::lexicon::RepoPage;
use atproto::lexicon::nsid;
use atproto::syntax::{Datetime, ImageName};
use server::identity::Account;

/// Change of the picture of a page.
pub enum NewPicture {
    /// Keeps the picture.
    Same,
    /// Removes the picture.
    None,
    /// Replaces the picture: media type and bytes.
    Bytes(&'static str, Bytes),
}

/// Change of a page.
pub struct PageChange {
    /// The new text; `None` keeps the old one.
    pub text: Option<String>,
    /// The new picture.
    pub picture: NewPicture,
}

impl Catalog {
    /// Writes the page of a repository. Fields that are not given are kept, also those of other programs.
    ///
    /// # Errors
    /// [`ReposError`]
    pub async fn write_page(
        &self,
        login: &Login,
        account: &Account,
        name: &ImageName,
        change: PageChange,
    ) -> Result<(), ReposError> {
        let (now, PageChange { text, picture }) = (Datetime::from_micros((self.clock)()), change);
        let picture = match picture {
            NewPicture::Same => None,
            NewPicture::None => Some(Value::Null),
            NewPicture::Bytes(media_type, bytes) => Some(self.repos.upload_blob(login, media_type, &bytes).await?),
        };
        let edit = |record: &mut Map<String, Value>| {
            record.insert("repository".into(), json!(name));
            if let Some(text) = &text {
                record.insert("description".into(), json!(text));
            }
            match &picture {
                None => {}
                Some(Value::Null) => drop(record.remove("avatar")),
                Some(picture) => drop(record.insert("avatar".into(), picture.clone())),
            }
        };
        let written = self.repos.rewrite(login, account, nsid::REPO_PAGE, &RepoPage::key_of(name), &now, edit).await;
        self.pages.forget(&(account.did.clone(), name.clone()));
        written
    }
}
