//! Search for repositories. Each query reads a limited number of rows, however large the index is.

use std::cmp::Reverse;
use std::time::Duration;

use super::query::{Position, RepositoryOrder, SearchWords};
use super::{FoundRepository, Index, tables};
use atproto::syntax::Did;
use server::sqlite::Read;
use server::storage::StorageError;

/// Maximum number of matching repositories that are sorted: those that were added last. A longer query finds others.
const MAX_COMPARED: usize = 400;
/// Time limit of finding those that match. Among 100,000 repositories with ordinary texts a search takes a seventh of it at
/// most; among as many whose texts repeat the words of a search, and never in its order, eight words take 40 s.
const MATCHING_TIME: Duration = Duration::from_secs(1);
/// Maximum number of repositories whose name is the whole query; they are found however many match.
const MAX_NAMED: usize = 50;

impl FoundRepository {
    /// Returns the value by which an order sorts, the greatest first.
    fn value(&self, order: RepositoryOrder) -> u64 {
        match order {
            RepositoryOrder::Pushed => self.pushed_us,
            RepositoryOrder::Stars => self.stars,
            RepositoryOrder::Pulls => self.pulls,
        }
    }
}

/// A page of repositories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundRepositories {
    /// Repositories in the requested order.
    pub repositories: Vec<FoundRepository>,
    /// Position of the next page, if there is one.
    pub next: Option<Position>,
    /// Whether more repositories match than were sorted.
    pub is_partial: bool,
}

impl Index {
    /// Returns `limit` repositories with all of the words, after the position `after`. Those whose name, or its last part,
    /// is the whole query come first, the rest by `order`.
    ///
    /// # Errors
    /// When the database fails; the same below.
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
        let find = move |read: &Read<'_>| {
            let mut found = tables::search::named(read, words.whole(), MAX_NAMED)?;
            let (matching, is_whole) =
                tables::search::matching(read, words.expression(), MAX_COMPARED + 1, MATCHING_TIME)?;
            let is_partial = !is_whole || matching.len() > MAX_COMPARED;
            found.extend(matching);
            Ok::<_, StorageError>((found, is_partial))
        };
        let (mut found, is_partial) = self.database.read(find).await?;
        found.sort_by_cached_key(|repository| {
            let is_named =
                repository.name.as_str() == whole || repository.name.as_str().rsplit('/').next() == Some(&whole);
            (!is_named, Reverse((repository.value(order), repository.pushed_us)), repository.id)
        });
        found.dedup_by_key(|repository| repository.id);
        let more = found.len() > skipped.saturating_add(limit);
        Ok(FoundRepositories {
            repositories: found.into_iter().skip(skipped).take(limit).collect(),
            next: more.then(|| Position::behind(skipped + limit)),
            is_partial,
        })
    }

    /// Returns `limit` repositories after the position `after`: all of them in this order, or those of an owner, always
    /// with the latest push first.
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
        let find = move |read: &Read<'_>| match &owner {
            Some(owner) => tables::search::of_owner(read, owner, order, limit + 1, after),
            None => tables::search::ordered(read, order, limit + 1, after),
        };
        let mut found = self.database.read(find).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let position = |last: &FoundRepository| Position { value: last.value(order).cast_signed(), id: last.id };
        let next = found.last().filter(|_| more).map(position);
        Ok(FoundRepositories { repositories: found, next, is_partial: false })
    }
}
