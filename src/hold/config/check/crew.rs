//! Checks the declared crew.

use std::collections::BTreeMap;

use super::{Checker, account};
use crate::config::ConfiguredMember;
use crate::config::raw::Member;
use atproto::lexicon::{Permission, ROLE_OWNER};
use atproto::syntax::Did;
use server::settings::SettingsError;

impl Checker<'_> {
    pub(super) fn crew(&self, owner: &Did) -> Result<BTreeMap<Did, ConfiguredMember>, SettingsError> {
        self.raw.crew.iter().map(|(text, member)| self.member(text, member, owner)).collect()
    }

    fn member(&self, text: &str, member: &Member, owner: &Did) -> Result<(Did, ConfiguredMember), SettingsError> {
        let wrong = |problem: &str| self.values.wrong_within("crew", &format!("crew.\"{text}\""), problem);
        let did = account(text, self.raw.test_mode).map_err(|problem| wrong(&problem))?;
        if did == *owner {
            return Err(wrong("the owner is always a member with all permissions: remove this declaration"));
        }
        if member.role == ROLE_OWNER {
            return Err(wrong("only the owner has the role owner: use another word, like admin or member"));
        }
        let permission = |name: &String| {
            Permission::parse(name).ok_or_else(|| {
                wrong(&format!("there is no permission \"{name}\": use blob:read, blob:write or crew:admin"))
            })
        };
        let permissions = member.permissions.iter().map(permission).collect::<Result<Vec<_>, _>>()?;
        if permissions.is_empty() {
            return Err(wrong("it has no permissions: add permissions = [\"blob:read\"], or remove the member"));
        }
        if let Some(tier) = member.tier.as_ref().filter(|tier| self.has_no_tier(tier)) {
            return Err(wrong(&format!("there is no tier \"{tier}\": add it to tiers, or name one that is there")));
        }
        Ok((did, ConfiguredMember { role: member.role.clone(), permissions, tier: member.tier.clone() }))
    }
}
