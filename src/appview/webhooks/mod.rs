//! Webhooks: whom the owner of a repository wants told of what is pushed there, and telling them.
//!
//! An event is in the database before its push is acknowledged, once for each webhook. [`Webhooks::keep_delivering`] sends
//! what is due: some at once, few to one host and few of one account, each webhook's one after the other. What is not taken
//! is tried again with growing pauses for a day. Receivers are addresses that strangers chose: only hosts of the public
//! internet are connected to, no redirect is followed, and of an answer only its status is kept.

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
pub use owned::{NewWebhook, Webhook};

/// How webhooks are served.
pub struct WebhookSettings {
    /// What images' names begin with.
    pub registry: String,
    /// Whether receivers on this machine may be told, by plain http at `localhost`.
    pub test_mode: bool,
    /// Webhooks of one account; 0: there are none, and nothing is sent.
    pub per_account: u64,
    /// Webhooks of all accounts.
    pub total: u64,
    /// Microseconds since 1970.
    pub clock: fn() -> u64,
    /// Random bytes, if the system has any.
    pub random: fn() -> Option<[u8; 32]>,
}

label! {
    /// How an attempt to deliver ended.
    pub enum DeliveryOutcome {
        /// The receiver took it.
        Delivered = "delivered",
        /// It did not; it is tried again.
        Failed = "failed",
        /// It did not, and is not tried any more.
        GivenUp = "given_up",
    }
}

/// All deliveries that wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryTotals {
    /// How many there are.
    pub waiting: u64,
    /// Since when the oldest waits, microseconds since 1970.
    pub oldest_us: Option<u64>,
}

/// Webhooks of all accounts.
pub struct Webhooks {
    database: Database,
    settings: WebhookSettings,
    http: HttpClient,
    outcomes: CounterBy<DeliveryOutcome>,
    /// Something new is due.
    due: Notify,
    /// An attempt ended.
    ended: Notify,
    /// One test or new address of an account at a time: each has somebody wait for a stranger's server.
    turns: Locks<Did>,
}

impl Webhooks {
    /// Webhooks in `database`.
    ///
    /// # Errors
    /// No root certificate of the system's store could be loaded.
    pub fn new(database: Database, settings: WebhookSettings) -> io::Result<Self> {
        let http = sending::client(settings.test_mode)?;
        let (outcomes, due, ended) = (CounterBy::default(), Notify::new(), Notify::new());
        Ok(Self { database, settings, http, outcomes, due, ended, turns: Locks::default() })
    }

    /// Whether there may be any.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.settings.per_account > 0
    }

    /// Returns how attempts ended.
    #[must_use]
    pub fn outcomes(&self) -> &CounterBy<DeliveryOutcome> {
        &self.outcomes
    }
}
