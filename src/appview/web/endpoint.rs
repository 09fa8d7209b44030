//! The endpoints of this room.

use crate::oauth::{CALLBACK_PATH, KEYS_PATH, METADATA_PATH};

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// What authorization servers read of us.
    ClientMetadata,
    /// Our public keys.
    ClientKeys,
    /// Where sign-ins begin.
    SignIn,
    /// Where browsers come back to.
    Callback,
    /// Ends the browser's session.
    SignOut,
    /// Lets devices in, and shows them.
    Devices,
    /// Takes a device back.
    RevokeDevice,
    /// Where programs ask to become devices.
    DeviceCode,
    /// Where they ask whether they were let in.
    DeviceToken,
}

/// All of them, by their paths: as metrics and the log name them.
pub const ENDPOINTS: [(&str, Endpoint); 9] = [
    (METADATA_PATH, Endpoint::ClientMetadata),
    (KEYS_PATH, Endpoint::ClientKeys),
    ("/auth/oauth/login", Endpoint::SignIn),
    (CALLBACK_PATH, Endpoint::Callback),
    ("/auth/logout", Endpoint::SignOut),
    ("/auth/device", Endpoint::Devices),
    ("/auth/device/revoke", Endpoint::RevokeDevice),
    ("/auth/device/code", Endpoint::DeviceCode),
    ("/auth/device/token", Endpoint::DeviceToken),
];

impl Endpoint {
    /// The endpoint of a path.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        ENDPOINTS.iter().find(|(of, _)| *of == path).map(|(_, endpoint)| *endpoint)
    }

    /// Its place in [`ENDPOINTS`].
    #[must_use]
    pub fn index(self) -> usize {
        ENDPOINTS.iter().position(|(_, endpoint)| *endpoint == self).unwrap_or_default()
    }

    /// Its path.
    #[must_use]
    pub fn path(self) -> &'static str {
        ENDPOINTS[self.index()].0
    }

    /// Whether it has no page.
    pub(super) fn is_for_programs(self) -> bool {
        matches!(self, Self::ClientMetadata | Self::ClientKeys | Self::DeviceCode | Self::DeviceToken)
    }

    /// Whether GET is for it.
    pub(super) fn is_read(self) -> bool {
        matches!(self, Self::ClientMetadata | Self::ClientKeys | Self::SignIn | Self::Callback | Self::Devices)
    }

    /// Whether POST is for it.
    pub(super) fn is_written(self) -> bool {
        !matches!(self, Self::ClientMetadata | Self::ClientKeys | Self::Callback)
    }
}
