//! The identity of a hold. <https://atproto.com/specs/did#blessed-did-methods>

use super::{Did, ServiceUrl, SyntaxError};

/// A hold, as records and settings name it: by the did:web of its host, or by a did:plc, whose document says where it
/// is. As text, the one is a URL and the other a DID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldId {
    /// A hold at the host that its did:web names.
    Web(ServiceUrl),
    /// A hold whose DID document must be read before it is called.
    Plc(Did),
}

impl HoldId {
    /// Parses the DID of a hold or, as older records have it, its URL.
    ///
    /// # Errors
    /// When it is neither, or a DID that names no host.
    pub fn parse(text: &str) -> Result<Self, SyntaxError> {
        if text.starts_with("did:") { Self::of_did(&Did::parse(text)?) } else { ServiceUrl::parse(text).map(Self::Web) }
    }

    /// Returns the hold with this DID.
    ///
    /// # Errors
    /// When it is neither a did:plc nor a did:web of a host.
    pub fn of_did(did: &Did) -> Result<Self, SyntaxError> {
        if did.is_plc() { Ok(Self::Plc(did.clone())) } else { ServiceUrl::of_did(did).map(Self::Web) }
    }

    /// Returns the hold that a record names by its DID or, in older records, by its URL; `None` when neither is valid.
    #[must_use]
    pub fn of_record(did: Option<&str>, endpoint: Option<&str>) -> Option<Self> {
        let by_did = did.and_then(|did| Self::of_did(&Did::parse(did).ok()?).ok());
        by_did.or_else(|| ServiceUrl::parse(endpoint?).ok().map(Self::Web))
    }

    /// Returns the URL of a hold by did:web, or the did:plc: text that [`HoldId::parse`] reads.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Web(url) => url.as_str(),
            Self::Plc(did) => did.as_str(),
        }
    }

    /// Returns the hold's DID.
    #[must_use]
    pub fn did(&self) -> &Did {
        match self {
            Self::Web(url) => url.did(),
            Self::Plc(did) => did,
        }
    }
}

impl std::fmt::Display for HoldId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::HoldId;

    const PLC: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";

    #[test]
    fn a_record_names_a_hold_in_the_field_for_it() {
        let read = |did, endpoint| HoldId::of_record(did, endpoint).map(|hold| hold.to_string());
        let url = "https://hold.example.org";
        assert_eq!(read(Some(PLC), Some(url)), Some(PLC.into()));
        assert_eq!(read(Some("did:plc:short"), Some(url)), Some(url.into()));
        assert_eq!([read(Some(url), None), read(None, Some(PLC)), read(None, None)], [None, None, None]);
    }

    #[test]
    fn a_hold_is_named_by_its_did_or_its_url() {
        let read = |text| HoldId::parse(text).map(|hold| (hold.did().to_string(), hold.to_string())).ok();
        let web = Some(("did:web:hold.example.org".to_owned(), "https://hold.example.org".to_owned()));
        assert_eq!(read("did:web:hold.example.org"), web);
        assert_eq!(read("https://hold.example.org/"), web);
        assert_eq!(read(PLC), Some((PLC.into(), PLC.into())));
        for text in [
            "did:plc:short",
            "did:plc:EWVI7NXZYOUN6ZHXRHS64OIZ",
            "did:key:zQ3sh",
            "did:web:10.0.0.1",
            "hold.example.org",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
