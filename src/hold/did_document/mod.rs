//! The hold's own DID document, as `/.well-known/did.json` serves it.
//!
//! Pure: a function of DID, public URL and public key. <https://atproto.com/specs/did>

use serde_json::{Value, json};

use atproto::keys::PublicKey;
use atproto::syntax::{Did, ServiceUrl};

/// The id of the service entry that makes the hold a PDS.
const PDS_SERVICE: &str = "#atproto_pds";
/// The id of the service entry that registries look for; also a fragment that a token's audience may carry.
pub const HOLD_SERVICE: &str = "#atcr_hold";

/// Returns the document of the hold `did` at `url` whose repository is signed with `key`. Of a did:plc it is what the
/// directory should serve.
#[must_use]
pub fn document(did: &Did, url: &ServiceUrl, key: &PublicKey) -> Value {
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

/// Returns what an operation of the PLC directory has to say so that it serves `document`.
/// <https://web.plc.directory/spec/v0.1/did-plc>
#[must_use]
pub fn plc_data(document: &Value) -> Value {
    let entries = |name: &str, data: fn(&Value) -> Value| {
        let mut entries = json!({});
        for entry in document[name].as_array().into_iter().flatten() {
            let id = entry["id"].as_str().unwrap_or_default();
            entries[id.rsplit('#').next().unwrap_or_default()] = data(entry);
        }
        entries
    };
    let key = |method: &Value| format!("did:key:{}", method["publicKeyMultibase"].as_str().unwrap_or_default()).into();
    let service = |service: &Value| json!({ "type": service["type"], "endpoint": service["serviceEndpoint"] });
    json!({
        "alsoKnownAs": document.get("alsoKnownAs").cloned().unwrap_or_else(|| json!([])),
        "verificationMethods": entries("verificationMethod", key),
        "services": entries("service", service),
    })
}
