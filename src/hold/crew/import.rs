//! The rules of an import: when the records may be replaced, and which records the new ones must have.

use std::collections::BTreeSet;

use super::declared::META_NAME;
use super::reconcile::Recorded;
use crate::pds::{ImportRules, PageQuery, PdsError, Records, Repository};
use atproto::lexicon::SELF_KEY;
use atproto::lexicon::nsid::{self, COLLECTIONS};
use atproto::syntax::Did;

/// Returns the rules of an import: only a hold that has no records but declared ones may be replaced, and only by
/// records that captain and crew can be read from. `index` updates what depends on the new records.
#[must_use]
pub fn import_rules(index: fn(&Repository<'_>) -> Result<(), PdsError>) -> ImportRules {
    ImportRules { may_replace: is_as_configured, check: is_readable, index }
}

/// Limit of members that are compared; a configuration declares fewer.
const MAX_DECLARED: u32 = 10_000;

/// Whether there are no records but those that the configuration declares.
fn is_as_configured(records: &Records<'_>) -> Result<bool, PdsError> {
    let keys = |collection: &str| {
        let query = PageQuery { collection: collection.into(), cursor: None, limit: MAX_DECLARED, ascending: true };
        let page = records.page(&query)?;
        let complete = page.cursor.is_none();
        Ok::<_, PdsError>((page.records, complete))
    };
    let note = records.meta(META_NAME)?.and_then(|text| serde_json::from_str::<BTreeSet<Did>>(&text).ok());
    let declared: BTreeSet<_> = note.unwrap_or_default().iter().map(super::member_key).collect();
    for collection in records.collections()? {
        let (found, complete) = keys(&collection)?;
        let expected = match COLLECTIONS.iter().find(|known| ***known == *collection) {
            Some(&(nsid::CAPTAIN | nsid::PROFILE)) => found.iter().all(|record| record.rkey.as_str() == SELF_KEY),
            Some(&nsid::CREW) => found.iter().all(|record| declared.contains(&record.rkey)),
            _ => false,
        };
        if !expected || !complete {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_readable(records: &Records<'_>) -> Result<(), String> {
    let recorded = Recorded::read(records).map_err(|error| error.to_string())?;
    recorded.captain.map(drop).ok_or_else(|| "there is no captain record".into())
}
