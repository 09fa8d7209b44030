//! Who the hold is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hold::Hold;
use atproto::syntax::{Did, Tid};
use server::control::{AdminError, Operation, Reporter};

/// The identity of the hold.
#[derive(Debug, Serialize, Deserialize)]
pub struct IdentityShow {}

/// DID, addresses, key and head.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The account.
    pub did: Did,
    /// `null` for a hold that only its machine reaches.
    pub handle: Option<String>,
    /// Where the world reaches it.
    pub public_url: String,
    /// The public key that signs the repository, as a did:key.
    pub signing_key: String,
    /// Where its private half lies.
    pub key_file: String,
    /// Where the repository stands; `null` before its first commit.
    pub head: Option<HeadSummary>,
    /// What the DID document offers.
    pub services: Vec<Service>,
    /// The DID document as `/.well-known/did.json` serves it.
    pub document: Value,
}

/// Where the repository stands.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeadSummary {
    /// The revision.
    pub rev: Tid,
    /// CID of the newest commit.
    pub commit: String,
}

/// A service of the DID document.
#[derive(Debug, Serialize, Deserialize)]
pub struct Service {
    /// Like `#atproto_pds`.
    pub id: String,
    /// Like `AtprotoPersonalDataServer`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its URL.
    #[serde(rename = "serviceEndpoint")]
    pub endpoint: String,
}

impl Operation for IdentityShow {
    const NAME: &'static str = "identity.show";
    type Subject = Hold;
    type Output = Identity;

    async fn run(self, hold: Arc<Hold>, _: Reporter) -> Result<Identity, AdminError> {
        let head = hold.pds.head().await.map_err(|error| AdminError::failed(error.to_string()))?;
        let services = hold.did_document["service"].clone();
        Ok(Identity {
            did: hold.pds.did().clone(),
            handle: hold.pds.handle().map(str::to_owned),
            public_url: hold.url.as_str().to_owned(),
            signing_key: format!("did:key:{}", hold.key.to_multikey()),
            key_file: hold.key_file.display().to_string(),
            head: head.map(|head| HeadSummary { rev: head.rev, commit: head.commit.to_string() }),
            services: serde_json::from_value(services).map_err(|error| AdminError::failed(error.to_string()))?,
            document: hold.did_document.clone(),
        })
    }
}
