//! The description of the hold in its public records.

use serde_json::Value;

use super::{Crew, CrewError, captain};
use crate::pds::Records;
use atproto::lexicon::{self, SELF_KEY, nsid};

/// The description of the hold, read in one snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicInfo {
    /// The captain record.
    pub captain: lexicon::Captain,
    /// Whether any account may join the crew by request.
    pub joinable: bool,
    /// Number of crew records, the captain's own included.
    pub members: u64,
    /// The profile record; `null` without one. An imported one may have any shape.
    pub profile: Value,
}

impl Crew {
    /// Returns the description of the hold in its records.
    ///
    /// # Errors
    /// [`CrewError::NoCaptain`] before the first start, or a storage error.
    pub async fn public_info(&self) -> Result<PublicInfo, CrewError> {
        let mutable = self.is_mutable();
        let job = move |records: &Records<'_>| {
            let captain = captain(records)?;
            let profile = records.get(&nsid::PROFILE, SELF_KEY)?.map_or(Value::Null, |record| record.value);
            Ok(PublicInfo {
                joinable: captain.allow_all_crew && mutable,
                members: records.count(&nsid::CREW)?,
                captain,
                profile,
            })
        };
        self.pds.read(job).await
    }
}
