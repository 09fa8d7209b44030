//! Accounts whose keys the test has, alternately on either curve.

use atproto::keys::{PublicKey, SigningKey};
use atproto::syntax::Did;
use data_encoding::BASE64URL_NOPAD;
use p256::ecdsa::signature::Signer as _;
use serde_json::{Value, json};

use crate::support::did_server::{DidServer, Reply, document_with, key, plc};

pub(crate) struct Account {
    pub(crate) did: Did,
    key: Key,
}

enum Key {
    K256(SigningKey),
    P256(p256::ecdsa::SigningKey),
}

impl Account {
    /// The `number`th did:plc, with its document published; odd ones sign with K-256, even ones with P-256.
    pub(crate) fn plc(number: u8, network: &DidServer) -> Self {
        let account = Self::unpublished(number);
        network.publish(&account.did, &account.document());
        account
    }

    /// The did:web of the network's own host: there is one.
    pub(crate) fn web(number: u8, network: &DidServer) -> Self {
        let did = Did::web("localhost", Some(network.port)).unwrap();
        let account = Self { did, ..Self::unpublished(number) };
        network.set("/.well-known/did.json", Reply::Body(account.document().to_string()));
        account
    }

    /// A did:plc that the directory does not know.
    pub(crate) fn unpublished(number: u8) -> Self {
        let key = match number % 2 {
            1 => Key::K256(key(number)),
            _ => Key::P256(p256::ecdsa::SigningKey::from_slice(&[number; 32]).unwrap()),
        };
        Self { did: plc(number.into()), key }
    }

    /// A did:plc whose document comes only once the network is released.
    pub(crate) fn held(number: u8, network: &DidServer) -> Self {
        let account = Self::unpublished(number);
        network.set(&format!("/{}", account.did), Reply::Held(account.document().to_string()));
        account
    }

    /// Publishes the document of a did:plc anew, with this PDS.
    pub(crate) fn publish_with_pds(&self, network: &DidServer, pds: &str) {
        let mut document = self.document();
        document["service"] =
            json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": pds }]);
        network.publish(&self.did, &document);
    }

    pub(crate) fn document(&self) -> Value {
        let key = match &self.key {
            Key::K256(key) => key.public(),
            Key::P256(key) => PublicKey::P256(*key.verifying_key()),
        };
        document_with(&self.did, &format!("{}#atproto", self.did), "Multikey", &key.to_multikey())
    }

    /// A token with these claims, signed as the account's PDS does it.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let algorithm = match self.key {
            Key::K256(_) => "ES256K",
            Key::P256(_) => "ES256",
        };
        self.sign_with(&json!({ "alg": algorithm, "typ": "JWT" }), claims)
    }

    pub(crate) fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let text = format!("{}.{}", encode(header), encode(claims));
        let signature: [u8; 64] = match &self.key {
            Key::K256(key) => key.sign(text.as_bytes()),
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(text.as_bytes());
                signature.to_bytes().into()
            }
        };
        format!("{text}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}
