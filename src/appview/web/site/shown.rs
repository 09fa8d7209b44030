//! Times, sizes, names and links as pages show them.

use crate::catalog::Content;
use crate::names::{Owner, Reference};
use atproto::syntax::{Datetime, Digest, ImageName, Size, Tag};

const UNITS: [(&str, u64); 6] =
    [("year", 31_557_600), ("month", 2_629_800), ("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60)];
const SHORT_DIGEST_CHARS: usize = 12;
const MAX_REASON_CHARS: usize = 500;

/// A time, relative to now.
#[derive(Clone)]
pub(in crate::web) struct Ago {
    /// The relative time: `3 hours ago`.
    pub(in crate::web) text: String,
    /// The exact time, to the minute.
    pub(in crate::web) exact: String,
    /// The time in RFC 3339, for programs.
    pub(in crate::web) machine: String,
}

impl Ago {
    pub(in crate::web) fn of(micros: u64, now_us: u64) -> Self {
        let machine = Datetime::from_micros(micros).to_string();
        let exact = machine.get(..16).map_or_else(String::new, |text| format!("{} UTC", text.replace('T', " ")));
        let seconds = now_us.saturating_sub(micros) / 1_000_000;
        let unit = UNITS.iter().find(|(_, length)| seconds >= *length);
        let text = unit.map_or_else(
            || "just now".to_owned(),
            |(name, length)| format!("{} ago", server::text::with_noun(seconds / length, name)),
        );
        Self { text, exact, machine }
    }

    /// Converts a time of a record; `None` without one.
    pub(in crate::web) fn of_record(time: Option<&Datetime>, now_us: u64) -> Option<Self> {
        time.map(Datetime::to_micros).filter(|micros| *micros > 0).map(|micros| Self::of(micros, now_us))
    }
}

/// Returns an error of another server as one line without a full stop.
pub(in crate::web) fn reason(problem: &str) -> String {
    let line = server::text::line(problem, MAX_REASON_CHARS).unwrap_or_default();
    line.trim_end_matches('.').to_owned()
}

pub(super) fn size(bytes: u64) -> String {
    Size { bytes }.to_string()
}

/// Returns the first characters of a digest: enough for people to tell two apart.
pub(in crate::web) fn short(digest: &Digest) -> String {
    digest.hex().chars().take(SHORT_DIGEST_CHARS).collect()
}

/// Returns `:<tag>` or `@<digest>`, which follows the repository in an image's name.
pub(super) fn suffix(reference: &Reference) -> String {
    match reference {
        Reference::Tag(tag) => format!(":{tag}"),
        Reference::Digest(digest) => format!("@{digest}"),
    }
}

/// Returns the command that pulls an image, a chart or another artifact.
pub(super) fn pull(content: Content, repository: &str, reference: &Reference) -> String {
    let suffix = suffix(reference);
    match (content, reference) {
        (Content::Image, _) => format!("docker pull {repository}{suffix}"),
        // A `+` of a version is a `_` in its tag.
        (Content::Chart, Reference::Tag(tag)) if is_version(tag) => {
            format!("helm pull oci://{repository} --version {}", tag.as_str().replace('_', "+"))
        }
        (Content::Chart | Content::Artifact, _) => format!("oras pull {repository}{suffix}"),
    }
}

/// Whether a tag is a version as Helm takes it: three numbers, and what may follow.
fn is_version(tag: &Tag) -> bool {
    let mut parts = tag.as_str().splitn(3, '.');
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    is_number(parts.next())
        && is_number(parts.next())
        && parts.next().is_some_and(|rest| rest.starts_with(|of: char| of.is_ascii_digit()))
}

/// Returns the path of a repository's page.
pub(in crate::web) fn path_of(owner: &Owner, name: &ImageName) -> String {
    format!("/{owner}/{name}")
}

/// Returns the kind of an artifact in words, by its media type and its annotations.
pub(super) fn kind(media_type: &str, annotations: &[(String, String)]) -> &'static str {
    let predicate = annotations.iter().find(|(name, _)| name.ends_with("predicateType")).map_or("", |(_, value)| value);
    let is = |part: &str| media_type.contains(part) || predicate.contains(part);
    if is("cosign.simplesigning")
        || is("cosign.artifact.sig")
        || is("cncf.notary.signature")
        || is("sigstore.bundle") && predicate.is_empty()
    {
        "Signature"
    } else if is("spdx") || is("cyclonedx") || is("syft") || is("sbom") {
        "Bill of materials"
    } else if is("slsa.dev/provenance") {
        "Provenance"
    } else if is("in-toto") || is("dsse") || is("sigstore.bundle") {
        "Attestation"
    } else if is("vuln") || is("sarif") {
        "Scan"
    } else {
        "Artifact"
    }
}

#[cfg(test)]
mod tests {
    use super::{Ago, Content, Digest, Reference, Tag, kind, pull};

    #[test]
    fn times_are_said_by_their_largest_unit() {
        let ago = |seconds: u64| Ago::of(1_700_000_000_000_000, 1_700_000_000_000_000 + seconds * 1_000_000).text;
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (7200, "2 hours ago"),
            (86_400 * 8, "1 week ago"),
            (86_400 * 400, "1 year ago"),
        ] {
            assert_eq!(ago(seconds), text);
        }
        assert_eq!(Ago::of(2_000_000, 1_000_000).text, "just now", "a clock that is ahead");
        assert_eq!(Ago::of(1_700_000_000_000_000, 0).exact, "2023-11-14 22:13 UTC");
    }

    #[test]
    fn each_content_has_its_command() {
        let digest = Digest::from_bytes([0x77; 32]);
        let tag = |text: &str| Reference::Tag(Tag::parse(text).unwrap());
        let by_digest = Reference::Digest(digest);
        for (content, reference, command) in [
            (Content::Image, tag("v1"), "docker pull r/a/b:v1".to_owned()),
            (Content::Image, by_digest.clone(), format!("docker pull r/a/b@{digest}")),
            (
                Content::Chart,
                tag("1.2.3-rc.1_build.7"),
                "helm pull oci://r/a/b --version 1.2.3-rc.1+build.7".to_owned(),
            ),
            (Content::Chart, tag("latest"), "oras pull r/a/b:latest".to_owned()),
            (Content::Chart, tag("v1.2.3"), "oras pull r/a/b:v1.2.3".to_owned()),
            (Content::Chart, tag("1.2"), "oras pull r/a/b:1.2".to_owned()),
            (Content::Chart, by_digest.clone(), format!("oras pull r/a/b@{digest}")),
            (Content::Artifact, tag("v1"), "oras pull r/a/b:v1".to_owned()),
        ] {
            assert_eq!(pull(content, "r/a/b", &reference), command);
        }
    }

    #[test]
    fn what_is_attached_is_said_in_words() {
        let predicate = |kind: &str| vec![("dev.sigstore.bundle.predicateType".to_owned(), kind.to_owned())];
        assert_eq!(kind("application/vnd.dev.cosign.simplesigning.v1+json", &[]), "Signature");
        assert_eq!(kind("application/vnd.dev.sigstore.bundle.v0.3+json", &[]), "Signature");
        let provenance = predicate("https://slsa.dev/provenance/v1");
        assert_eq!(kind("application/vnd.dev.sigstore.bundle.v0.3+json", &provenance), "Provenance");
        assert_eq!(kind("application/spdx+json", &[]), "Bill of materials");
        assert_eq!(kind("application/vnd.in-toto+json", &[]), "Attestation");
        assert_eq!(kind("application/x", &[]), "Artifact");
    }
}
