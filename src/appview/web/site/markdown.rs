//! Rendering of untrusted Markdown as safe HTML: all its elements, attributes and URLs are made here. Pictures become
//! links, so that no other server learns who reads a page.

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// Deepest nesting of elements; deeper elements are left out, but not their text.
const MAX_DEPTH: usize = 32;

/// Most parser events of a text. A text with more was made to become a page of megabytes: it is shown unrendered.
const MAX_EVENTS: usize = 60_000;

struct Writer {
    /// Whether the start tag of each open element was written.
    open: Vec<bool>,
    /// Whether a link is open: links are not nested.
    is_in_link: bool,
    /// The HTML of the open HTML block.
    block: String,
    /// The level of the last heading: levels are not skipped below the page's own headings.
    heading: u8,
}

/// Renders `text` as HTML below a heading of the second level.
pub(super) fn render(text: &str) -> String {
    let text = server::text::lines(text);
    let parser = Parser::new_ext(&text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    let mut writer = Writer { open: Vec::new(), is_in_link: false, block: String::new(), heading: 2 };
    let mut out = String::with_capacity(text.len() + text.len() / 2);
    let mut events = 0;
    let counted = parser.take_while(|_| {
        events += 1;
        events <= MAX_EVENTS
    });
    html::push_html(&mut out, counted.flat_map(|event| writer.event(event)));
    if events > MAX_EVENTS {
        return format!("<pre>{}</pre>\n", escape(&text));
    }
    out
}

impl Writer {
    fn event<'e>(&mut self, event: Event<'e>) -> Option<Event<'e>> {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            Event::Html(text) => {
                self.block += &text;
                None
            }
            Event::Text(_) | Event::Code(_) | Event::SoftBreak | Event::HardBreak | Event::Rule => Some(event),
            Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_)
            | Event::TaskListMarker(_) => None,
        }
    }

    fn start<'e>(&mut self, tag: Tag<'e>) -> Option<Event<'e>> {
        let is_link = matches!(tag, Tag::Link { .. } | Tag::Image { .. });
        let shown = match tag {
            _ if self.open.len() >= MAX_DEPTH => None,
            Tag::HtmlBlock => None,
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                is_address(&dest_url).then(|| anchor(&dest_url)).filter(|_| !self.is_in_link)
            }
            Tag::Heading { level, .. } => {
                self.heading = (level as u8 + 2).min(self.heading + 1).clamp(3, 6);
                Some(Event::Start(Tag::Heading {
                    level: self.level(),
                    id: None,
                    classes: Vec::new(),
                    attrs: Vec::new(),
                }))
            }
            other => Some(Event::Start(other)),
        };
        self.open.push(shown.is_some());
        self.is_in_link |= is_link && shown.is_some();
        shown
    }

    fn end<'e>(&mut self, end: TagEnd) -> Option<Event<'e>> {
        let is_shown = self.open.pop()?;
        if end == TagEnd::HtmlBlock {
            let text = between_tags(&std::mem::take(&mut self.block));
            return (!text.trim().is_empty()).then(|| Event::Html(format!("<p>{}</p>\n", escape(text.trim())).into()));
        }
        if !is_shown {
            return None;
        }
        Some(match end {
            TagEnd::Link | TagEnd::Image => {
                self.is_in_link = false;
                Event::InlineHtml("</a>".into())
            }
            TagEnd::Heading(_) => Event::End(TagEnd::Heading(self.level())),
            other => Event::End(other),
        })
    }

    fn level(&self) -> HeadingLevel {
        HeadingLevel::try_from(usize::from(self.heading)).unwrap_or(HeadingLevel::H6)
    }
}

/// Whether a link may lead to the URL: it has the scheme http, https or mailto, so no script and no path of this site.
pub(super) fn is_address(url: &str) -> bool {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    matches!(scheme.as_deref(), Some("https" | "http" | "mailto"))
}

fn anchor<'e>(url: &str) -> Event<'e> {
    Event::InlineHtml(CowStr::from(format!("<a href=\"{}\" rel=\"nofollow ugc noopener\">", escape(url))))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            other => escaped.push(other),
        }
    }
    escaped
}

/// Returns the text of an HTML block without its tags and comments.
fn between_tags(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text += before;
        let end = if tag.starts_with("!--") { "-->" } else { ">" };
        rest = tag.split_once(end).map_or("", |(_, rest)| rest);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn markdown_is_what_people_expect() {
        let html =
            render("# App\n\nIt *runs*.\n\n| a | b |\n|---|---|\n| `1` | 2 |\n\n- x\n\n```sh\ndocker <run>\n```\n");
        assert!(html.starts_with("<h3>App</h3>\n<p>It <em>runs</em>.</p>"), "{html}");
        assert!(html.contains("<td><code>1</code></td>") && html.contains("<li>x</li>"), "{html}");
        assert!(html.contains("docker &lt;run&gt;"), "{html}");
        let html = render("[![build](https://ci.example/a.svg?x&\"y)](https://ci.example)");
        assert_eq!(html, "<p><a href=\"https://ci.example\" rel=\"nofollow ugc noopener\">build</a></p>\n");
        assert!(render("![logo](https://a.example/x.png)").contains(">logo</a>"));
        assert_eq!(render("### deep\n# top"), "<h3>deep</h3>\n<h3>top</h3>\n");
    }

    #[test]
    fn of_elements_their_text_stays() {
        assert_eq!(render("<h1\n align=center>My <b>app</b></h1>\n<!-- a\nb -->\n"), "<p>My app</p>\n");
        assert_eq!(render("<p align=center><img src=x></p>\n"), "");
        assert_eq!(render("a <kbd>b</kbd>"), "<p>a b</p>\n");
    }

    #[test]
    fn hostile_markdown_does_nothing() {
        let cases = [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "<svg/onload=alert(1)>",
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](&#106;avascript:alert(1))",
            "[x](data:text/html,<script>)",
            "[x](/auth/logout)",
            "![x](javascript:alert(1))",
            "<a href=\"javascript:x\">y</a>",
            "<https://a.example/\" onclick=\"x>",
            "[x](https://a.example/\"onmouseover=\"alert(1))",
            "[x](<https://a.example/\"><script>alert(1)</script>>)",
            "```\"><script>\ncode\n```",
            "<!-- <script> --><style>*{display:none}</style>",
            "<iframe src=//evil.example>",
            "<form action=//evil.example><input name=password>",
            "<meta http-equiv=refresh content=0>",
        ];
        for case in cases {
            let html = render(case);
            for bad in [
                "<script",
                "<img",
                "<svg",
                "<iframe",
                "<form",
                "<input",
                "<style",
                "<meta",
                "href=\"java",
                "href=\"data",
                "href=\"/",
            ] {
                assert!(!html.to_lowercase().contains(bad), "{case}: {html}");
            }
            // Every element in the HTML was made here.
            for tag in html.split('<').skip(1) {
                let (tag, _) = tag.split_once('>').unwrap();
                let is_ours = tag.starts_with("a href=\"http") && tag.matches('"').count() == 4
                    || tag.starts_with("code class=\"language-") && tag.matches('"').count() == 2
                    || tag.trim_end_matches(" /").bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'/');
                assert!(is_ours, "{case}: <{tag}>");
            }
        }
    }

    #[test]
    fn what_would_become_a_large_page_is_bounded() {
        let long = "x".repeat(50_000);
        let references = format!("[a]: https://a.example/{long}\n\n{}", "[a] ".repeat(12_000));
        let table = format!("{}\n{}\n{}", "|a".repeat(8_000), "|-".repeat(8_000), "a\n".repeat(34_000));
        let lists: String = (0..400).map(|depth| format!("{}- x\n", " ".repeat(depth))).collect();
        let repeated = [
            ">",
            "> ",
            "- ",
            "1. ",
            "*a ",
            "*a**a ",
            "[",
            "![",
            "[a](",
            "[a](<b",
            "[a][",
            "]",
            "**",
            "_a_",
            "`",
            "`a``",
            "<a>",
            "<",
            "</",
            "<!--",
            "<?",
            "<![CDATA[",
            "&",
            "&amp;",
            "\"",
            "|",
            "~~",
            "\\",
            "\n",
            "\n\n",
            "#",
            "a\n===\n",
            "```\n",
            "\t",
            "x\u{300}",
            "- [ ] ",
            "[^a]",
            "a  \n",
            "<https://a.example>",
            "\u{202e}",
            "\r",
        ];
        let repeated = repeated.map(|piece| piece.repeat(100_000 / piece.len()));
        for text in repeated.iter().chain([&references, &table, &lists, &long]) {
            let html = render(text);
            assert!(html.len() < 1_500_000, "{text:.20}: {} bytes", html.len());
            assert!(html.matches("<blockquote>").count() <= super::MAX_DEPTH, "{text:.20}");
            assert!(html.matches("<ul>").count() <= super::MAX_DEPTH + 1 || !text.contains("   "), "{text:.20}");
        }
        assert!(render(&table).starts_with("<pre>|a|a"), "it is shown as it is");
    }
}
