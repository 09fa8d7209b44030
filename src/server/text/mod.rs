//! Cleans and shortens untrusted text for display: removes invisible characters and those that change the direction of
//! text. Pure.

use std::ops::RangeInclusive;

/// Characters that change the text around them, or break a line.
const DROPPED: [RangeInclusive<char>; 5] = [
    '\u{0}'..='\u{1f}',
    '\u{7f}'..='\u{9f}',
    '\u{2028}'..='\u{202e}',
    '\u{2066}'..='\u{2069}',
    '\u{fff9}'..='\u{fffb}',
];
/// Characters that are invisible by themselves. Emoji and some scripts need them between others.
const INVISIBLE: [RangeInclusive<char>; 11] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{feff}',
    '\u{e0000}'..='\u{e0fff}',
];

fn is_in(ranges: &[RangeInclusive<char>], character: char) -> bool {
    ranges.iter().any(|range| range.contains(&character))
}

/// Returns the text in one line of at most `max` characters; `None` when none of it is visible.
#[must_use]
pub fn line(text: &str, max: usize) -> Option<String> {
    let shown = text.chars().map(|character| if character.is_whitespace() { ' ' } else { character });
    let shown: String = shown.filter(|character| !is_in(&DROPPED, *character)).collect();
    let visible = |character: char| !character.is_whitespace() && !is_in(&INVISIBLE, character);
    if !shown.chars().any(visible) {
        return None;
    }
    let shown = shown.trim();
    match shown.char_indices().nth(max) {
        None => Some(shown.to_owned()),
        Some((end, _)) => Some(format!("{}…", shown[..end].trim_end())),
    }
}

/// Returns the text with its line breaks, without characters that change the text around them.
#[must_use]
pub fn lines(text: &str) -> String {
    text.chars().filter(|character| matches!(character, '\n' | '\t') || !is_in(&DROPPED, *character)).collect()
}

/// Returns a number with its noun: `1 blob`, `12,000 blobs`.
#[must_use]
pub fn with_noun(number: u64, noun: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{line, lines, with_noun};

    #[test]
    fn lines_stay_and_what_turns_them_around_goes() {
        assert_eq!(lines("a\r\n\tb\u{202e}c\u{7}"), "a\n\tbc");
    }

    #[test]
    fn nothing_turns_the_text_around_or_hides_it() {
        let cases = [
            ("Ünal's hold", Some("Ünal's hold")),
            ("  a\tb\u{2028}c\r\nd\u{7}  ", Some("a b c  d")),
            ("\u{202e}dloh\u{202c} \u{2066}x\u{2069}", Some("dloh x")),
            ("שלום\u{200f} عالم", Some("שלום\u{200f} عالم")),
            ("👨\u{200d}👩\u{200d}👧", Some("👨\u{200d}👩\u{200d}👧")),
            ("", None),
            (" \u{200b}\u{feff}\u{2800}\u{3164}\u{e0041}\u{200d} ", None),
        ];
        for (text, expected) in cases {
            assert_eq!(line(text, 30).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let long = "ü".repeat(1000);
        assert_eq!(line(&long, 1000), Some(long.clone()));
        assert_eq!(line(&long, 10), Some(format!("{}…", "ü".repeat(10))));
    }

    #[test]
    fn numbers_have_their_noun() {
        let counts = [(0, "0 blobs"), (1, "1 blob"), (999, "999 blobs"), (1_000, "1,000 blobs")];
        for (number, text) in counts {
            assert_eq!(with_noun(number, "blob"), text);
        }
        assert_eq!(with_noun(1_234_567, "member"), "1,234,567 members");
    }
}
