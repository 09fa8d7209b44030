//! Devices that act for an account without its password: requested by a program, approved by a person in a browser.
//! <https://www.rfc-editor.org/rfc/rfc8628>
//!
//! A device has a secret of its own, which is returned once, stored as a hash, and can be revoked at any time. It
//! stands for the account, not for one of its sessions: devices stay approved after another sign-in.

mod codes;
mod error;
pub mod tables;

use std::net::IpAddr;

use sha2::{Digest as _, Sha256};

use atproto::syntax::Did;
use server::daemon::network_of;
use server::sqlite::{Database, Write};
use server::storage::StorageError;

pub use codes::{UserCode, is_device_secret};
pub use error::{DevicesError, PollRefusal};
pub use tables::{DeviceRow, RequestRow};

/// Time in which a person must approve a request.
pub const REQUEST_LIFE_S: u64 = 15 * 60;
/// Interval at which a program may poll.
pub const INTERVAL_S: u64 = 5;
/// Addition to the interval of a program that polls too often.
const SLOWER_S: u64 = 5;
/// Limits of requests under way: all, and those of one network, an IPv4 address or a /64 of IPv6.
const MAX_REQUESTS: u64 = 2000;
const MAX_REQUESTS_PER_NETWORK: usize = 20;
/// Limit of devices of one account.
const MAX_DEVICES: u64 = 200;
/// Maximum length of a name; longer names are cut.
const MAX_NAME_CHARS: usize = 64;
/// Precision of the time of a device's last use, in microseconds.
const USED_EXACT_US: u64 = 60 * 1_000_000;

/// The codes of a new request.
pub struct NewRequest {
    /// Code with which the program polls. A secret.
    pub device_code: String,
    /// Code that the person compares or types in.
    pub user_code: UserCode,
}

/// A device that was approved.
pub struct NewDevice {
    /// Secret with which the device signs in; only its hash is stored.
    pub secret: String,
    /// Account that the device acts for.
    pub account: Did,
}

/// The devices of all accounts.
pub struct Devices {
    database: Database,
    /// Returns the time, microseconds since 1970.
    clock: fn() -> u64,
    random: fn() -> Option<[u8; 32]>,
}

impl Devices {
    /// Makes the devices of `database`.
    #[must_use]
    pub fn new(database: Database, clock: fn() -> u64, random: fn() -> Option<[u8; 32]>) -> Self {
        Self { database, clock, random }
    }

    /// Adds a request of a program with this name and address.
    ///
    /// # Errors
    /// [`DevicesError`]; the same below.
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
        let add = move |write: &Write<'_>| {
            tables::sweep(write, now_us)?;
            let network = address.map(network_of);
            let of_network = tables::addresses(write)?.into_iter().filter(|one| one.map(network_of) == network).count();
            if of_network >= MAX_REQUESTS_PER_NETWORK {
                return Ok(false);
            }
            tables::add_request(write, &code, &row, INTERVAL_S, MAX_REQUESTS)
        };
        if self.database.write(add).await? {
            Ok(NewRequest { device_code, user_code })
        } else {
            Err(DevicesError::TooManyRequests)
        }
    }

    /// Returns the secret of an approved request, once, and makes the device. `name`, if given, must be that of the
    /// request.
    ///
    /// # Errors
    /// [`PollRefusal`]
    pub async fn poll(&self, device_code: &str, name: Option<&str>) -> Result<NewDevice, PollRefusal> {
        let secret = codes::device_secret(&(self.random)().ok_or(DevicesError::Randomness)?);
        let (code, secret_hash, now_us) = (hash(device_code), hash(&secret), (self.clock)());
        let name = name.map(clean);
        let job = move |write: &Write<'_>| poll(write, &code, name.as_deref(), &secret_hash, now_us);
        let account = self.database.write(job).await.map_err(DevicesError::Storage)??;
        Ok(NewDevice { secret, account })
    }

    /// Returns the request with this user code that waits for a decision.
    ///
    /// # Errors
    /// [`DevicesError::Storage`]; the same below.
    pub async fn waiting(&self, code: &UserCode) -> Result<Option<RequestRow>, DevicesError> {
        let (code, now_us) = (code.to_string(), (self.clock)());
        Ok(self.database.read(move |read| tables::waiting(read, &code, now_us)).await?)
    }

    /// Approves or denies a request for `account`. Returns whether it still waited.
    ///
    /// # Errors
    /// [`DevicesError::TooManyDevices`], [`DevicesError::Storage`]
    pub async fn decide(&self, code: &UserCode, account: &Did, is_let_in: bool) -> Result<bool, DevicesError> {
        let (code, account, now_us) = (code.to_string(), account.clone(), (self.clock)());
        let job = move |write: &Write<'_>| {
            if is_let_in && tables::count(write, &account)? >= MAX_DEVICES {
                return Ok(None);
            }
            tables::decide(write, &code, &account, is_let_in, now_us).map(Some)
        };
        let decided: Result<_, StorageError> = self.database.write(job).await;
        decided?.ok_or(DevicesError::TooManyDevices)
    }

    /// Returns the device with this secret, and updates its last use if the disk takes writes.
    ///
    /// # Errors
    /// [`DevicesError::Storage`]
    pub async fn by_secret(&self, secret: &str) -> Result<Option<DeviceRow>, DevicesError> {
        let (secret, now_us) = (hash(secret), (self.clock)());
        let found = self.database.read(move |read| tables::by_secret(read, &secret)).await?;
        if let Some(device) = found.as_ref().filter(|device| now_us.saturating_sub(device.used_us) >= USED_EXACT_US) {
            let id = device.id;
            let noted = self.database.write(move |write| tables::used(write, id, now_us)).await;
            // Only people read that time: a disk that takes no writes keeps no device out.
            if let Err(error) = noted {
                tracing::warn!(%error, device = id, "the last use of a device could not be stored");
            }
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

    /// Returns the devices of an account, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of_account(&self, account: &Did) -> Result<Vec<DeviceRow>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::of_account(read, &account)).await
    }

    /// Returns the requests that an account approved and whose programs have not fetched the secret yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn let_in_by(&self, account: &Did) -> Result<Vec<RequestRow>, StorageError> {
        let account = account.clone();
        self.database.read(move |read| tables::let_in_by(read, &account)).await
    }

    /// Whether an account has any device, or an approved request.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn act_for(&self, account: &Did) -> Result<bool, StorageError> {
        let (account, now_us) = (account.clone(), (self.clock)());
        self.database.read(move |read| tables::act_for(read, &account, now_us)).await
    }

    /// Revokes the device with this secret, at its own request. Returns its account.
    ///
    /// # Errors
    /// [`DevicesError::Storage`]
    pub async fn end(&self, secret: &str) -> Result<Option<Did>, DevicesError> {
        let secret = hash(secret);
        let job = move |write: &Write<'_>| {
            let found = tables::by_secret(write, &secret)?;
            if let Some(device) = &found {
                tables::revoke(write, &device.account, device.id)?;
            }
            Ok::<_, StorageError>(found.map(|device| device.account))
        };
        Ok(self.database.write(job).await?)
    }

    /// Returns the number of devices of each account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn by_account(&self) -> Result<Vec<(Did, u64)>, StorageError> {
        self.database.read(tables::by_account).await
    }

    /// Forgets all devices and approved requests of an account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget(&self, account: &Did) -> Result<(), StorageError> {
        let account = account.clone();
        self.database.write(move |write| tables::forget(write, &account)).await
    }

    /// Returns the newest devices of all accounts, 1,000 at most, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn newest(&self) -> Result<Vec<DeviceRow>, StorageError> {
        self.database.read(tables::newest).await
    }

    /// Revokes a device of any account. Returns it, if there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_back(&self, id: i64) -> Result<Option<DeviceRow>, StorageError> {
        self.database.write(move |write| tables::take(write, id)).await
    }

    /// Revokes a device of an account. Returns whether the account had it.
    ///
    /// # Errors
    /// [`DevicesError::Storage`]
    pub async fn revoke(&self, account: &Did, id: i64) -> Result<bool, DevicesError> {
        let account = account.clone();
        Ok(self.database.write(move |write| tables::revoke(write, &account, id)).await?)
    }
}

/// Answers one poll, in one transaction.
fn poll(
    write: &Write<'_>,
    code: &[u8; 32],
    name: Option<&str>,
    secret: &[u8; 32],
    now_us: u64,
) -> Result<Result<Did, PollRefusal>, StorageError> {
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
    // Half a second less than the interval is accepted: clocks differ.
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

/// Hashes a secret. Secrets are random, so a slower hash would gain nothing.
fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Returns a program's name as one short line without control and bidirectional characters.
fn clean(name: &str) -> String {
    server::text::line(name, MAX_NAME_CHARS).unwrap_or_else(|| "a program without a name".into())
}
