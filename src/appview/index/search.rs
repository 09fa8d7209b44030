//! Finds repositories. However many there are, a question looks at so many rows and no more.

use super::query::{Position, RepositoryOrder, SearchWords};
use super::{Index, tables};
use atproto::syntax::{Did, Handle, ImageName, Tag};
use server::storage::StorageError;

/// Repositories with the words that are compared with each other: those that came last. Who means another one says more.
const MAX_COMPARED: usize = 400;
/// Repositories of the very name or owner that was typed, which are found whatever else has the words.
const MAX_NAMED: usize = 50;

/// A repository that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundRepository {
    pub(super) id: i64,
    /// Whose it is.
    pub owner: Did,
    /// The handle of its owner, where the domain agreed.
    pub handle: Option<Handle>,
    /// Its name.
    pub name: ImageName,
    /// What it is about; of its newest image, or of its page.
    pub description: Option<String>,
    /// What the newest image runs on, where its record says it.
    pub platforms: Vec<String>,
    /// The size of the newest image, where that is one image.
    pub size_bytes: Option<u64>,
    /// The tag that was written last.
    pub newest_tag: Option<Tag>,
    /// How many tags there are; 1,000 for more.
    pub tags: u64,
    /// When the newest tag was written, as its record says; microseconds since 1970.
    pub pushed_us: u64,
    /// How often it was pulled, as its hold counts.
    pub pulls: u64,
    /// How many accounts gave it a star.
    pub stars: u64,
}

/// A page of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundRepositories {
    /// In their order.
    pub repositories: Vec<FoundRepository>,
    /// Where the next page begins, if there is one.
    pub next: Option<Position>,
    /// Whether more have the words than were compared.
    pub is_partial: bool,
}

impl Index {
    /// Repositories with all of the words, `limit` of them behind `after`. Those of the very name come first, then by `order`.
    ///
    /// # Errors
    /// When the database fails; so below.
    pub async fn search(
        &self,
        words: &SearchWords,
        order: RepositoryOrder,
        limit: usize,
        after: Option<Position>,
    ) -> Result<FoundRepositories, StorageError> {
        let (words, skipped) =
            (words.clone(), after.map_or(0, |after| usize::try_from(after.value).unwrap_or(usize::MAX)));
        let whole = words.whole().to_owned();
        let find = move |read: &server::sqlite::Read<'_>| {
            let mut found = tables::search::named(read, words.whole(), MAX_NAMED)?;
            let matching = tables::search::matching(read, words.expression(), MAX_COMPARED + 1)?;
            let is_partial = matching.len() > MAX_COMPARED;
            found.extend(matching);
            Ok::<_, StorageError>((found, is_partial))
        };
        let (mut found, is_partial) = self.database.read(find).await?;
        found.sort_by_cached_key(|repository| {
            let is_named =
                repository.name.as_str() == whole || repository.name.as_str().rsplit('/').next() == Some(&whole);
            let value = match order {
                RepositoryOrder::Pushed => repository.pushed_us,
                RepositoryOrder::Stars => repository.stars,
                RepositoryOrder::Pulls => repository.pulls,
            };
            (!is_named, std::cmp::Reverse((value, repository.pushed_us)), repository.id)
        });
        found.dedup_by_key(|repository| repository.id);
        let more = found.len() > skipped.saturating_add(limit);
        Ok(FoundRepositories {
            repositories: found.into_iter().skip(skipped).take(limit).collect(),
            next: more.then(|| Position::behind(skipped + limit)),
            is_partial,
        })
    }

    /// All repositories, or those of an owner, in an order: `limit` of them behind `after`.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub async fn list(
        &self,
        owner: Option<&Did>,
        order: RepositoryOrder,
        limit: usize,
        after: Option<Position>,
    ) -> Result<FoundRepositories, StorageError> {
        let (owner, after) = (owner.cloned(), after.unwrap_or(Position::START));
        let find = move |read: &server::sqlite::Read<'_>| match &owner {
            Some(owner) => tables::search::of_owner(read, owner, order, limit + 1, after),
            None => tables::search::ordered(read, order, limit + 1, after),
        };
        let mut found = self.database.read(find).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let position = |last: &FoundRepository| {
            let value = match order {
                RepositoryOrder::Stars => last.stars,
                RepositoryOrder::Pulls => last.pulls,
                RepositoryOrder::Pushed => last.pushed_us,
            };
            Position { value: value.cast_signed(), id: last.id }
        };
        let next = found.last().filter(|_| more).map(position);
        Ok(FoundRepositories { repositories: found, next, is_partial: false })
    }
}
