//! The operation that shows the hold's identity.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::did_document::plc_data;
use crate::hold::Hold;
use atproto::syntax::{Did, Tid};
use server::control::{AdminError, Operation, Reporter};

/// Returns the identity of the hold.
#[derive(Debug, Serialize, Deserialize)]
pub struct IdentityShow {}

/// The identity of the hold: DID, addresses, key and head.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The DID of the hold's account.
    pub did: Did,
    /// The handle; `null` for a hold that only its machine can reach.
    pub handle: Option<String>,
    /// The public URL.
    pub public_url: String,
    /// The public key that signs the repository, as a did:key.
    pub signing_key: String,
    /// The path of the key file; `null` where the key is in the configuration.
    pub key_file: Option<String>,
    /// The head of the repository; `null` before its first commit.
    pub head: Option<HeadSummary>,
    /// The services in the DID document.
    pub services: Vec<Service>,
    /// The DID document as `/.well-known/did.json` serves it.
    pub document: Value,
    /// What an operation of the PLC directory has to say of a hold by did:plc, beside its rotation keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plc: Option<Value>,
}

/// The head of the repository.
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
    /// The id, like `#atproto_pds`.
    pub id: String,
    /// The type, like `AtprotoPersonalDataServer`.
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
            public_url: hold.pds.url().as_str().to_owned(),
            signing_key: hold.key.to_did_key(),
            key_file: hold.key_file.as_ref().map(|file| file.display().to_string()),
            head: head.map(|head| HeadSummary { rev: head.rev, commit: head.commit.to_string() }),
            services: serde_json::from_value(services).map_err(|error| AdminError::failed(error.to_string()))?,
            document: hold.did_document.clone(),
            plc: hold.pds.did().is_plc().then(|| plc_data(&hold.did_document)),
        })
    }
}
