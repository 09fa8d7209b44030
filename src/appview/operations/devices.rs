//! Devices that act for accounts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::devices::DeviceRow;
use crate::oci::OciState;
use atproto::syntax::{Datetime, Did};
use server::control::{AdminError, Operation, Reporter};

/// A device as it is shown.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Its number.
    pub id: i64,
    /// For whom it acts.
    pub account: Did,
    /// What it calls itself.
    pub name: String,
    /// Where it asked from, if that was known.
    pub address: Option<String>,
    /// When it was let in.
    pub created_at: Datetime,
    /// When it signed in last, if it did.
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

/// The devices of an account, or the newest 1,000 of all, the newest first.
#[derive(Debug, Serialize, Deserialize)]
pub struct DevicesList {
    /// Whose.
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

/// Takes a device's secret back: it gets no token any more.
#[derive(Debug, Serialize, Deserialize)]
pub struct DevicesRevoke {
    /// Which one.
    pub id: i64,
}

impl Operation for DevicesRevoke {
    const NAME: &'static str = "devices.revoke";
    type Subject = OciState;
    type Output = Device;

    async fn run(self, registry: Arc<OciState>, _: Reporter) -> Result<Device, AdminError> {
        let revoked = registry.devices.take_back(self.id).await?;
        revoked.map(Device::from).ok_or_else(|| AdminError::failed(format!("there is no device {}", self.id)))
    }
}
