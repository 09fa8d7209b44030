//! Statistics of an image: its record, and the pulls and pushes not yet in the record.

use super::{Image, Images, ImagesError, encode};
use crate::crew::Manager;
use crate::images::tables;
use crate::pds::{PdsError, Plan, RecordChange, RecordWrite, Records, Repository};
use atproto::lexicon::{self, Stats, Swap, nsid};
use atproto::syntax::{Datetime, RecordKey};

/// Records written in one commit when pulls are counted.
const PAGE: usize = 100;
/// The largest integer that every JSON reader represents exactly.
const MAX_COUNT: u64 = (1 << 53) - 1;

/// New statistics of an image. Fields that are `None` keep their values.
#[derive(Clone, Debug, Default)]
pub struct NewStats {
    /// Number of manifests downloaded.
    pub pull_count: Option<u64>,
    /// Number of manifests uploaded.
    pub push_count: Option<u64>,
    /// Time of the last download.
    pub last_pull: Option<Datetime>,
    /// Time of the last upload.
    pub last_push: Option<Datetime>,
}

/// Returns the record key of an image's statistics. An image has one record.
#[must_use]
pub fn stats_key(image: &Image) -> String {
    Stats::key_of(&image.owner, &image.name)
}

/// Returns the current statistics of an image, with the pulls and pushes not yet in the record.
pub(super) fn current(records: &Records<'_>, image: &Image, now_us: u64) -> Result<Stats, ImagesError> {
    let key = stats_key(image);
    let recorded = records.get(&nsid::STATS, &key)?.and_then(|record| serde_json::from_value(record.value).ok());
    let mut stats = recorded.unwrap_or_else(|| Stats {
        owner_did: image.owner.clone(),
        repository: image.name.clone(),
        pull_count: 0,
        push_count: 0,
        last_pull: None,
        last_push: None,
        updated_at: Datetime::from_micros(now_us),
    });
    stats.updated_at = Datetime::from_micros(now_us);
    if let Some(new) = tables::new_counts(records.snapshot(), &key)? {
        stats.pull_count = stats.pull_count.saturating_add(new.pulls);
        stats.push_count = stats.push_count.saturating_add(new.pushes);
        stats.last_pull = new.last_pull_us.map(Datetime::from_micros).or(stats.last_pull);
        stats.last_push = new.last_push_us.map(Datetime::from_micros).or(stats.last_push);
    }
    Ok(stats)
}

/// Adds the record to the index. Returns the change that writes it.
pub(super) fn put(repository: &Repository<'_>, stats: &Stats) -> Result<RecordChange, ImagesError> {
    let image = Image { owner: stats.owner_did.clone(), name: stats.repository.clone() };
    let key = stats_key(&image);
    tables::put_stats(repository.transaction(), &key, image.owner.as_str(), image.name.as_str())?;
    let invalid = |error: atproto::syntax::SyntaxError| ImagesError::Invalid(error.to_string());
    Ok(RecordChange {
        collection: nsid::STATS.into(),
        rkey: RecordKey::parse(&key).map_err(invalid)?,
        write: RecordWrite::Put(encode(nsid::STATS, stats)?),
        swap: Swap::Any,
    })
}

impl Images {
    /// Sets the statistics of an image, in place of the current ones. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`ImagesError::Invalid`] for counts above 53 bits; limits of growth for an admin; or a storage error.
    pub async fn set_stats(
        &self,
        manager: Manager,
        image: Image,
        new: NewStats,
        now_us: u64,
    ) -> Result<(), ImagesError> {
        if new.pull_count.max(new.push_count).is_some_and(|count| count > MAX_COUNT) {
            return Err(ImagesError::Invalid("pullCount and pushCount have at most 53 bits".into()));
        }
        let pds = self.inner.pds.clone();
        let job = move |repository: &Repository<'_>| {
            if let Manager::Admin(account) = &manager {
                let key = stats_key(&image);
                if !tables::has_stats(repository.transaction(), &key)? {
                    repository.records().keys_beside(&nsid::STATS, &key)?;
                }
                pds.spend(account, 1, 1, now_us)?;
            }
            let old = current(&repository.records(), &image, now_us)?;
            let stats = Stats {
                pull_count: new.pull_count.unwrap_or(old.pull_count),
                push_count: new.push_count.unwrap_or(old.push_count),
                last_pull: new.last_pull.or(old.last_pull.clone()),
                last_push: new.last_push.or(old.last_push.clone()),
                ..old
            };
            let change = put(repository, &stats)?;
            repository.commit(Plan::of(vec![change]))?;
            Ok::<_, ImagesError>(())
        };
        let outcome: Result<_, ImagesError> = self.inner.pds.transact(now_us, job).await;
        if let Err(error) = &outcome
            && let Some(bound) = error.bound()
        {
            tracing::warn!(?bound, "statistics refused: {error}");
        }
        self.count_refused_growth(&outcome);
        outcome
    }

    /// Counts a pull of an image. Returns whether the image is here. The record has the pull after the next
    /// [`Images::write_counts`]. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`ImagesError::NotCounted`]
    pub async fn pull(&self, image: &Image, now_us: u64) -> Result<bool, ImagesError> {
        let counted = self.inner.pulls.add(stats_key(image));
        if counted.is_first {
            let images = self.clone();
            // A task of its own: it counts all pulls added meanwhile, also when this caller stops waiting.
            tokio::spawn(async move { images.count_pulls(now_us).await });
        }
        counted.answer.await.map_err(|_| ImagesError::NotCounted)
    }

    /// Counts all pulls that are in the queue when the transaction begins.
    async fn count_pulls(&self, now_us: u64) {
        let images = self.clone();
        let job = move |repository: &Repository<'_>| {
            let waiting = images.inner.pulls.take();
            let count = |pull: super::pulls::Waiting| {
                Ok((tables::count_pull(repository.transaction(), &pull.key, now_us)?, pull))
            };
            waiting.into_iter().map(count).collect::<Result<Vec<_>, PdsError>>()
        };
        match self.inner.pds.transact(now_us, job).await {
            Ok(counted) => counted.into_iter().for_each(|(counted, pull)| pull.answer(counted)),
            Err(error) => {
                // Pulls that the transaction did not take too: no other caller would count them.
                drop(self.inner.pulls.take());
                tracing::error!(%error, "pulls could not be counted");
            }
        }
    }

    /// Writes the pulls and pushes counted since the last call to the records. Returns the number of changed records.
    ///
    /// # Errors
    /// A storage error.
    pub async fn write_counts(&self, now_us: u64) -> Result<usize, ImagesError> {
        let mut written = 0;
        loop {
            let job = move |repository: &Repository<'_>| {
                let mut changes = Vec::new();
                for new in tables::all_new_counts(repository.transaction(), PAGE)? {
                    let damaged = |_| ImagesError::Invalid("the index of statistics is damaged".into());
                    let owner = new.owner.parse().map_err(damaged)?;
                    let image = Image { owner, name: new.repository.parse().map_err(damaged)? };
                    changes.push(put(repository, &current(&repository.records(), &image, now_us)?)?);
                }
                let count = changes.len();
                repository.commit(Plan::of(changes))?;
                Ok::<_, ImagesError>(count)
            };
            let count = self.inner.pds.transact(now_us, job).await?;
            written += count;
            if count < PAGE {
                return Ok(written);
            }
        }
    }
}

impl From<lexicon::SetStats> for NewStats {
    fn from(input: lexicon::SetStats) -> Self {
        Self {
            pull_count: input.pull_count,
            push_count: input.push_count,
            last_pull: input.last_pull,
            last_push: input.last_push,
        }
    }
}
