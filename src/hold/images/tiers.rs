//! Quota tiers. Pure.

use crate::crew::Membership;
use atproto::syntax::Size;

/// A quota tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaTier {
    /// Its name.
    pub name: String,
    /// The most bytes that an account may store, each blob once.
    pub limit: Size,
}

/// The tiers of the configuration. Without tiers there is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tiers {
    /// All tiers, from the smallest to the largest: the index is the rank.
    pub all: Vec<QuotaTier>,
    /// The tier of members whose record names none; `None` means the smallest.
    pub of_new_crew: Option<String>,
}

impl Tiers {
    /// Returns the tier of an account; `None` when it has no limit, as the captain. An account whose crew record names
    /// no tier, or one that does not exist, has the tier of new members; so has an account that is no member yet.
    #[must_use]
    pub fn of(&self, membership: &Membership) -> Option<&QuotaTier> {
        if membership.captain {
            return None;
        }
        let named = |name: &Option<String>| self.all.iter().find(|tier| Some(&tier.name) == name.as_ref());
        named(&membership.tier).or_else(|| named(&self.of_new_crew)).or(self.all.first())
    }

    /// Returns the tier of a rank, counted from 0. A rank beyond the last tier gets the last: registries have tiers of
    /// their own, perhaps more of them.
    #[must_use]
    pub fn ranked(&self, rank: u64) -> Option<&QuotaTier> {
        let rank = usize::try_from(rank).unwrap_or(usize::MAX);
        self.all.get(rank).or(self.all.last())
    }
}

#[cfg(test)]
mod tests {
    use super::{QuotaTier, Size, Tiers};

    #[test]
    fn ranks_beyond_the_last_tier_are_the_last() {
        let tier = |name: &str, bytes| QuotaTier { name: name.into(), limit: Size { bytes } };
        let tiers = Tiers { all: vec![tier("small", 1), tier("large", 2)], of_new_crew: None };
        let names = [0, 1, 2, u64::MAX].map(|rank| tiers.ranked(rank).map(|tier| tier.name.as_str()));
        assert_eq!(names, [Some("small"), Some("large"), Some("large"), Some("large")]);
        assert_eq!(Tiers::default().ranked(0), None);
    }
}
