//! Devices that act for an account without its password: asked for by a program, let in by a person in a browser.
//! <https://www.rfc-editor.org/rfc/rfc8628>
//!
//! A device has a secret of its own, which is shown to it once, kept as a hash, and taken back at any time. It stands for the
//! account, not for one of its sessions: who signed in again need let in no device again.

mod codes;
mod error;
pub mod tables;

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use atproto::syntax::Did;
use server::sqlite::Database;
use server::storage::StorageError;

pub use codes::{UserCode, is_device_secret};
pub use error::{DevicesError, PollRefusal};
pub use tables::{DeviceRow, RequestRow};

/// How long a person has to let a device in.
pub const REQUEST_LIFE_S: u64 = 15 * 60;
/// How long a device waits between questions.
pub const INTERVAL_S: u64 = 5;
/// What a device that asks too often waits longer.
const SLOWER_S: u64 = 5;
/// Devices that wait at once, of all and of one address.
const MAX_REQUESTS: u64 = 2000;
const MAX_REQUESTS_PER_ADDRESS: u64 = 20;
/// Devices of one account.
const MAX_DEVICES: u64 = 200;
/// Longer names are cut.
const MAX_NAME_CHARS: usize = 64;
/// When a device was used last is written down so exactly.
const USED_EXACT_US: u64 = 60 * 1_000_000;

/// What a program is given that wants to become a device.
pub struct NewRequest {
    /// What it asks with. A secret.
    pub device_code: String,
    /// What the person compares, or types in.
    pub user_code: UserCode,
}

/// A device that was let in.
pub struct NewDevice {
    /// What it signs in with. A secret, nowhere else.
    pub secret: String,
    /// For whom it acts.
    pub account: Did,
}

/// All devices.
pub struct Devices {
    database: Database,
    /// Microseconds since 1970.
    clock: fn() -> u64,
    random: fn() -> Option<[u8; 32]>,
}

impl Devices {
    /// Devices in `database`.
    #[must_use]
    pub fn new(database: Database, clock: fn() -> u64, random: fn() -> Option<[u8; 32]>) -> Self {
        Self { database, clock, random }
    }

    /// A program wants to become a device, and calls itself `name`.
    ///
    /// # Errors
    /// [`DevicesError`]; so below.
    pub async fn ask(&self, name: &str, address: Option<IpAddr>) -> Result<NewRequest, DevicesError> {
        let random = || (self.random)().ok_or(DevicesError::Randomness);
        let (device_code, user_code) = (codes::text(&random()?), UserCode::of(&random()?));
        let now_us = (self.clock)();
        let row = RequestRow {
            user_code: user_code.to_string(),
            name: clean(name),
            address: address.map(|address| address.to_string()),
            created_us: now_us,
            expires_us: now_us + REQUEST_LIFE_S * 1_000_000,
        };
        let code = hash(&device_code);
        let limits = (MAX_REQUESTS, MAX_REQUESTS_PER_ADDRESS);
        let interval_s = INTERVAL_S;
        let add = move |write: &server::sqlite::Write<'_>| {
            tables::sweep(write, now_us)?;
            tables::add_request(write, &code, &row, interval_s, limits)
        };
        if self.database.write(add).await? {
            Ok(NewRequest { device_code, user_code })
        } else {
            Err(DevicesError::TooMany)
        }
    }

    /// A program asks whether it was let in. It is told its secret once. One that gives a name gives the one that it asked with.
    ///
    /// # Errors
    /// [`PollRefusal`]
    pub async fn poll(&self, device_code: &str, name: Option<&str>) -> Result<NewDevice, PollRefusal> {
        let secret = codes::device_secret(&(self.random)().ok_or(DevicesError::Randomness)?);
        let (code, secret_hash, now_us) = (hash(device_code), hash(&secret), (self.clock)());
        let name = name.map(clean);
        let job = move |write: &server::sqlite::Write<'_>| poll(write, (&code, name.as_deref()), &secret_hash, now_us);
        let account = self.database.write(job).await.map_err(DevicesError::Storage)??;
        Ok(NewDevice { secret, account })
    }

    /// The device that waits with this code.
    ///
    /// # Errors
    /// [`DevicesError::Storage`]; so below.
    pub async fn waiting(&self, code: &UserCode) -> Result<Option<RequestRow>, DevicesError> {
        let (code, now_us) = (code.to_string(), (self.clock)());
        Ok(self.database.read(move |read| tables::waiting(read, &code, now_us)).await?)
    }

    /// A person lets a device in for `account`, or not; answers whether it still waited.
    ///
    /// # Errors
    /// [`DevicesError::TooMany`], [`DevicesError::Storage`]
    pub async fn decide(&self, code: &UserCode, account: &Did, is_let_in: bool) -> Result<bool, DevicesError> {
        let (code, account, now_us) = (code.to_string(), account.clone(), (self.clock)());
        let job = move |write: &server::sqlite::Write<'_>| {
            if is_let_in && tables::count(write, &account)? >= MAX_DEVICES {
                return Ok(None);
            }
            tables::decide(write, &code, &account, is_let_in, now_us).map(Some)
        };
        let decided: Result<_, server::storage::StorageError> = self.database.write(job).await;
        decided?.ok_or(DevicesError::TooMany)
    }

    /// The device with this secret.
    ///
    /// # Errors
    /// [`DevicesError::Storage`]
    pub async fn by_secret(&self, secret: &str) -> Result<Option<DeviceRow>, DevicesError> {
        let (secret, now_us) = (hash(secret), (self.clock)());
        let found = self.database.read(move |read| tables::by_secret(read, &secret)).await?;
        if let Some(device) = found.as_ref().filter(|device| now_us.saturating_sub(device.used_us) >= USED_EXACT_US) {
            let id = device.id;
            self.database.write(move |write| tables::used(write, id, now_us)).await?;
        }
        Ok(found)
    }

    /// Whether the account still has this device.
    ///
    /// # Errors
    /// [`DevicesError::Storage`]
    pub async fn has(&self, account: &Did, id: i64) -> Result<bool, DevicesError> {
        let account = account.clone();
        Ok(self.database.read(move |read| tables::has(read, &account, id)).await?)
    }

    /// The devices of an account, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of_account(&self, account: &Did) -> Result<Vec<DeviceRow>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::of_account(read, &account)).await
    }

    /// Programs that an account let in and that are to be told their secrets.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn let_in_by(&self, account: &Did) -> Result<Vec<RequestRow>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::let_in_by(read, &account)).await
    }

    /// Whether any device acts for an account, or was let in and is to be told its secret.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn act_for(&self, account: &Did) -> Result<bool, StorageError> {
        let (account, now_us) = (account.clone(), (self.clock)());
        self.database.read(move |read| tables::act_for(read, &account, now_us)).await
    }

    /// A device gives its secret back; answers for whom it acted.
    ///
    /// # Errors
    /// [`DevicesError::Storage`]
    pub async fn end(&self, secret: &str) -> Result<Option<Did>, DevicesError> {
        let secret = hash(secret);
        let job = move |write: &server::sqlite::Write<'_>| {
            let found = tables::by_secret(write, &secret)?;
            if let Some(device) = &found {
                tables::revoke(write, &device.account, device.id)?;
            }
            Ok::<_, server::storage::StorageError>(found.map(|device| device.account))
        };
        Ok(self.database.write(job).await?)
    }

    /// How many devices each account has.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn by_account(&self) -> Result<Vec<(Did, u64)>, StorageError> {
        self.database.read(tables::by_account).await
    }

    /// Forgets all devices of an account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget(&self, account: &Did) -> Result<(), StorageError> {
        let account = account.clone();
        self.database.write(move |write| tables::forget(write, &account)).await
    }

    /// The newest devices of all accounts, 1,000 at most, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn newest(&self) -> Result<Vec<DeviceRow>, StorageError> {
        self.database.read(tables::newest).await
    }

    /// Takes a device's secret back, whosever it is; answers the device, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_back(&self, id: i64) -> Result<Option<DeviceRow>, StorageError> {
        self.database.write(move |write| tables::take(write, id)).await
    }

    /// Takes a device's secret back; answers whether the account had it.
    ///
    /// # Errors
    /// [`DevicesError::Storage`]
    pub async fn revoke(&self, account: &Did, id: i64) -> Result<bool, DevicesError> {
        let account = account.clone();
        Ok(self.database.write(move |write| tables::revoke(write, &account, id)).await?)
    }
}

/// One question of a device, in one transaction.
fn poll(
    write: &server::sqlite::Write<'_>,
    (code, name): (&[u8; 32], Option<&str>),
    secret: &[u8; 32],
    now_us: u64,
) -> Result<Result<Did, PollRefusal>, server::storage::StorageError> {
    let Some(asked) = tables::asked(write, code)? else { return Ok(Err(PollRefusal::Expired)) };
    if asked.request.expires_us <= now_us {
        tables::drop_request(write, code)?;
        return Ok(Err(PollRefusal::Expired));
    }
    if name.is_some_and(|name| name != asked.request.name) {
        return Ok(Err(PollRefusal::OtherClient));
    }
    if asked.is_denied {
        tables::drop_request(write, code)?;
        return Ok(Err(PollRefusal::Denied));
    }
    // Clocks are compared with half a second to spare.
    if now_us.saturating_sub(asked.polled_us) + 500_000 < asked.interval_s * 1_000_000 {
        tables::polled(write, code, now_us, asked.interval_s + SLOWER_S)?;
        return Ok(Err(PollRefusal::TooSoon));
    }
    let Some(account) = asked.account else {
        tables::polled(write, code, now_us, asked.interval_s)?;
        return Ok(Err(PollRefusal::Pending));
    };
    tables::add_device(write, &account, secret, &asked.request, now_us)?;
    tables::drop_request(write, code)?;
    Ok(Ok(account))
}

/// Secrets are random: nothing is gained by a slower hash.
fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// What a program calls itself, in one short line that turns no other text around.
fn clean(name: &str) -> String {
    server::text::line(name, MAX_NAME_CHARS).unwrap_or_else(|| "a program without a name".into())
}
