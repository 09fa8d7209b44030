//! What somebody asks of the index: words, an order, a place to go on from. Whatever they typed, it is no syntax of the engine.

use data_encoding::BASE64URL_NOPAD;

/// Words that are looked for, and their lengths: more of what somebody typed is left out.
const MAX_WORDS: usize = 8;
const MAX_WORD_CHARS: usize = 64;
/// What is looked at of a query; longer ones are refused where they come in.
const MAX_QUERY_CHARS: usize = 1024;

/// Words to search for: each is the beginning of a word, or of some that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchWords {
    /// As the engine reads it.
    expression: String,
    /// All of it in lower case: a repository or an owner of this name comes first.
    whole: String,
}

impl SearchWords {
    /// The words of what somebody typed; `None` when there are none.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let text: String = text.chars().take(MAX_QUERY_CHARS).collect();
        // An image as clients write it is its owner's name and its own.
        let spaced = text.replace(['"', '/', '@', ':', '\0'], " ");
        let words = spaced.split(|c: char| c.is_whitespace() || c.is_control());
        let words = words.filter(|word| word.chars().any(char::is_alphanumeric));
        let phrases: Vec<String> = words
            .take(MAX_WORDS)
            .map(|word| format!("\"{}\"*", word.chars().take(MAX_WORD_CHARS).collect::<String>()))
            .collect();
        let whole = text.trim().trim_start_matches('@').to_lowercase();
        (!phrases.is_empty()).then(|| Self { expression: phrases.join(" "), whole })
    }

    pub(super) fn expression(&self) -> &str {
        &self.expression
    }

    pub(super) fn whole(&self) -> &str {
        &self.whole
    }
}

/// Which repositories come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepositoryOrder {
    /// Those that were pushed to last.
    #[default]
    Pushed,
    /// Those with the most stars.
    Stars,
    /// Those that were pulled most, as their holds count.
    Pulls,
}

impl RepositoryOrder {
    /// All of them, by their names.
    pub const ALL: [(&'static str, Self); 3] =
        [("pushed", Self::Pushed), ("stars", Self::Stars), ("pulls", Self::Pulls)];

    /// The order of a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, order)| *order)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, order)| *order == self).map_or("", |(name, _)| name)
    }
}

/// Where a page of a list ends: the next one begins behind it. What is shown to others of it says nothing and proves nothing: a
/// place that somebody made up is a place like others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// What the list is ordered by; in results of a search how many stand before.
    pub(super) value: i64,
    pub(super) id: i64,
}

impl Position {
    /// Before all that there is.
    pub(super) const START: Self = Self { value: i64::MAX, id: i64::MAX };

    /// Behind so many results of a search.
    #[must_use]
    pub fn behind(results: usize) -> Self {
        Self { value: i64::try_from(results).unwrap_or(i64::MAX), id: 0 }
    }

    /// Reads what [`Position::to_text`] wrote; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()?;
        let (value, id) = bytes.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).ok();
        Some(Self { value: number(value)?, id: number(id)? }).filter(|found| found.value >= 0 && found.id >= 0)
    }

    /// As it stands in an address.
    #[must_use]
    pub fn to_text(self) -> String {
        BASE64URL_NOPAD.encode(&[self.value.to_be_bytes(), self.id.to_be_bytes()].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, SearchWords};

    #[test]
    fn whatever_was_typed_is_words() {
        let expression = |text: &str| SearchWords::of(text).map(|words| words.expression);
        for (text, expected) in [
            ("my-app", "\"my-app\"*"),
            ("alice.test/my-app:v1", "\"alice.test\"* \"my-app\"* \"v1\"*"),
            ("NEAR(a b, 2)", "\"NEAR(a\"* \"b,\"* \"2)\"*"),
            ("a\" OR \"b", "\"a\"* \"OR\"* \"b\"*"),
            ("name:x -y ^z", "\"name\"* \"x\"* \"-y\"* \"^z\"*"),
            ("a\0b\u{1b}c", "\"a\"* \"b\"* \"c\"*"),
            ("été 東京", "\"été\"* \"東京\"*"),
        ] {
            assert_eq!(expression(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "  ", "\"", "* ( ) ^ - +", "\u{200b}", "\0"] {
            assert_eq!(expression(text), None, "{text:?}");
        }
        assert_eq!(expression(&"a ".repeat(5000)).unwrap().matches('"').count(), 16);
        assert!(expression(&"a".repeat(10_000)).unwrap().len() < 100);
    }

    #[test]
    fn a_place_that_is_forged_is_none_or_another_place() {
        let position = Position { value: 1_700_000_000_000_000, id: 7 };
        assert_eq!(Position::parse(&position.to_text()), Some(position));
        let negative = Position { value: -1, id: 7 }.to_text();
        for text in ["", "x", "1", "AAAA", "%", negative.as_str(), &"A".repeat(1000)] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }
}
