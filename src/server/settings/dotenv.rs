//! A file of environment variables: `NAME=value` a line, with comments and quotes. `$` is not expanded.

use std::collections::BTreeMap;
use std::path::Path;

use super::SettingsError;

/// Stands for `$` while the library parses, as it would expand variables.
const DOLLAR: char = '\u{fdd0}';

/// Parses `text`, the content of `path`. The last of several equal names counts.
pub(super) fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, String>, SettingsError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut variables = BTreeMap::new();
    // A quoted value may have several lines.
    let mut open = String::new();
    let mut began = 1;
    for (index, line) in text.lines().enumerate() {
        if open.is_empty() {
            began = index + 1;
        }
        open.push_str(line);
        open.push('\n');
        match dotenvy::from_read_iter(keep_dollars(&open).as_bytes()).collect::<Result<Vec<_>, _>>() {
            Ok(found) => {
                let found = found.into_iter().map(|(name, value)| (name, value.replace(DOLLAR, "$")));
                variables.extend(found);
                open.clear();
            }
            Err(_) if has_open_quote(&open) => {}
            Err(_) => return Err(wrong(path, began)),
        }
    }
    if open.is_empty() { Ok(variables) } else { Err(wrong(path, began)) }
}

// The library's error would repeat the line, which may have a secret.
fn wrong(path: &Path, line: usize) -> SettingsError {
    SettingsError::file(path, &format!("line {line} is not NAME=value, or its quotes do not match"))
}

fn has_open_quote(text: &str) -> bool {
    let value = text.split_once('=').map_or("", |(_, value)| value.trim_start());
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    quote.is_some_and(|quote| value[1..].matches(quote).count() == 0 || value.ends_with("\\\"\n"))
}

fn keep_dollars(line: &str) -> String {
    let value = line.split_once('=').map_or("", |(_, value)| value.trim_start());
    if value.starts_with('\'') {
        return line.replace('$', DOLLAR.encode_utf8(&mut [0; 4]));
    }
    let mut kept = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            // `\$`, the library's escape, has the same meaning.
            ('\\', Some('$')) => {}
            ('\\', Some(next)) => {
                kept.extend([c, *next]);
                chars.next();
            }
            ('$', _) => kept.push(DOLLAR),
            _ => kept.push(c),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, String> {
        parse(Path::new("x.env"), text).map(|found| found.into_iter().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_dollar_means_itself() {
        for (text, value) in [
            ("A=p$HOME", "p$HOME"),
            ("A=\"p${HOME}$\"", "p${HOME}$"),
            ("A='p$HOME\\$'", "p$HOME\\$"),
            ("A=p\\$x", "p$x"),
            ("export A=plain # comment $x", "plain"),
            ("A='two\nlines'", "two\nlines"),
            ("A=\"two\nlines\"", "two\nlines"),
        ] {
            assert_eq!(read(text), Ok(vec![("A".to_owned(), value.to_owned())]), "{text}");
        }
    }

    #[test]
    fn a_mistake_has_the_number_of_its_line_and_not_its_text() {
        for (text, line) in [
            ("A=1\n\n# it's fine\nthis is no assignment hunter2\nB=2\n", 4),
            ("A=1\nB='hunter2\nC=3\n", 2),
            ("A=hunter2 hunter2", 1),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(&format!("x.env: line {line} ")), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
