//! The words of a repository's page, for searches and the lists that they make: Markdown without its signs.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// Bytes of a page that are looked through for its first words, as badges and comments may stand before them.
const MAX_READ_BYTES: usize = 16 * 1024;

/// Returns the first words of a text in Markdown, up to the line with which they are more than `max` bytes: of headings,
/// paragraphs, lists and tables, without code blocks, pictures and HTML. Headings end with a colon.
pub(super) fn page_words(text: &str, max: usize) -> String {
    let mut words = String::new();
    let mut hidden = 0_usize;
    let beginning = &text[..text.floor_char_boundary(MAX_READ_BYTES)];
    for event in Parser::new_ext(beginning, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Start(tag) if is_hidden(&tag) => hidden += 1,
            Event::End(TagEnd::Image | TagEnd::CodeBlock | TagEnd::HtmlBlock) => hidden = hidden.saturating_sub(1),
            Event::Text(part) | Event::Code(part) if hidden == 0 => words += &part,
            Event::End(TagEnd::Heading(_)) if words.ends_with(char::is_alphanumeric) => words += ": ",
            Event::End(end) if !is_inline(end) => words.push(' '),
            Event::SoftBreak | Event::HardBreak => words.push(' '),
            _ => {}
        }
        if words.len() > max {
            break;
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches(':').to_owned()
}

fn is_hidden(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::Image { .. } | Tag::CodeBlock(_) | Tag::HtmlBlock)
}

fn is_inline(end: TagEnd) -> bool {
    matches!(end, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link)
}

#[cfg(test)]
mod tests {
    use super::page_words;

    #[test]
    fn a_page_is_found_and_listed_by_its_words() {
        for (text, words) in [
            ("Watches the tide.", "Watches the tide."),
            ("# Tools\n\nOf the **office**.", "Tools: Of the office."),
            ("# What?\n\nThat [one](https://a.example), `x`\nand *y*.", "What? That one, x and y."),
            ("[![badge](https://a.example/b.svg)](https://a.example)\n\n# App", "App"),
            ("<!-- hidden -->\n<h1>also</h1>\n\nText with <b>HTML</b>", "Text with HTML"),
            ("Run:\n\n```sh\ndocker run x\n```\n\n- one\n- two", "Run: one two"),
            ("| Variable | Meaning |\n|---|---|\n| `PIER` | ~~old~~ |", "Variable Meaning PIER old"),
            ("![only a picture](https://a.example/b.svg)", ""),
            ("", ""),
        ] {
            assert_eq!(page_words(text, 300), words, "{text}");
        }
    }

    #[test]
    fn of_a_long_or_hostile_page_the_beginning_is_read() {
        assert!(page_words(&"word ".repeat(100_000), 300).len() <= 16 * 1024);
        assert!(page_words(&"word\n".repeat(100_000), 300).len() < 320);
        for sign in [">", "[", "*", "`", "![", "- ", "é"] {
            page_words(&sign.repeat(50_000), 300);
        }
    }
}
