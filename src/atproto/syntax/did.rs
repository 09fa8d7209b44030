//! Decentralized identifiers: `did:plc:…`, `did:web:…`. <https://atproto.com/specs/did>

/// Limit of a DID in bytes.
const MAX_BYTES: usize = 2048;
/// Length of the identifier of a did:plc.
const PLC_ID_BYTES: usize = 24;

text_newtype!(
    /// A DID of any method. Only `plc` and `web` can be resolved; the resolver checks that.
    Did,
    "DID",
    check
);

fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_BYTES {
        return Err("longer than 2048 bytes");
    }
    let rest = text.strip_prefix("did:").ok_or("it must begin with \"did:\"")?;
    let (method, id) = rest.split_once(':').ok_or("it needs a method and an identifier, as in did:plc:…")?;
    if method.is_empty() || !method.bytes().all(|b| b.is_ascii_lowercase()) {
        return Err("the method must be lower-case letters");
    }
    if id.is_empty() {
        return Err("the identifier is empty");
    }
    if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:%-".contains(&b)) {
        return Err("only letters, digits and . _ : % - are allowed");
    }
    if id.ends_with([':', '%']) {
        return Err("it must not end in ':' or '%'");
    }
    Ok(())
}

impl Did {
    /// Returns the method name: `plc`, `web`, ….
    #[must_use]
    pub fn method(&self) -> &str {
        self.as_str().split(':').nth(1).unwrap_or_default()
    }

    /// Returns the part after `did:<method>:`.
    #[must_use]
    pub fn identifier(&self) -> &str {
        self.as_str().splitn(3, ':').nth(2).unwrap_or_default()
    }

    /// Whether it is a did:plc: its identifier is 24 characters of base32. <https://web.plc.directory/spec/v0.1/did-plc>
    #[must_use]
    pub fn is_plc(&self) -> bool {
        let is_base32 = |byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
        let id = self.identifier();
        self.method() == "plc" && id.len() == PLC_ID_BYTES && id.bytes().all(is_base32)
    }

    /// Returns the did:web of a host, with a port written as `%3A`.
    ///
    /// # Errors
    /// When the host does not make a valid DID.
    pub fn web(host: &str, port: Option<u16>) -> Result<Self, super::SyntaxError> {
        match port {
            Some(port) => Self::parse(&format!("did:web:{host}%3A{port}")),
            None => Self::parse(&format!("did:web:{host}")),
        }
    }
}
