//! Markup that is safe to send: literals of this program, and text that was escaped.
//!
//! Pure. [`Html`] can be made in three ways only, so text from a record or a configuration reaches the page escaped or
//! not at all.

/// A piece of a page.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Html(String);

impl Html {
    /// Markup that stands in this program.
    pub(super) fn literal(markup: &'static str) -> Self {
        Self(markup.to_owned())
    }

    /// Text from anywhere, for between tags and for quoted attributes.
    pub(super) fn text(text: &str) -> Self {
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            match character {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                other => escaped.push(other),
            }
        }
        Self(escaped)
    }

    /// `template` with a piece in each place `{{name}}`. A place without a piece stays empty.
    pub(super) fn fill(template: &'static str, pieces: &[(&str, Self)]) -> Self {
        let mut parts = template.split("{{");
        let mut filled = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once("}}").unwrap_or(("", part));
            let piece = pieces.iter().find(|(other, _)| *other == name);
            filled.push_str(piece.map_or("", |(_, piece)| &piece.0));
            filled.push_str(rest);
        }
        Self(filled)
    }

    /// Pieces one after the other.
    pub(super) fn join(pieces: impl IntoIterator<Item = Self>) -> Self {
        Self(pieces.into_iter().map(|piece| piece.0).collect())
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Html;

    #[test]
    fn text_cannot_become_markup() {
        let hostile = "<script>alert(1)</script> \" onload='x' &amp; {{name}}";
        let filled = Html::fill("<p title=\"{{a}}\">{{a}}{{b}}</p>{{c}}", &[("a", Html::text(hostile))]).into_string();
        let safe = "&lt;script&gt;alert(1)&lt;/script&gt; &quot; onload=&#39;x&#39; &amp;amp; {{name}}";
        assert_eq!(filled, format!("<p title=\"{safe}\">{safe}</p>"));
    }
}
