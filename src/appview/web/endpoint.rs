//! The endpoints of this room.

use std::time::Duration;

use crate::oauth::{CALLBACK_PATH, KEYS_PATH, METADATA_PATH};
use atproto::lexicon::nsid::{self, Method};
use atproto::syntax::ImageName;

/// An endpoint of this room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The OAuth client metadata.
    ClientMetadata,
    /// The JWKS of the OAuth client.
    ClientKeys,
    /// The sign-in page, and the begin of a sign-in.
    SignIn,
    /// The redirect URI of a sign-in.
    Callback,
    /// Signs the browser out.
    SignOut,
    /// Shows and approves devices.
    Devices,
    /// Revokes a device.
    RevokeDevice,
    /// The device authorization endpoint (RFC 8628).
    DeviceCode,
    /// The token endpoint of device authorization.
    DeviceToken,
    /// The revocation endpoint of a device's secret.
    EndDevice,
    /// The settings page of an account.
    Settings,
    /// Changes the default hold.
    ChooseHold,
    /// Signs a browser of the account out.
    EndSession,
    /// The data that is stored of an account, as a file.
    AccountData,
    /// Deletes the data that is stored of an account.
    ForgetAccount,
    /// The settings page of a repository.
    RepositorySettings,
    /// Changes the text of a repository's page.
    WritePage,
    /// Changes the picture of a repository's page.
    WritePicture,
    /// Deletes a tag or a manifest.
    DeleteImage,
    /// The webhooks of a repository.
    Webhooks,
    /// A webhook and its deliveries.
    Webhook,
    /// Adds or removes a star.
    Star,
    /// The search page.
    Search,
    /// The XRPC query `searchRepositories`.
    SearchRepositories,
    /// The XRPC query `listRepositories`.
    ListRepositories,
    /// The front page.
    Home,
    /// The page of an account, with its repositories.
    Owner,
    /// The page of a repository.
    Repository,
    /// The page of an image.
    Image,
    /// The picture of an account or of a repository.
    Picture,
    /// The robots exclusion file.
    Robots,
    /// The icon.
    Mark,
    /// The "not found" page of any other path that a browser requests.
    Missing,
}

/// All endpoints with their paths, which are their names in metrics and the log.
pub const ENDPOINTS: [(&str, Endpoint); 33] = [
    (METADATA_PATH, Endpoint::ClientMetadata),
    (KEYS_PATH, Endpoint::ClientKeys),
    ("/auth/oauth/login", Endpoint::SignIn),
    (CALLBACK_PATH, Endpoint::Callback),
    ("/auth/logout", Endpoint::SignOut),
    ("/auth/device", Endpoint::Devices),
    ("/auth/device/revoke", Endpoint::RevokeDevice),
    ("/auth/device/code", Endpoint::DeviceCode),
    ("/auth/device/token", Endpoint::DeviceToken),
    ("/auth/device/end", Endpoint::EndDevice),
    ("/settings", Endpoint::Settings),
    ("/settings/hold", Endpoint::ChooseHold),
    ("/settings/session", Endpoint::EndSession),
    ("/settings/data", Endpoint::AccountData),
    ("/settings/delete", Endpoint::ForgetAccount),
    ("/settings/repository", Endpoint::RepositorySettings),
    ("/settings/repository/page", Endpoint::WritePage),
    ("/settings/repository/picture", Endpoint::WritePicture),
    ("/settings/repository/delete", Endpoint::DeleteImage),
    ("/settings/webhooks", Endpoint::Webhooks),
    ("/settings/webhook", Endpoint::Webhook),
    ("/star", Endpoint::Star),
    ("/search", Endpoint::Search),
    (nsid::SEARCH_REPOSITORIES.as_str(), Endpoint::SearchRepositories),
    (nsid::LIST_REPOSITORIES.as_str(), Endpoint::ListRepositories),
    ("/", Endpoint::Home),
    ("/robots.txt", Endpoint::Robots),
    ("/favicon.ico", Endpoint::Mark),
    ("/*", Endpoint::Owner),
    ("/*/*", Endpoint::Repository),
    ("/*/*:*", Endpoint::Image),
    ("/picture/*", Endpoint::Picture),
    ("/**", Endpoint::Missing),
];

/// Time limit of a page, which a person waits for.
pub(super) const PAGE_TIME: Duration = Duration::from_secs(12);
/// Time limit of the answer to a form. Proxies give up after 60 s.
pub(super) const FORM_TIME: Duration = Duration::from_secs(45);

impl Endpoint {
    /// Returns the index in [`ENDPOINTS`].
    #[must_use]
    pub fn index(self) -> usize {
        ENDPOINTS.iter().position(|(_, endpoint)| *endpoint == self).unwrap_or_default()
    }

    /// Returns the path.
    #[must_use]
    pub fn path(self) -> &'static str {
        ENDPOINTS[self.index()].0
    }

    /// Returns the path of the endpoint for a repository of the signed-in account.
    pub(super) fn for_repository(self, name: &ImageName) -> String {
        format!("{}?name={name}", self.path())
    }

    /// Whether the endpoint shows what anybody may see: public pages, pictures, searches, static files and "not found".
    #[must_use]
    pub fn is_public(self) -> bool {
        matches!(
            self,
            Self::Home
                | Self::Search
                | Self::SearchRepositories
                | Self::ListRepositories
                | Self::Owner
                | Self::Repository
                | Self::Image
                | Self::Picture
                | Self::Robots
                | Self::Mark
                | Self::Missing
        )
    }

    /// Whether `path` is exactly that of a page, which a browser shows: no file, no form alone, and no page below an owner.
    pub(super) fn of_page(path: &str) -> bool {
        let found = ENDPOINTS.iter().find(|(of, _)| *of == path && !of.contains('*'));
        found.is_some_and(|(_, endpoint)| {
            matches!(
                endpoint,
                Self::Home
                    | Self::Search
                    | Self::Devices
                    | Self::Settings
                    | Self::RepositorySettings
                    | Self::Webhooks
                    | Self::Webhook
            )
        })
    }

    /// Returns the XRPC method of the endpoint, if it is one.
    pub(super) fn method(self) -> Option<Method> {
        match self {
            Self::SearchRepositories => Some(nsid::SEARCH_REPOSITORIES),
            Self::ListRepositories => Some(nsid::LIST_REPOSITORIES),
            _ => None,
        }
    }

    /// Whether OAuth servers or device programs call the endpoint: its errors are OAuth errors in JSON.
    pub(super) fn is_for_programs(self) -> bool {
        matches!(self, Self::ClientMetadata | Self::ClientKeys | Self::DeviceCode | Self::DeviceToken | Self::EndDevice)
    }

    /// Returns the time that all servers together have for an answer; `None` for one that sends a picture to a PDS, which
    /// begins to count when it is here, and where sessions end, each step with a limit of its own: none is left out.
    pub(super) fn time(self, reads: bool) -> Option<Duration> {
        match self {
            Self::WritePicture | Self::Callback | Self::SignOut | Self::EndSession | Self::ForgetAccount => None,
            Self::RevokeDevice | Self::EndDevice => None,
            _ if reads => Some(PAGE_TIME),
            _ => Some(FORM_TIME),
        }
    }

    /// Whether the endpoint has `GET`.
    pub(super) fn is_read(self) -> bool {
        !self.is_written() || matches!(self, Self::SignIn | Self::Devices | Self::Webhooks | Self::Webhook)
    }

    /// Returns the value of `Allow`.
    pub(super) fn allowed(self) -> &'static str {
        match (self.is_read(), self.is_written()) {
            (true, true) => "GET, HEAD, POST",
            (true, false) => "GET, HEAD",
            (false, _) => "POST",
        }
    }

    /// Whether the endpoint has `POST`.
    pub(super) fn is_written(self) -> bool {
        matches!(
            self,
            Self::SignIn
                | Self::SignOut
                | Self::Devices
                | Self::RevokeDevice
                | Self::DeviceCode
                | Self::DeviceToken
                | Self::Star
                | Self::EndDevice
                | Self::ChooseHold
                | Self::EndSession
                | Self::ForgetAccount
                | Self::WritePage
                | Self::WritePicture
                | Self::DeleteImage
                | Self::Webhooks
                | Self::Webhook
        )
    }
}
