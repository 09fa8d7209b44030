//! Parses another account's DID document. Pure.
//!
//! A document is untrusted input: its `id` must be the DID that was resolved, and only the signing key, the handle and
//! the PDS are kept of it. <https://atproto.com/specs/did#did-documents>

use serde::Deserialize;
use serde_json::{Value, json};

use super::ResolveError;
use atproto::keys::{HighS, PublicKey};
use atproto::syntax::{Did, Handle};

/// The service type of a PDS.
const PDS: &str = "AtprotoPersonalDataServer";
/// Longest PDS address kept: a scheme, a host name of 253 bytes, a port.
const MAX_PDS_BYTES: usize = 300;

/// An account as its DID document describes it.
#[derive(Debug)]
pub struct Account {
    /// The account's DID.
    pub did: Did,
    /// The key `#atproto`; the account's PDS signs service tokens and commits with it.
    pub key: PublicKey,
    /// The first handle that the document claims. Unverified: the handle's domain was not asked.
    pub handle: Option<Handle>,
    /// The address of the account's PDS, `https://…`.
    pub pds: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    id: String,
    #[serde(default)]
    also_known_as: Vec<String>,
    // Entries for other purposes may have any shape; only those of atproto are read.
    #[serde(default)]
    verification_method: Vec<Value>,
    #[serde(default)]
    service: Vec<Value>,
}

impl Account {
    /// Parses the document `body` that was served for `did`.
    ///
    /// # Errors
    /// [`ResolveError::Invalid`] with the reason.
    pub fn from_document(did: &Did, body: &[u8]) -> Result<Self, ResolveError> {
        let document: Document =
            serde_json::from_slice(body).map_err(|_| ResolveError::Invalid("it is not a DID document in JSON"))?;
        if document.id != did.as_str() {
            return Err(ResolveError::Invalid("its id is another DID"));
        }
        let method = entry(&document.verification_method, did, "atproto")
            .ok_or(ResolveError::Invalid("it has no verification method #atproto"))?;
        let handle = document.also_known_as.iter().find_map(|uri| Handle::parse(uri.strip_prefix("at://")?).ok());
        Ok(Self { did: did.clone(), key: key(method)?, handle, pds: pds(&document.service, did) })
    }

    /// Returns a document from which [`Account::from_document`] makes this account, to be kept instead of the one
    /// served.
    pub(super) fn to_document(&self) -> String {
        let handles: Vec<_> = self.handle.iter().map(|handle| format!("at://{handle}")).collect();
        let method = json!({ "id": "#atproto", "type": "Multikey", "publicKeyMultibase": self.key.to_multikey() });
        let service = |pds| json!({ "id": "#atproto_pds", "type": PDS, "serviceEndpoint": pds });
        let services: Vec<_> = self.pds.iter().map(service).collect();
        json!({ "id": self.did, "alsoKnownAs": handles, "verificationMethod": [method], "service": services })
            .to_string()
    }

    /// Whether `signature` over `message` is valid with this account's key. `algorithm` is the sender's claim (`ES256K`
    /// or `ES256`), and must match the key. High-S signatures are accepted, as by the reference implementations.
    #[must_use]
    pub fn has_signed(&self, algorithm: &str, message: &[u8], signature: &[u8; 64]) -> bool {
        algorithm == self.key.algorithm() && self.key.verify(message, signature, HighS::Accept).is_ok()
    }
}

/// Returns the first entry with the id `#<fragment>`, alone or after the DID.
fn entry<'a>(entries: &'a [Value], did: &Did, fragment: &str) -> Option<&'a Value> {
    entries.iter().find(|entry| {
        let id = entry["id"].as_str().unwrap_or_default();
        let relative = id.strip_prefix(did.as_str()).unwrap_or(id);
        relative.strip_prefix('#') == Some(fragment)
    })
}

fn key(method: &Value) -> Result<PublicKey, ResolveError> {
    let unusable = ResolveError::Invalid("its key #atproto is neither a K-256 nor a P-256 key");
    let (Some(kind), Some(multibase)) = (method["type"].as_str(), method["publicKeyMultibase"].as_str()) else {
        return Err(unusable);
    };
    let key = match kind {
        "Multikey" => PublicKey::from_multikey(multibase),
        legacy => PublicKey::from_legacy(legacy, multibase),
    };
    key.map_err(|_| unusable)
}

fn pds(services: &[Value], did: &Did) -> Option<String> {
    let service = entry(services, did, "atproto_pds")?;
    let endpoint = service["serviceEndpoint"].as_str()?;
    let usable = service["type"] == PDS
        && endpoint.len() <= MAX_PDS_BYTES
        && (endpoint.starts_with("https://") || endpoint.starts_with("http://"))
        // The address is shown and logged: no space, no control character, no user information.
        && endpoint.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
    usable.then(|| endpoint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Account;
    use atproto::keys::SigningKey;
    use atproto::syntax::{Did, Handle};

    #[test]
    fn what_is_kept_of_a_document_is_read_as_the_same_account() {
        let did = Did::parse("did:web:alice.example").unwrap();
        for (handle, pds) in [(Some("alice.example"), Some("https://pds.example")), (None, None)] {
            let key = SigningKey::from_bytes(&[7; 32]).unwrap().public();
            let handle = handle.map(|handle| Handle::parse(handle).unwrap());
            let account = Account { did: did.clone(), key, handle, pds: pds.map(str::to_owned) };
            let read = Account::from_document(&did, account.to_document().as_bytes()).unwrap();
            assert_eq!(
                (read.did, read.key, read.handle, read.pds),
                (account.did, account.key, account.handle, account.pds)
            );
        }
    }
}
