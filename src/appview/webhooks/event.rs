//! Events, and their JSON for receivers.

use serde::Serialize;

use atproto::syntax::{Datetime, Did, Handle, ImageName};
use server::identity::Account;

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    /// A tag was pushed.
    Push,
    /// The owner tests the webhook.
    Ping,
}

impl WebhookEvent {
    /// Returns the name in the payload and in `X-Atcr-Event`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Ping => "ping",
        }
    }

    /// Returns the kind with this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Push, Self::Ping].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A pushed image: a manifest or an index, with its tag.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushedImage {
    /// The tag.
    pub tag: String,
    /// The image's name as it was pushed: `OWNER/REPOSITORY:TAG`; in payloads with the registry before it.
    pub image: String,
    /// The digest of the manifest.
    pub digest: String,
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest's length in bytes.
    pub size: u64,
    /// The manifest's `artifactType`, else the media type of its config; of an index its `artifactType`, if it has one.
    pub artifact_type: Option<String>,
    /// Platforms of an index: `os/architecture`, with `/variant` if there is one.
    pub platforms: Vec<String>,
    /// The account that pushed the image.
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

/// The owner of the repository.
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
