//! The hold's own DID document, as `/.well-known/did.json` serves it.
//!
//! Pure: a function of the public URL and the public key. <https://atproto.com/specs/did>

use serde_json::{Value, json};

use atproto::keys::PublicKey;
use atproto::syntax::ServiceUrl;

/// The id of the service entry that makes the hold a PDS.
const PDS_SERVICE: &str = "#atproto_pds";
/// The id of the service entry that registries look for; also a fragment that a token's audience may carry.
pub const HOLD_SERVICE: &str = "#atcr_hold";

/// Returns the document of the hold at `url` whose repository is signed with `key`.
#[must_use]
pub fn document(url: &ServiceUrl, key: &PublicKey) -> Value {
    let did = url.did().as_str();
    let mut document = json!({
        "@context": [
            "https://www.w3.org/ns/did/v1",
            "https://w3id.org/security/multikey/v1",
            "https://w3id.org/security/suites/secp256k1-2019/v1",
        ],
        "id": did,
        "verificationMethod": [{
            "id": format!("{did}#atproto"),
            "type": "Multikey",
            "controller": did,
            "publicKeyMultibase": key.to_multikey(),
        }],
        "service": [
            { "id": PDS_SERVICE, "type": "AtprotoPersonalDataServer", "serviceEndpoint": url.as_str() },
            { "id": HOLD_SERVICE, "type": "AtcrHoldService", "serviceEndpoint": url.as_str() },
        ],
    });
    // `localhost` is not a handle: it has one label, and means another machine to every reader.
    if !url.is_local() {
        document["alsoKnownAs"] = json!([format!("at://{}", url.authority())]);
    }
    document
}
