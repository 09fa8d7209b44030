//! Search queries: words, an order, a cursor. Typed text is never syntax of the full-text engine.

use data_encoding::BASE64URL_NOPAD;

/// Maximum number of words in a query, and their maximum length: the rest is ignored.
const MAX_WORDS: usize = 8;
const MAX_WORD_CHARS: usize = 64;
/// Maximum length of a query; longer ones are refused by the callers.
const MAX_QUERY_CHARS: usize = 1024;

/// The words of a query: each matches words that begin with it, or a sequence of words whose last one does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchWords {
    /// Expression for FTS5.
    expression: String,
    /// The whole query in lower case: repositories with this name, or with this last part of it, come first.
    whole: String,
}

impl SearchWords {
    /// Parses a query; `None` when it has no words.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let text: String = text.chars().take(MAX_QUERY_CHARS).collect();
        // An image name is split into the owner's name and its own.
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

/// The order of repositories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepositoryOrder {
    /// The latest push first.
    #[default]
    Pushed,
    /// The most stars first.
    Stars,
    /// The most pulls first, as counted by their holds.
    Pulls,
}

impl RepositoryOrder {
    /// All orders, with their names.
    pub const ALL: [(&'static str, Self); 3] =
        [("pushed", Self::Pushed), ("stars", Self::Stars), ("pulls", Self::Pulls)];

    /// Returns the order with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, order)| *order)
    }

    /// Returns the name of the order.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, order)| *order == self).map_or("", |(name, _)| name)
    }
}

/// The position in a list after which the next page begins. Clients get it as a cursor; it is no secret and needs no
/// signature: an invented position is as good as any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Value of the list's order; in search results the number of results before.
    pub(super) value: i64,
    pub(super) id: i64,
}

impl Position {
    /// The position before the first entry.
    pub(super) const START: Self = Self { value: i64::MAX, id: i64::MAX };

    /// Returns the position after this number of search results.
    #[must_use]
    pub fn behind(results: usize) -> Self {
        Self { value: i64::try_from(results).unwrap_or(i64::MAX), id: 0 }
    }

    /// Parses the text of [`Position::to_text`]; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()?;
        let (value, id) = bytes.split_at(8);
        let number = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).ok();
        Some(Self { value: number(value)?, id: number(id)? }).filter(|found| found.value >= 0 && found.id >= 0)
    }

    /// Returns the position as text for a URL.
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
