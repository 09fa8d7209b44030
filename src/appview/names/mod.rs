//! Names in the paths of a registry: `<owner>/<repository>`, and a tag or a digest.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>

use std::fmt;

use atproto::syntax::{Did, Digest, Handle, ImageName, SyntaxError, Tag};

/// The owner of a repository: an account, by its DID or its handle.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A DID. It is displayed with hyphens, for an image name cannot have a colon: `did-plc-…`, `did-web-…`.
    Did(Did),
    /// A handle. It is displayed in lower case.
    Handle(Handle),
}

/// Returns a name that a person typed or pasted, without the spaces and the marks of direction around it: what is copied from
/// an app is often wrapped in them, and nobody sees them.
#[must_use]
pub fn typed(text: &str) -> &str {
    let is_mark = |of: char| matches!(of, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.trim_matches(|of: char| of.is_whitespace() || is_mark(of))
}

/// Number of characters after `did-plc-`.
const PLC_ID_CHARS: usize = 24;

impl Owner {
    /// Parses the first part of an image name, or the user name of a sign-in, which may be a DID with its colons.
    ///
    /// # Errors
    /// When `text` is neither a DID nor a handle.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let text = text.to_ascii_lowercase();
        if let Some(id) = text.strip_prefix("did-plc-").filter(|id| id.len() == PLC_ID_CHARS) {
            return Did::parse(&format!("did:plc:{id}")).map(Self::Did);
        }
        if let Some(host) = text.strip_prefix("did-web-").filter(|host| host.contains('.')) {
            return Did::parse(&format!("did:web:{host}")).map(Self::Did);
        }
        if text.starts_with("did:") {
            return Did::parse(&text).map(Self::Did);
        }
        Handle::parse(&text).map(Self::Handle)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Did(did) => f.write_str(&did.as_str().replace(':', "-")),
            Self::Handle(handle) => f.write_str(&handle.as_str().to_ascii_lowercase()),
        }
    }
}

/// The name of a repository of images: `<owner>/<repository>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepositoryName {
    text: Box<str>,
    /// The owner.
    pub owner: Owner,
    /// The name without the owner, which may have slashes: `repository` in records.
    pub name: ImageName,
}

/// Longest name without the owner that the lexicons of the records allow.
const MAX_NAME_BYTES: usize = 255;
const NAME: SyntaxError =
    SyntaxError { kind: "image name", reason: "it must look like alice.example.org/myapp or did-plc-…/team/my-app" };

impl RepositoryName {
    /// Parses a name by the grammar of the distribution specification.
    ///
    /// # Errors
    /// The reason why `text` is not a valid name.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        let (owner, name) = text.split_once('/').ok_or(NAME)?;
        let name = ImageName::parse(name)?;
        // The owner may have no other characters than the rest of the name.
        ImageName::parse(owner).map_err(|_| NAME)?;
        if name.as_str().len() > MAX_NAME_BYTES {
            return Err(SyntaxError { kind: "image name", reason: "it must have at most 255 characters" });
        }
        Ok(Self { text: text.into(), owner: Owner::parse(owner).map_err(|_| NAME)?, name })
    }

    /// Returns the name of a repository of `owner`.
    ///
    /// # Errors
    /// When the owner cannot be written in an image name: a did:web with a port or a path.
    pub fn of(owner: &Owner, name: &ImageName) -> Result<Self, SyntaxError> {
        Self::parse(&format!("{owner}/{name}"))
    }

    /// Returns the name as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A reference to a manifest in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// The manifest that a tag points to.
    Tag(Tag),
    /// The manifest with this digest.
    Digest(Digest),
}

#[cfg(test)]
mod tests {
    use super::{Owner, RepositoryName, typed};

    #[test]
    fn what_nobody_sees_around_a_name_is_no_part_of_it() {
        assert_eq!(typed(" \u{202a}@alice.example.org\u{202c}\n"), "@alice.example.org");
        assert_eq!(typed("\u{2068}alice.example.org\u{2069}\u{200e}"), "alice.example.org");
        assert_eq!(typed("ali\u{202e}ce"), "ali\u{202e}ce");
        assert_eq!(typed(" \u{202a}\u{202c}"), "");
    }

    #[test]
    fn an_owner_is_a_did_with_hyphens_or_a_handle() {
        let owner = |text: &str| match Owner::parse(text) {
            Ok(Owner::Did(did)) => did.to_string(),
            Ok(Owner::Handle(handle)) => format!("@{handle}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(owner("did-plc-ewvi7nxzyoun6zhxrhs64oiz"), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
        assert_eq!(owner("did-web-alice.example.org"), "did:web:alice.example.org");
        assert_eq!(owner("did:plc:ewvi7nxzyoun6zhxrhs64oiz"), "did:plc:ewvi7nxzyoun6zhxrhs64oiz");
        assert_eq!(owner("Alice.Example.org"), "@alice.example.org");
        assert_eq!(owner("did-plc-short.example.org"), "@did-plc-short.example.org");
        assert!(owner("alice").starts_with("not a valid handle"));
    }

    #[test]
    fn names_are_an_owner_and_a_repository() {
        let name = RepositoryName::parse("alice.example.org/team/my-app").unwrap();
        assert_eq!((name.name.as_str(), name.as_str()), ("team/my-app", "alice.example.org/team/my-app"));
        for text in [
            "alice.example.org",
            "alice.example.org/",
            "alice/app",
            "/app",
            "alice.example.org/App",
            "Alice.example.org/app",
            "did:plc:ewvi7nxzyoun6zhxrhs64oiz/app",
            "alice.example.org//app",
            &format!("alice.example.org/{}", "a".repeat(256)),
        ] {
            assert!(RepositoryName::parse(text).is_err(), "{text}");
        }
    }
}
