//! Escapes text from records and configurations for HTML.

use std::fmt::{self, Write};

/// Escapes characters that could become markup, between tags and in quoted attributes; every value in a template is
/// escaped unless it is marked safe.
#[derive(Clone, Copy, Default)]
pub(super) struct NamedEntities;

impl askama::filters::Escaper for NamedEntities {
    fn write_escaped_str<W: Write>(&self, mut to: W, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '&' => to.write_str("&amp;")?,
                '<' => to.write_str("&lt;")?,
                '>' => to.write_str("&gt;")?,
                '"' => to.write_str("&quot;")?,
                '\'' => to.write_str("&#39;")?,
                other => to.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use askama::filters::Escaper as _;

    use super::NamedEntities;

    #[test]
    fn text_cannot_become_markup() {
        let mut escaped = String::new();
        NamedEntities
            .write_escaped_str(&mut escaped, "<script>alert(1)</script> \" onload='x' &amp; {{ name }}")
            .unwrap();
        let safe = "&lt;script&gt;alert(1)&lt;/script&gt; &quot; onload=&#39;x&#39; &amp;amp; {{ name }}";
        assert_eq!(escaped, safe);
    }
}
