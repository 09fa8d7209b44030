//! Checks the quota tiers, and the accounts that may put members into them.

use super::{Checker, resolvable};
use crate::config::{Quota, Tier};
use atproto::syntax::{Did, Size};
use server::settings::SettingsError;

/// Limit of a tier's name in a crew record.
const MAX_NAME_BYTES: usize = 32;

impl Checker<'_> {
    pub(super) fn quota(&self) -> Result<Quota, SettingsError> {
        let mut tiers = self.raw.tiers.keys().map(|name| self.tier(name)).collect::<Result<Vec<_>, _>>()?;
        // A TOML table has no order; tiers with equal limits are ordered by name.
        tiers.sort_by(|one, other| one.limit_bytes.cmp(&other.limit_bytes).then_with(|| one.name.cmp(&other.name)));
        let new_crew_tier = self.raw.new_crew_tier.clone().filter(|name| !name.is_empty());
        if new_crew_tier.as_ref().is_some_and(|name| !self.raw.tiers.contains_key(name)) {
            return Err(
                self.wrong("new_crew_tier", "there is no such tier: add it to tiers, or name one that is there")
            );
        }
        Ok(Quota { tiers, new_crew_tier })
    }

    /// Whether tiers are configured, but not this one.
    pub(super) fn has_no_tier(&self, name: &str) -> bool {
        !self.raw.tiers.is_empty() && !self.raw.tiers.contains_key(name)
    }

    fn tier(&self, name: &str) -> Result<Tier, SettingsError> {
        let option = format!("tiers.{name}.quota");
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(self.wrong(&option, "the name of a tier has 1 to 32 bytes"));
        }
        let size = Size::parse(&self.raw.tiers[name].quota).map_err(|error| self.wrong(&option, &error.to_string()))?;
        Ok(Tier { name: name.to_owned(), limit_bytes: size.bytes })
    }

    pub(super) fn appviews(&self) -> Result<Vec<Did>, SettingsError> {
        let parse = |text: &String| {
            resolvable(text, self.raw.test_mode)
                .map_err(|problem| self.wrong("appviews", &format!("{problem}; it must be like did:web:atcr.io")))
        };
        self.raw.appviews.iter().map(parse).collect()
    }
}
