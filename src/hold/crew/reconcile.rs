//! Makes the records match the configuration: computes the difference, then makes one commit or none.

use std::collections::BTreeSet;

use serde_json::Value;

use super::declared::{Declared, DeclaredMember, META_NAME, change, declared_members, put};
use super::{Crew, CrewError, CrewRecords, crew_records, decode, member_key, profile};
use crate::pds::{MAX_WRITES, Plan, RecordChange, RecordWrite, Records};
use atproto::lexicon::{self, Permission, ROLE_OWNER, SELF_KEY, nsid, self_key};
use atproto::syntax::{Datetime, Did};

impl Crew {
    /// Makes captain, crew and profile match `declared`: in one commit (or, past 200 changes, in several), or in
    /// none when nothing differs. Members who joined at run time stay unless the crew is immutable. Records of members
    /// under other keys, as an imported repository may have them, move to theirs.
    /// Returns the number of records changed.
    ///
    /// # Errors
    /// A storage error; nothing of the failed commit is kept.
    pub async fn reconcile(&self, declared: &Declared, now_us: u64) -> Result<usize, CrewError> {
        let mut changed = 0;
        loop {
            let (declared, mutable) = (declared.clone(), self.is_mutable());
            let decide = move |records: &Records<'_>| {
                let recorded = Recorded::read(records)?;
                difference(&declared, &recorded, mutable, now_us)
            };
            let outcome = self.pds.commit(now_us, None, decide).await?;
            let planned = outcome.cids.len();
            changed += planned;
            // A round without a change would repeat forever.
            if planned < MAX_WRITES || outcome.commit.is_none() {
                return Ok(changed);
            }
        }
    }
}

/// The stored records.
pub(super) struct Recorded {
    pub(super) captain: Option<lexicon::Captain>,
    profile: Option<Value>,
    crew: CrewRecords,
    /// The members that the configuration declared at the last start or reload.
    declared_before: BTreeSet<Did>,
}

impl Recorded {
    pub(super) fn read(records: &Records<'_>) -> Result<Self, CrewError> {
        Ok(Self {
            captain: records.get(&nsid::CAPTAIN, SELF_KEY)?.map(decode).transpose()?,
            profile: records.get(&nsid::PROFILE, SELF_KEY)?.map(|record| record.value),
            crew: crew_records(records)?,
            declared_before: declared_members(records)?,
        })
    }
}

fn difference(declared: &Declared, recorded: &Recorded, mutable: bool, now_us: u64) -> Result<Plan, CrewError> {
    let now = Datetime::from_micros(now_us);
    let mut changes = Vec::new();
    changes.extend(captain_change(declared, recorded.captain.as_ref(), &now)?);
    changes.extend(profile::change(declared, recorded.profile.as_ref(), &now)?);
    // The owner is declared as a member: a former owner loses the membership like any other declared member.
    let all = Permission::ALL.to_vec();
    let mut wanted = declared.crew.clone();
    wanted.insert(declared.owner.clone(), DeclaredMember { role: ROLE_OWNER.into(), permissions: all, tier: None });
    let CrewRecords { members, misplaced, obsolete } = &recorded.crew;
    for (did, member) in &wanted {
        let key = member_key(did);
        let new = member_record(did, member, members.get(&key), &now);
        if members.get(&key) != Some(&new) || misplaced.contains(&key) {
            changes.push(put(nsid::CREW, key, &new)?);
        }
    }
    for (key, crew) in members {
        let stays = mutable && !recorded.declared_before.contains(&crew.member);
        match (wanted.contains_key(&crew.member), misplaced.contains(key)) {
            (true, _) => {}
            (false, true) if stays => changes.push(put(nsid::CREW, key.clone(), crew)?),
            (false, false) if !stays => changes.push(change(nsid::CREW, key.clone(), RecordWrite::Delete)),
            (false, _) => {}
        }
    }
    // Last: where the changes do not fit in one commit, each member has a record under its key before another one goes.
    changes.extend(obsolete.iter().map(|key| change(nsid::CREW, key.clone(), RecordWrite::Delete)));
    let mut declared_now: BTreeSet<Did> = wanted.into_keys().collect();
    if changes.len() >= MAX_WRITES {
        // Another round follows; until then members that have yet to be removed stay on the list.
        changes.truncate(MAX_WRITES);
        declared_now.extend(recorded.declared_before.iter().cloned());
    }
    let names = serde_json::to_string(&declared_now).map_err(|e| CrewError::Invalid(e.to_string()))?;
    // The blob is stored also when the profile refers to it already: an imported repository comes without blobs.
    let blobs = declared.profile.avatar.iter().cloned().collect();
    Ok(Plan { changes, meta: vec![(META_NAME, names)], blobs, spares_nodes: false })
}

fn captain_change(
    declared: &Declared,
    old: Option<&lexicon::Captain>,
    now: &Datetime,
) -> Result<Option<RecordChange>, CrewError> {
    let fresh = lexicon::Captain {
        owner: declared.owner.clone(),
        public: declared.public,
        allow_all_crew: declared.allow_all_crew,
        enable_bluesky_posts: declared.bluesky_posts,
        deployed_at: now.clone(),
        region: declared.region.clone(),
        successor: declared.successor.clone(),
        other: serde_json::Map::new(),
    };
    let new = match old {
        None => fresh,
        Some(old) => lexicon::Captain {
            enable_bluesky_posts: old.enable_bluesky_posts,
            deployed_at: old.deployed_at.clone(),
            other: old.other.clone(),
            ..fresh
        },
    };
    if old == Some(&new) { Ok(None) } else { put(nsid::CAPTAIN, self_key(), &new).map(Some) }
}

fn member_record(did: &Did, declared: &DeclaredMember, old: Option<&lexicon::Crew>, now: &Datetime) -> lexicon::Crew {
    lexicon::Crew {
        member: did.clone(),
        role: declared.role.clone(),
        permissions: declared.permissions.iter().map(|p| p.as_str().to_owned()).collect(),
        added_at: old.map_or(now, |old| &old.added_at).clone(),
        tier: declared.tier.clone(),
        other: old.map(|old| old.other.clone()).unwrap_or_default(),
    }
}
