//! Routes of pages: `/<owner>`, `/<owner>/<repository>`, and that with `:<tag>` or `@<digest>`. An owner has a dot or
//! begins with `did`, which no other path of ours does.

use crate::names::{Owner, Reference, RepositoryName};
use crate::web::Endpoint;
use atproto::syntax::{Digest, ImageName, Tag};

/// A page that a path names.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::web) enum SitePage {
    /// The page of an account.
    Owner(Owner),
    /// The page of a repository.
    Repository(Owner, ImageName),
    /// The page of an image.
    Image(Owner, ImageName, Reference),
    /// The picture of an account or of a repository.
    Picture(Owner, Option<ImageName>),
}

const PICTURES: &str = "/picture/";

/// Returns the endpoint of the page that a path may name. The path is not checked in full.
pub(in crate::web) fn kind(path: &str) -> Option<Endpoint> {
    if path.starts_with(PICTURES) {
        return Some(Endpoint::Picture);
    }
    let (owner, rest) = split(path)?;
    let is_owner = (owner.contains('.') && !owner.starts_with('.')) || owner.starts_with("did");
    let kind = match rest {
        _ if !is_owner => return None,
        "" => Endpoint::Owner,
        rest if reference(rest).is_some() => Endpoint::Image,
        _ => Endpoint::Repository,
    };
    Some(kind)
}

/// Whether a path is that of the page of an owner, a repository or an image.
pub(in crate::web) fn is_page(path: &str) -> bool {
    kind(path).is_some() && SitePage::of(path).is_some_and(|page| !matches!(page, SitePage::Picture(..)))
}

impl SitePage {
    /// Parses a path; `None` when it cannot name a page.
    pub(in crate::web) fn of(path: &str) -> Option<Self> {
        if let Some(rest) = path.strip_prefix(PICTURES) {
            let (owner, name) = rest.split_once('/').map_or((rest, None), |(owner, name)| (owner, Some(name)));
            return Some(Self::Picture(Owner::parse(owner).ok()?, name.map(ImageName::parse).transpose().ok()?));
        }
        let (owner, rest) = split(path)?;
        let owner = Owner::parse(owner).ok()?;
        if rest.is_empty() {
            return Some(Self::Owner(owner));
        }
        let (name, what) = reference(rest).unwrap_or((rest, ""));
        let name = RepositoryName::of(&owner, &ImageName::parse(name).ok()?).ok()?.name;
        match what.split_at_checked(1) {
            Some((":", tag)) => Some(Self::Image(owner, name, Reference::Tag(Tag::parse(tag).ok()?))),
            Some(("@", digest)) => Some(Self::Image(owner, name, Reference::Digest(Digest::parse(digest).ok()?))),
            _ => Some(Self::Repository(owner, name)),
        }
    }

    /// Returns the account in the path.
    pub(super) fn owner(&self) -> &Owner {
        match self {
            Self::Owner(owner) | Self::Repository(owner, _) | Self::Image(owner, ..) | Self::Picture(owner, _) => owner,
        }
    }
}

/// Splits a path into the owner, without a leading `@`, and the rest, without a trailing slash.
fn split(path: &str) -> Option<(&str, &str)> {
    let path = path.strip_prefix('/')?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let (owner, rest) = path.split_once('/').unwrap_or((path, ""));
    Some((owner.strip_prefix('@').unwrap_or(owner), rest))
}

/// Splits a name from the `:<tag>` or `@<digest>` behind it.
fn reference(rest: &str) -> Option<(&str, &str)> {
    let last = rest.rfind('/').map_or(0, |at| at + 1);
    let at = rest[last..].find(['@', ':'])?;
    Some(rest.split_at(last + at))
}

#[cfg(test)]
mod tests {
    use super::{SitePage, kind};
    use crate::web::Endpoint;

    #[test]
    fn pages_collide_with_nothing_else() {
        for path in
            ["/", "/v2", "/v2/", "/auth/token", "/oauth/jwks.json", "/xrpc/a.b.c", "/.well-known/did.json", "/settings"]
        {
            assert_eq!(kind(path), None, "{path}");
        }
        for (path, expected) in [
            ("/alice.test", Endpoint::Owner),
            ("/@alice.test/", Endpoint::Owner),
            ("/did:plc:ewvi7nxzyoun6zhxrhs64oiz", Endpoint::Owner),
            ("/did-plc-ewvi7nxzyoun6zhxrhs64oiz/app", Endpoint::Repository),
            ("/alice.test/team/app", Endpoint::Repository),
            ("/alice.test/team/app:v1.0", Endpoint::Image),
            ("/alice.test/app@sha256:77", Endpoint::Image),
            ("/picture/alice.test/app", Endpoint::Picture),
        ] {
            assert_eq!(kind(path), Some(expected), "{path}");
        }
    }

    #[test]
    fn a_path_that_names_nothing_is_none() {
        let digest = format!("/alice.test/app@sha256:{}", "7".repeat(64));
        for path in ["/Alice.Test", "/alice.test/app", "/alice.test/a/b:c", digest.as_str(), "/picture/alice.test"] {
            assert!(SitePage::of(path).is_some(), "{path}");
        }
        let long = format!("/alice.test/{}", "a".repeat(300));
        for path in [
            "/alice.test/App",
            "/alice.test//app",
            "/alice.test/app:",
            "/alice.test/app@latest",
            "/a..b",
            "/alice.test/../x",
            "/alice.test/app:a:b",
            "/alice.test/<b>",
            "/picture/",
            "/picture/alice.test/A",
            long.as_str(),
        ] {
            assert_eq!(SitePage::of(path), None, "{path}");
        }
    }
}
