//! Changes crew, captain and profile records with the standard record methods.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Crew, CrewError, captain, declared_members, member_key};
use crate::pds::{Outcome, Plan, RecordChange, RecordWrite, Records};
use atproto::lexicon::nsid::{self, Collection};
use atproto::lexicon::{self, ROLE_OWNER, Swap, self_key};
use atproto::repo::{Cid, cbor};
use atproto::syntax::{AtUri, Did, RecordKey};

/// The account that changes records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The owner of the hold, who may also change declared members until the next start or reload.
    Captain,
    /// A member with `crew:admin`.
    Admin(Did),
}

/// A write that a client requests.
#[derive(Clone, Debug)]
pub struct CrewChange {
    /// The collection; only captain, crew and profile can be written.
    pub collection: String,
    /// The record key; `None` derives it from the record. A deletion needs one.
    pub rkey: Option<String>,
    /// The write.
    pub write: CrewWrite,
    /// The precondition.
    pub swap: Swap<Cid>,
}

/// A write of a record.
#[derive(Clone, Debug)]
pub enum CrewWrite {
    /// Creates the record; it must not exist.
    Create(Value),
    /// Replaces the record; it must exist.
    Update(Value),
    /// Creates or replaces the record.
    Put(Value),
    /// Deletes the record; it must exist.
    Delete,
    /// Deletes the record if it exists.
    DeleteIfPresent,
}

/// Limit of a crew or captain record, in bytes of JSON: 200 of them still fit into one commit's event of 2,000,000.
const MAX_CREW_BYTES: usize = 8 * 1024;
const OTHER_COLLECTION: &str =
    "only records of io.atcr.hold.crew, io.atcr.hold.captain and app.bsky.actor.profile can be written";
const PROTECTED_MEMBER: &str = "the captain's own membership cannot be changed; it follows the configured owner";
const PROTECTED_CAPTAIN: &str = "owner, public, allowAllCrew, region, successor and deployedAt of the captain record follow the hold's configuration";

impl Crew {
    /// Applies all `changes` of `manager` in one commit, or none. Returns the outcome and the address of each record,
    /// in order. `now_us` is in microseconds since 1970.
    ///
    /// # Errors
    /// [`CrewError::Invalid`] for another collection, a wrong key or a record that is not valid by its lexicon;
    /// [`CrewError::Protected`]; [`CrewError::Declared`] and limits of growth for an admin;
    /// [`PdsError`](crate::pds::PdsError) for preconditions and existence.
    pub async fn apply(
        &self,
        manager: Manager,
        changes: Vec<CrewChange>,
        swap_commit: Option<Cid>,
        now_us: u64,
    ) -> Result<(Outcome, Vec<AtUri>), CrewError> {
        let mutable = self.is_mutable();
        let checked = changes.into_iter().map(check).collect::<Result<Vec<_>, _>>()?;
        let uri = |c: &Checked| AtUri::record(self.pds.did(), &c.collection.into(), &c.rkey);
        let uris = checked.iter().map(uri).collect::<Vec<_>>();
        let pds = self.pds.clone();
        let decide = move |records: &Records<'_>| {
            let rules = Rules::of(&manager, records, mutable)?;
            let changes = checked.into_iter().filter_map(|c| c.against(&rules, records).transpose());
            let mut plan = Plan::of(changes.collect::<Result<_, CrewError>>()?);
            if let Manager::Admin(account) = &manager {
                pds.spend(account, plan.changes.len() as u64, u64::from(!plan.changes.is_empty()), now_us)?;
                // Only the captain may add members in a crowded node of the tree.
                plan.spares_nodes = adds(records, &plan.changes)?;
            }
            Ok::<_, CrewError>(plan)
        };
        let outcome: Result<_, CrewError> = self.pds.commit(now_us, swap_commit, decide).await;
        let outcome = outcome.inspect_err(|error| self.count_refused_growth(error))?;
        Ok((outcome, uris))
    }
}

/// Whether one of the records is new.
fn adds(records: &Records<'_>, changes: &[RecordChange]) -> Result<bool, CrewError> {
    for change in changes {
        let is_put = matches!(change.write, RecordWrite::Create(_) | RecordWrite::Put(_));
        if is_put && records.get(change.collection.as_str(), change.rkey.as_str())?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A change whose record and key are valid.
struct Checked {
    collection: Collection,
    rkey: RecordKey,
    write: CrewWrite,
    swap: Swap<Cid>,
}

fn check(change: CrewChange) -> Result<Checked, CrewError> {
    let invalid = |text: &str| CrewError::Invalid(text.to_owned());
    let collection = [nsid::CREW, nsid::CAPTAIN, nsid::PROFILE]
        .into_iter()
        .find(|known| **known == *change.collection)
        .ok_or_else(|| invalid(OTHER_COLLECTION))?;
    let rkey = change.rkey.as_deref().map(RecordKey::parse).transpose().map_err(|e| invalid(&e.to_string()))?;
    let mut write = change.write;
    let derived = match &mut write {
        CrewWrite::Create(record) | CrewWrite::Update(record) | CrewWrite::Put(record) => {
            check_type(record, collection)?;
            let lexicon = |e: serde_json::Error| CrewError::Invalid(format!("not a valid {collection} record: {e}"));
            if collection == nsid::PROFILE {
                let profile: lexicon::Profile = serde_json::from_value(record.clone()).map_err(lexicon)?;
                profile.check().map_err(CrewError::Invalid)?;
                Some(self_key())
            } else if collection == nsid::CREW {
                let crew: lexicon::Crew = serde_json::from_value(record.clone()).map_err(lexicon)?;
                crew.check_lengths().map_err(invalid)?;
                if record.to_string().len() > MAX_CREW_BYTES {
                    return Err(invalid("a crew record has at most 8192 bytes"));
                }
                Some(member_key(&crew.member))
            } else {
                serde_json::from_value::<lexicon::Captain>(record.clone()).map_err(lexicon)?;
                if record.to_string().len() > MAX_CREW_BYTES {
                    return Err(invalid("a captain record has at most 8192 bytes"));
                }
                Some(self_key())
            }
        }
        CrewWrite::Delete | CrewWrite::DeleteIfPresent => None,
    };
    let rkey = match (rkey, derived) {
        (Some(rkey), Some(derived)) if rkey != derived => {
            return Err(CrewError::Invalid(format!("the key of this record must be {derived}")));
        }
        (Some(rkey), _) | (None, Some(rkey)) => rkey,
        (None, None) => return Err(invalid("rkey is required")),
    };
    Ok(Checked { collection, rkey, write, swap: change.swap })
}

/// Checks that `$type` is the collection; sets it if it is absent, as the reference server does.
fn check_type(record: &mut Value, collection: Collection) -> Result<(), CrewError> {
    let fields = record.as_object_mut().ok_or_else(|| CrewError::Invalid("a record must be an object".into()))?;
    match fields.get("$type") {
        None => {
            fields.insert("$type".into(), collection.as_str().into());
            Ok(())
        }
        Some(kind) if kind == collection.as_str() => Ok(()),
        Some(_) => Err(CrewError::Invalid(format!("the record's $type must be {collection}"))),
    }
}

/// The rules of what a manager may not change.
struct Rules {
    captain: lexicon::Captain,
    mutable: bool,
    /// The keys of members that only the configuration changes.
    declared: BTreeSet<RecordKey>,
}

impl Rules {
    fn of(manager: &Manager, records: &Records<'_>, mutable: bool) -> Result<Self, CrewError> {
        let declared = match manager {
            Manager::Captain => BTreeSet::new(),
            Manager::Admin(_) => declared_members(records)?.iter().map(member_key).collect(),
        };
        Ok(Self { captain: captain(records)?, mutable, declared })
    }
}

impl Checked {
    /// Checks the change against the stored records; returns `None` when there is nothing to do.
    fn against(self, rules: &Rules, records: &Records<'_>) -> Result<Option<RecordChange>, CrewError> {
        if self.collection == nsid::CREW {
            self.protect_crew(rules)?;
        } else if self.collection == nsid::CAPTAIN {
            self.protect_captain(&rules.captain)?;
        }
        let write = match self.write {
            CrewWrite::Create(record) => RecordWrite::Create(encode(&record)?),
            CrewWrite::Update(record) => RecordWrite::Update(encode(&record)?),
            CrewWrite::Put(record) => RecordWrite::Put(encode(&record)?),
            CrewWrite::Delete => RecordWrite::Delete,
            CrewWrite::DeleteIfPresent if records.get(&self.collection, self.rkey.as_str())?.is_some() => {
                RecordWrite::Delete
            }
            CrewWrite::DeleteIfPresent => return Ok(None),
        };
        Ok(Some(RecordChange { collection: self.collection.into(), rkey: self.rkey, write, swap: self.swap }))
    }

    fn protect_crew(&self, rules: &Rules) -> Result<(), CrewError> {
        check_member_change(&rules.captain, &self.rkey, rules.mutable)?;
        if rules.declared.contains(&self.rkey) {
            return Err(CrewError::Declared);
        }
        match &self.write {
            CrewWrite::Create(record) | CrewWrite::Update(record) | CrewWrite::Put(record)
                if record.get("role").and_then(Value::as_str) == Some(ROLE_OWNER) =>
            {
                Err(CrewError::Invalid("only the captain has the role owner".into()))
            }
            _ => Ok(()),
        }
    }

    fn protect_captain(&self, now: &lexicon::Captain) -> Result<(), CrewError> {
        let (CrewWrite::Update(record) | CrewWrite::Put(record)) = &self.write else {
            return Err(CrewError::Protected("the captain record cannot be created or deleted"));
        };
        let new: lexicon::Captain =
            serde_json::from_value(record.clone()).map_err(|e| CrewError::Invalid(e.to_string()))?;
        let fixed = |c: &lexicon::Captain| {
            let successor = c.successor.clone();
            (c.owner.clone(), c.public, c.allow_all_crew, c.region.clone(), successor, c.deployed_at.clone())
        };
        if fixed(now) == fixed(&new) { Ok(()) } else { Err(CrewError::Protected(PROTECTED_CAPTAIN)) }
    }
}

/// Checks that the member with this key may be changed at run time.
pub(super) fn check_member_change(
    captain: &lexicon::Captain,
    rkey: &RecordKey,
    mutable: bool,
) -> Result<(), CrewError> {
    if !mutable {
        return Err(CrewError::Immutable);
    }
    if *rkey == member_key(&captain.owner) { Err(CrewError::Protected(PROTECTED_MEMBER)) } else { Ok(()) }
}

fn encode(record: &Value) -> Result<cbor::Ipld, CrewError> {
    cbor::from_json(record).map_err(|e| CrewError::Invalid(e.to_string()))
}
