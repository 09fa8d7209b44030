//! OAuth access tokens with proofs, and a PDS that answers as a test says. The real one is in `real_accounts`.

mod forms;
mod memory;
mod pds;

use std::sync::atomic::{AtomicU64, Ordering};

use atproto::syntax::Did;
use data_encoding::BASE64URL_NOPAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::did_server::Reply;
use crate::support::hold::{Account, Answer, Call, Hold, now_s};
use crate::support::small::with;

pub(crate) const GET_SESSION: &str = "/xrpc/com.atproto.server.getSession";
const INITIATE: &str = "/xrpc/io.atcr.hold.initiateUpload";

/// An OAuth client with a token of one account, bound to the client's key.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) key: SigningKey,
    pub(crate) token: String,
    /// The account's PDS.
    pub(crate) pds: String,
}

impl Client {
    /// With a token of a real server.
    pub(crate) fn new(key: SigningKey, token: &str, pds: &str) -> Self {
        Self { key, token: token.to_owned(), pds: pds.trim_end_matches('/').to_owned() }
    }

    /// With a token that no server made, with these changes to its claims.
    fn with_token(account: &Did, pds: &str, changes: &Value) -> Self {
        let mut client = Self::new(SigningKey::from_slice(&[7; 32]).unwrap(), "", pds);
        let claims = json!({
            "sub": account, "iss": pds, "aud": "did:web:pds.example", "jti": "tok-1", "iat": now_s(), "exp": now_s() + 3600,
            "cnf": { "jkt": client.thumbprint() }, "scope": "atproto",
        });
        let header = json!({ "typ": "at+jwt", "alg": "HS256" });
        client.token = format!("{}.{}.{}", encode(&header), encode(&with(claims, changes)), "c2lnbmF0dXJl");
        client
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.key.verifying_key().to_sec1_point(false);
        let coordinate = |bytes: Option<_>| BASE64URL_NOPAD.encode(bytes.unwrap());
        json!({
            "kty": "EC", "crv": "P-256",
            "x": coordinate(point.x().map(|x| x.as_slice())), "y": coordinate(point.y().map(|y| y.as_slice())),
        })
    }

    fn thumbprint(&self) -> String {
        // Names in order and no space, as serde_json writes a map.
        BASE64URL_NOPAD.encode(&Sha256::digest(self.jwk().to_string()))
    }

    fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk() })
    }

    /// What a proof says that the hold can ask the PDS with, each time with another `jti`.
    pub(crate) fn claims(&self) -> Value {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let hash = BASE64URL_NOPAD.encode(&Sha256::digest(&self.token));
        json!({
            "jti": format!("proof-{}", NUMBER.fetch_add(1, Ordering::Relaxed)), "iat": now_s(), "ath": hash,
            "htm": "GET", "htu": format!("{}{GET_SESSION}", self.pds),
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    fn sign_with(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()))
    }

    /// A good proof.
    pub(crate) fn proof(&self) -> String {
        self.sign(&self.claims())
    }

    /// `call` with the token and this proof.
    pub(crate) fn prove(&self, call: Call, proof: &str) -> Call {
        call.header("authorization", &format!("DPoP {}", self.token)).header("dpop", proof)
    }
}

fn encode(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

/// The hold's network plays the PDS of its accounts, too.
fn pds_of(hold: &Hold) -> String {
    format!("http://localhost:{}", hold.network.port)
}

/// A client of `account`, whose document now names the network as its PDS.
pub(crate) fn client_of(hold: &Hold, account: &Account) -> Client {
    account.publish_with_pds(&hold.network, &pds_of(hold));
    Client::with_token(&account.did, &pds_of(hold), &json!({}))
}

/// From now on the PDS has this session for whoever asks.
pub(crate) fn serve_session(hold: &Hold, did: &Did) {
    let session = json!({ "did": did, "handle": "alice.test", "active": true });
    hold.network.set(GET_SESSION, Reply::Body(session.to_string()));
}

/// A call that only a good token and blob:write make succeed.
pub(crate) async fn initiate(hold: &Hold, client: &Client, proof: &str) -> Answer {
    let call = hold.call("POST", INITIATE).json(&json!({ "digest": "uploads/temp-1" }));
    client.prove(call, proof).send().await
}
