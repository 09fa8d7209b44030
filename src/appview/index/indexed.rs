//! What the index has of one account, for the account to see.

use serde::{Deserialize, Serialize};

use super::{Index, tables};
use atproto::syntax::{Datetime, Did, Digest};
use server::storage::StorageError;

/// A repository as the index has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexedRepository {
    /// Its name, without its owner.
    pub name: String,
    /// What its newest image says of itself.
    pub description: String,
    /// The beginning of what its owner wrote about it.
    pub page: String,
    /// The DID of the hold of its newest image.
    pub hold: String,
    /// Of its newest image.
    pub platforms: String,
    /// Of its newest image.
    pub size_bytes: u64,
    /// The tag that was pushed last.
    pub newest_tag: String,
    /// How many tags it has.
    pub tags: u64,
    /// When it was pushed to last.
    pub pushed_at: Datetime,
    /// Pulls that holds have counted.
    pub pulls: u64,
    /// Stars that accounts gave it.
    pub stars: u64,
    /// Whether a search shows it.
    pub is_shown: bool,
}

/// A tag as the index has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexedTag {
    /// The repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// The manifest that it names.
    pub digest: Digest,
    /// When it was written.
    pub written_at: Datetime,
}

/// A manifest as the index has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexedManifest {
    /// The repository.
    pub repository: String,
    /// Its digest.
    pub digest: Digest,
    /// The DID of its hold.
    pub hold: String,
    /// What it says of itself.
    pub description: String,
    /// What it is for.
    pub platforms: String,
    /// Of its layers.
    pub size_bytes: u64,
    /// When its record was made.
    pub created_at: Datetime,
}

/// A star that the account gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedStar {
    /// The DID of the repository's owner.
    pub owner: String,
    /// The repository.
    pub name: String,
}

/// What the index has of an account: what its own public records say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndexedAccount {
    /// Its handle, once its domain agreed.
    pub handle: Option<String>,
    /// Whether its server shows it.
    pub is_active: bool,
    /// Its repositories.
    pub repositories: Vec<IndexedRepository>,
    /// Their tags.
    pub tags: Vec<IndexedTag>,
    /// Their manifests.
    pub manifests: Vec<IndexedManifest>,
    /// Stars that it gave.
    pub stars: Vec<IndexedStar>,
}

impl Index {
    /// What the index has of an account; `None` when it does not know it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of_account(&self, account: &Did) -> Result<Option<IndexedAccount>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::indexed::of_account(read, &account)).await
    }
}
