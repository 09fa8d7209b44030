//! Operations of an operator on a registry.
//!
//! Each operation is one function over an opened registry, [`OciState`]. [`ROUTES`] is the table of all: the daemon
//! runs them for every client of its admin socket, and a command runs them in its own process when no daemon is there.
//! See [`server::control`].
//!
//! This room uses no socket, no command line, no configuration and no terminal.

mod accounts;
mod devices;
mod index;
mod queue;
mod sessions;
mod status;
mod uploads;
mod webhooks;

use crate::oci::OciState;
use server::control::AdminRoute;

pub use accounts::{AccountData, AccountsDelete, AccountsExport, AccountsList, DeletedAccount, HeldAccount};
pub use devices::{Device, DevicesList, DevicesRevoke, RevokedDevice};
pub use index::{IndexForget, IndexRebuild, IndexShow, IndexStatus};
pub use queue::{Notice, QueueDrop, QueueList, QueueRetried, QueueRetry};
pub use sessions::{EndedSession, Session, SessionsEnd, SessionsList};
pub use status::{DatabaseStatus, QueueStatus, Status, StatusShow, UploadsStatus, facts};
pub use uploads::{AbortedUpload, Upload, UploadsAbort, UploadsList};
pub use webhooks::{ShownWebhook, WebhooksDisable, WebhooksList};

/// The table of all operations.
pub static ROUTES: [AdminRoute<OciState>; 18] = [
    AdminRoute::operation::<StatusShow>(),
    AdminRoute::operation::<SessionsList>(),
    AdminRoute::operation::<SessionsEnd>(),
    AdminRoute::operation::<AccountsList>(),
    AdminRoute::operation::<AccountsExport>(),
    AdminRoute::operation::<AccountsDelete>(),
    AdminRoute::operation::<DevicesList>(),
    AdminRoute::operation::<DevicesRevoke>(),
    AdminRoute::operation::<UploadsList>(),
    AdminRoute::operation::<UploadsAbort>(),
    AdminRoute::operation::<QueueList>(),
    AdminRoute::operation::<QueueDrop>(),
    AdminRoute::operation::<QueueRetry>(),
    AdminRoute::operation::<WebhooksList>(),
    AdminRoute::operation::<WebhooksDisable>(),
    AdminRoute::operation::<IndexShow>(),
    AdminRoute::operation::<IndexRebuild>(),
    AdminRoute::operation::<IndexForget>(),
];

/// Returns the seconds between two times in microseconds since 1970; 0 when `to_us` is before `from_us`.
fn seconds(from_us: u64, to_us: u64) -> u64 {
    to_us.saturating_sub(from_us) / 1_000_000
}
