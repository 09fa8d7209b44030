//! Events: what receivers are told, as JSON.

use serde::Serialize;

use atproto::syntax::{Datetime, Did, Handle, ImageName};
use server::identity::Account;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    /// A tag was pushed.
    Push,
    /// The owner wants to see whether deliveries come.
    Ping,
}

impl WebhookEvent {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Ping => "ping",
        }
    }

    /// The one with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Push, Self::Ping].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What was pushed: a manifest or an index, by a tag.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushedImage {
    /// The tag.
    pub tag: String,
    /// By which name it was pushed: `OWNER/REPOSITORY:TAG` behind the registry's own.
    pub image: String,
    /// The digest of the manifest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// Its length in bytes.
    pub size: u64,
    /// What is in it: its artifactType, else the media type of its config; of an index, if it has one.
    pub artifact_type: Option<String>,
    /// Of an index: `os/architecture`, or with a variant.
    pub platforms: Vec<String>,
    /// Who pushed it.
    pub pushed_by: Did,
}

/// The body of a delivery.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload<'p> {
    pub(super) id: &'p str,
    pub(super) event: &'static str,
    pub(super) time: Datetime,
    pub(super) registry: &'p str,
    pub(super) owner: EventOwner<'p>,
    pub(super) repository: &'p ImageName,
    #[serde(flatten)]
    pub(super) pushed: Option<PushedImage>,
}

/// Whose repository it is.
#[derive(Serialize)]
pub(super) struct EventOwner<'p> {
    did: &'p Did,
    handle: Option<&'p Handle>,
}

impl<'p> From<&'p Account> for EventOwner<'p> {
    fn from(account: &'p Account) -> Self {
        Self { did: &account.did, handle: account.handle.as_ref() }
    }
}
