//! Webhooks: receivers that the owner of a repository wants notified of pushes, and the deliveries to them.
//!
//! An event is in the database before its push is acknowledged, once for each webhook. [`Webhooks::keep_delivering`]
//! sends due deliveries: some at once, few to one host and few of one account, and those of one webhook one after the
//! other. Failed deliveries are retried with growing pauses for a day. Receivers are addresses that strangers chose:
//! only hosts of the public internet are connected to, no redirect is followed, and of a response only its status is
//! kept.

mod address;
mod attempt;
mod delivering;
mod error;
mod event;
mod owned;
mod sending;
pub mod tables;

use std::io;

use tokio::sync::Notify;

use atproto::syntax::Did;
use server::bulkhead::Locks;
use server::egress::HttpClient;
use server::label;
use server::metrics::CounterBy;
use server::sqlite::Database;

pub use attempt::{Attempt, Delivery};
pub use error::WebhooksError;
pub use event::{PushedImage, WebhookEvent};
pub use owned::NewWebhook;
pub use tables::{ListedWebhook, Webhook};

/// Settings of webhooks.
pub struct WebhookSettings {
    /// The registry's part of image names: host and port.
    pub registry: String,
    /// Whether receivers at `localhost` are allowed, also by plain http.
    pub test_mode: bool,
    /// Most webhooks of one account; 0 switches webhooks off, and nothing is sent.
    pub per_account: u64,
    /// Most webhooks of all accounts.
    pub total: u64,
    /// Returns microseconds since 1970.
    pub clock: fn() -> u64,
    /// Returns random bytes; `None` when the system has none.
    pub random: fn() -> Option<[u8; 32]>,
}

label! {
    /// The outcome of an attempt to deliver.
    pub enum DeliveryOutcome {
        /// The receiver accepted the delivery.
        Delivered = "delivered",
        /// The attempt failed; another one follows.
        Failed = "failed",
        /// The attempt failed, and the delivery is given up.
        GivenUp = "given_up",
    }
}

/// Totals of the webhooks and of the waiting deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookTotals {
    /// Number of webhooks.
    pub webhooks: u64,
    /// Number of waiting deliveries.
    pub waiting: u64,
    /// Time when the oldest was queued, microseconds since 1970.
    pub oldest_us: Option<u64>,
}

/// The webhooks of all accounts.
pub struct Webhooks {
    database: Database,
    settings: WebhookSettings,
    http: HttpClient,
    outcomes: CounterBy<DeliveryOutcome>,
    /// Notified when a delivery became due.
    due: Notify,
    /// Notified when an attempt ended.
    ended: Notify,
    /// Locks that allow one test or new URL of an account at a time: each waits for a stranger's server.
    locks: Locks<Did>,
}

impl Webhooks {
    /// Opens the webhooks in `database`.
    ///
    /// # Errors
    /// No root certificate of the system's store could be loaded.
    pub fn new(database: Database, settings: WebhookSettings) -> io::Result<Self> {
        let http = sending::client(settings.test_mode)?;
        let (outcomes, due, ended) = (CounterBy::default(), Notify::new(), Notify::new());
        Ok(Self { database, settings, http, outcomes, due, ended, locks: Locks::default() })
    }

    /// Whether webhooks are switched on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.settings.per_account > 0
    }

    /// Returns the number of attempts by outcome.
    #[must_use]
    pub fn outcomes(&self) -> &CounterBy<DeliveryOutcome> {
        &self.outcomes
    }
}
