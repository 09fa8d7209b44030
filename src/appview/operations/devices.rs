//! Devices that act for accounts: the operations on them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::devices::DeviceRow;
use crate::oci::OciState;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// A device, as the command line shows it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// The device's id.
    pub id: i64,
    /// The account for which the device acts.
    pub account: Did,
    /// The name that the device gave itself.
    pub name: String,
    /// The client address of its request for access, if known.
    pub address: Option<String>,
    /// Time when the device was approved.
    pub created_at: Datetime,
    /// Time of its last sign-in, if there was one.
    pub used_at: Option<Datetime>,
}

impl From<DeviceRow> for Device {
    fn from(row: DeviceRow) -> Self {
        Self {
            id: row.id,
            account: row.account,
            name: row.name,
            address: row.address,
            created_at: Datetime::from_micros(row.created_us),
            used_at: (row.used_us > 0).then(|| Datetime::from_micros(row.used_us)),
        }
    }
}

/// Lists the devices of an account, or the newest 1,000 of all accounts, the newest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct DevicesList {
    /// The account; `None` for all.
    pub account: Option<Did>,
}

impl Operation for DevicesList {
    const NAME: &'static str = "devices.list";
    type Subject = OciState;
    type Output = Vec<Device>;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<Vec<Device>, AdminError> {
        let devices = match &self.account {
            Some(account) => registry.devices.of_account(account).await?,
            None => registry.devices.newest().await?,
        };
        Ok(devices.into_iter().map(Device::from).collect())
    }
}

/// The result of revoking a device.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RevokedDevice {
    /// The device.
    #[serde(flatten)]
    pub device: Device,
    /// Whether the account's OAuth session was ended, because nothing uses it any more.
    #[serde(default)]
    pub session_ended: bool,
    /// The reason why that session could not be ended at the account's PDS. Nobody uses it any more.
    pub left_session: Option<String>,
}

/// Revokes a device's secret: it gets no token any more. If nothing else of the account uses its OAuth session, that ends
/// as well, here and at its PDS. Returns the device.
#[derive(Debug, Serialize, Deserialize)]
pub struct DevicesRevoke {
    /// The device's id.
    pub id: i64,
}

impl Operation for DevicesRevoke {
    const NAME: &'static str = "devices.revoke";
    type Subject = OciState;
    type Output = RevokedDevice;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<RevokedDevice, AdminError> {
        let revoked = registry.devices.take_back(self.id).await?;
        let device =
            revoked.map(Device::from).ok_or_else(|| AdminError::failed(format!("there is no device {}", self.id)))?;
        let ended = registry.web.end_unused_session(&device.account).await;
        let ended = ended.map_err(|error| AdminError::failed(error.to_string()))?;
        let (session_ended, left_session) = (ended.is_some(), ended.and_then(|session| session.left));
        Ok(RevokedDevice { device, session_ended, left_session })
    }
}
