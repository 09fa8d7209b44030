//! Deletes all records of one account.

use super::{Images, ImagesError};
use crate::crew::{self, Membership, member_key};
use crate::images::tables;
use crate::pds::{PdsError, Plan, RecordChange, RecordWrite, Repository};
use atproto::lexicon::{
    DeletedUserData, Swap,
    nsid::{self, Collection},
};
use atproto::syntax::{Did, RecordKey};

/// Records deleted in one commit: their proofs have to fit into its event, however far apart the records are.
const PAGE: usize = 100;

impl Images {
    /// Deletes all records about `account`. Returns the numbers of deleted records. The captain stays captain. The
    /// membership is deleted first, so that no new records can follow. Interrupted, it goes on when it is called again.
    /// `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// A storage error; what was deleted until then stays deleted.
    pub async fn delete_user_data(&self, account: &Did, now_us: u64) -> Result<DeletedUserData, ImagesError> {
        let mut deleted = DeletedUserData { success: true, ..DeletedUserData::default() };
        loop {
            let account = account.clone();
            let job = move |repository: &Repository<'_>| Deletion { repository, account: &account, now_us }.page();
            let page = self.inner.pds.transact(now_us, job).await?;
            deleted.crew_deleted |= page.crew;
            deleted.layers_deleted += page.layers;
            deleted.stats_deleted += page.stats;
            if page.is_last {
                return Ok(deleted);
            }
        }
    }
}

/// The result of one commit.
struct Page {
    crew: bool,
    layers: usize,
    stats: usize,
    is_last: bool,
}

/// One commit of a deletion, in its transaction.
struct Deletion<'d> {
    repository: &'d Repository<'d>,
    account: &'d Did,
    now_us: u64,
}

impl Deletion<'_> {
    fn page(&self) -> Result<Page, ImagesError> {
        let rows = self.repository.transaction();
        let mut changes = Vec::new();
        let crew = self.membership(&mut changes)?;
        let layers = tables::layers_of(rows, self.account, PAGE - changes.len())?;
        for key in &layers {
            tables::delete_layer(rows, key)?;
            changes.push(delete(nsid::LAYER, record_key(key)?)?);
        }
        let stats = tables::stats_of(rows, self.account, PAGE - changes.len())?;
        for key in &stats {
            tables::delete_stats(rows, key)?;
            changes.push(delete(nsid::STATS, record_key(key)?)?);
        }
        for key in tables::posts_of(rows, self.account, PAGE - changes.len())? {
            tables::delete_post(rows, &key)?;
            changes.push(delete(nsid::POST, record_key(&key)?)?);
        }
        let is_last = changes.len() < PAGE;
        if is_last {
            // Manifests are deleted after their layers: a layer without its manifest seems to have come with an
            // imported repository.
            tables::delete_manifests(rows, self.account)?;
        }
        self.repository.commit(Plan::of(changes))?;
        Ok(Page { crew, layers: layers.len(), stats: stats.len(), is_last })
    }

    /// Deletes the crew record, unless it is the captain's. Returns whether there was one.
    fn membership(&self, changes: &mut Vec<RecordChange>) -> Result<bool, ImagesError> {
        let records = self.repository.records();
        let membership = Membership::read(&records, self.account)?;
        if membership.captain || !membership.member {
            return Ok(false);
        }
        if crew::is_declared(&records, self.account)? {
            tracing::warn!(
                did = %self.account,
                "a member that the configuration declares deleted their data: the membership comes back at the next start \
                 or reload, unless the configuration drops it"
            );
        }
        crew::remember_limits(self.repository, self.account, membership.permissions(), self.now_us)?;
        changes.push(delete(nsid::CREW, member_key(self.account))?);
        Ok(true)
    }
}

fn delete(collection: Collection, rkey: RecordKey) -> Result<RecordChange, ImagesError> {
    Ok(RecordChange { collection: collection.into(), rkey, write: RecordWrite::Delete, swap: Swap::Any })
}

fn record_key(text: &str) -> Result<RecordKey, ImagesError> {
    RecordKey::parse(text).map_err(|_| PdsError::RecordNotFound.into())
}
