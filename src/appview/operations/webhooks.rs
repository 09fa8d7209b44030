//! Webhooks of all accounts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::seconds;
use crate::oci::OciState;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// Why a webhook is off, when it was the operator.
const BY_OPERATOR: &str = "who runs this registry switched it off";

/// A webhook as it is shown, without its secret and its whole address, which may have a token in it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownWebhook {
    /// Its number.
    pub id: i64,
    /// Whose repository.
    pub account: Did,
    /// Which one.
    pub repository: String,
    /// The host of its address.
    pub host: String,
    /// Since when there is one.
    pub created_at: Datetime,
    /// Whether anything is delivered.
    pub is_on: bool,
    /// Why the registry switched it off.
    pub problem: Option<String>,
    /// How long all deliveries have failed, in seconds.
    pub failing_s: Option<u64>,
    /// Deliveries that wait.
    pub waiting: u64,
}

/// All webhooks, the oldest first, 1,000 at most.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhooksList {}

impl Operation for WebhooksList {
    const NAME: &'static str = "webhooks.list";
    type Subject = OciState;
    type Output = Vec<ShownWebhook>;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<Vec<ShownWebhook>, AdminError> {
        let now_us = (registry.clock)();
        let shown = registry.webhooks.all().await?.into_iter().map(|(webhook, waiting)| ShownWebhook {
            id: webhook.id,
            host: webhook.host(),
            account: webhook.account,
            repository: webhook.repository.to_string(),
            created_at: Datetime::from_micros(webhook.created_us),
            is_on: webhook.is_on,
            problem: webhook.problem,
            failing_s: webhook.failing_us.map(|since_us| seconds(since_us, now_us)),
            waiting,
        });
        Ok(shown.collect())
    }
}

/// Switches a webhook off; its owner may switch it on again.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebhooksDisable {
    /// Which one.
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
