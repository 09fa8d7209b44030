//! The webhooks of all accounts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// The reason shown for a webhook that the operator switched off.
const BY_OPERATOR: &str = "the operator of this registry disabled it";

/// A webhook, as the command line shows it: without its secret, and without its URL, whose path may have a token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownWebhook {
    /// The webhook's id.
    pub id: i64,
    /// The owner of the repository.
    pub account: Did,
    /// The repository, without its owner.
    pub repository: String,
    /// The host of its URL, with the port if it has one.
    pub host: String,
    /// Time when the webhook was added.
    pub created_at: Datetime,
    /// Whether the webhook is switched on.
    pub is_on: bool,
    /// Reason why the registry or its operator switched the webhook off.
    pub problem: Option<String>,
    /// Time for which all deliveries have failed, in seconds.
    pub failing_s: Option<u64>,
    /// Number of waiting deliveries.
    pub waiting: u64,
}

/// Lists the webhooks, the oldest first, 1,000 at most.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhooksList {}

impl Operation for WebhooksList {
    const NAME: &'static str = "webhooks.list";
    type Subject = OciState;
    type Output = Vec<ShownWebhook>;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<Vec<ShownWebhook>, AdminError> {
        let now_us = (registry.clock)();
        let shown = registry.webhooks.all().await?.into_iter().map(|listed| ShownWebhook {
            id: listed.webhook.id,
            host: listed.webhook.host(),
            account: listed.webhook.account,
            repository: listed.webhook.repository.to_string(),
            created_at: Datetime::from_micros(listed.webhook.created_us),
            is_on: listed.webhook.is_on,
            problem: listed.webhook.problem,
            failing_s: listed.webhook.failing_us.map(|since_us| seconds(since_us, now_us)),
            waiting: listed.waiting,
        });
        Ok(shown.collect())
    }
}

/// Switches a webhook off; its owner may switch it on again.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhooksDisable {
    /// The webhook's id.
    pub id: i64,
}

impl Operation for WebhooksDisable {
    const NAME: &'static str = "webhooks.disable";
    type Subject = OciState;
    type Output = i64;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<i64, AdminError> {
        match registry.webhooks.switch_off(self.id, Some(BY_OPERATOR)).await? {
            true => Ok(self.id),
            false => Err(AdminError::failed(format!("there is no webhook {} that is on", self.id))),
        }
    }
}
