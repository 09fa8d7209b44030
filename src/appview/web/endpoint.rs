//! The endpoints of this room.

use http::header::ACCEPT;
use http::request::Parts;

use super::site;
use crate::oauth::{CALLBACK_PATH, KEYS_PATH, METADATA_PATH};
use atproto::lexicon::nsid::{self, Method};
use server::xrpc::header;

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
    /// Where a device gives its secret back.
    EndDevice,
    /// What somebody may change.
    Settings,
    /// The default hold.
    ChooseHold,
    /// Ends the session of a browser.
    EndSession,
    /// What is held of an account, as a file.
    AccountData,
    /// Deletes that.
    ForgetAccount,
    /// What an owner may change of a repository.
    RepositorySettings,
    /// Writes the text of its page.
    WritePage,
    /// Changes the picture of its page.
    WritePicture,
    /// Deletes a tag or a manifest.
    DeleteImage,
    /// Whom a repository tells of pushes.
    Webhooks,
    /// One of them, and what was delivered to it.
    Webhook,
    /// A star is given or taken back.
    Star,
    /// What is found by words.
    Search,
    /// The same for programs.
    SearchRepositories,
    /// What there is, for programs.
    ListRepositories,
    /// What this registry is.
    Home,
    /// Somebody's repositories.
    Owner,
    /// A repository.
    Repository,
    /// An image.
    Image,
    /// Somebody's picture, or a repository's.
    Picture,
    /// What programs that follow links may read.
    Robots,
    /// The registry's mark.
    Mark,
    /// Anything else that a browser asks for.
    Missing,
}

/// All of them, by their paths: as metrics and the log name them.
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

/// What stands before the name of a method.
const XRPC: &str = "/xrpc/";
/// Where there is never a page.
const OF_PROGRAMS: [&str; 5] = ["/v2", "/_health", "/auth/token", "/xrpc", "/.well-known"];

impl Endpoint {
    /// The endpoint that a request is for, if it is one of this room: any address is, where a browser asks and no program.
    #[must_use]
    pub fn of(head: &Parts) -> Option<Self> {
        let path = head.uri.path();
        let name = path.strip_prefix(XRPC).filter(|method| !method.starts_with('/')).unwrap_or(path);
        let exact = ENDPOINTS.iter().find(|(of, _)| *of == name && !of.contains('*')).map(|(_, endpoint)| *endpoint);
        let is_of_programs = OF_PROGRAMS
            .iter()
            .any(|below| path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        if is_of_programs {
            return exact;
        }
        let wants_page = header(head, ACCEPT.as_str()).is_some_and(|kinds| kinds.contains("text/html"));
        exact.or_else(|| site::kind(path)).or_else(|| wants_page.then_some(Self::Missing))
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

    /// Whether it shows what anybody may see of others.
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

    /// The method that it is, if it is one.
    pub(super) fn method(self) -> Option<Method> {
        match self {
            Self::SearchRepositories => Some(nsid::SEARCH_REPOSITORIES),
            Self::ListRepositories => Some(nsid::LIST_REPOSITORIES),
            _ => None,
        }
    }

    /// Whether it has no page.
    pub(super) fn is_for_programs(self) -> bool {
        matches!(self, Self::ClientMetadata | Self::ClientKeys | Self::DeviceCode | Self::DeviceToken | Self::EndDevice)
    }

    /// Whether GET is for it.
    pub(super) fn is_read(self) -> bool {
        !self.is_written() || matches!(self, Self::SignIn | Self::Devices | Self::Webhooks | Self::Webhook)
    }

    /// The methods that are for it.
    pub(super) fn allowed(self) -> &'static str {
        match (self.is_read(), self.is_written()) {
            (true, true) => "GET, HEAD, POST",
            (true, false) => "GET, HEAD",
            (false, _) => "POST",
        }
    }

    /// Whether POST is for it.
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
