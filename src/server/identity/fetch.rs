//! Fetches one document over HTTP, from the PLC directory or a host that a stranger named.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::request::Builder;
use http::{Request, Response, StatusCode};

use super::location::Location;
use super::{Pool, ResolveError, SetupError};
use crate::egress::{AnswerLimits, ClientPolicy, Dns, EgressError, HttpClient, Reach, empty_body, system_dns};

const LIMITS: AnswerLimits = AnswerLimits {
    // Look-up of the name, connection, TLS, head and body together.
    time: Duration::from_secs(5),
    // The document of a real account has less than 2 KiB.
    body_bytes: 64 * 1024,
};
/// Concurrent DNS look-ups of the PLC directory: its connections are kept, so there are few.
const DIRECTORY_DNS_THREADS: usize = 4;
/// Concurrent DNS look-ups of hosts that accounts named: so many for members, and as many for strangers. Each can block
/// its thread for 40 s: 8 are enough for one look-up of each document that is read at once.
const WEB_DNS_THREADS: usize = 8;

/// The three clients: one for the PLC directory, one for hosts named by captain or crew accounts, and one for hosts
/// named by strangers. Each has its own threads for DNS look-ups: a stranger's silent name server does not delay
/// members.
#[derive(Clone)]
pub(super) struct Fetcher {
    directory: HttpClient,
    members: HttpClient,
    strangers: HttpClient,
}

impl Fetcher {
    /// Creates the clients, with look-ups by `dns`, else by the system's resolver.
    pub(super) fn new(dns: Option<Dns>, test_mode: bool) -> Result<Self, SetupError> {
        let directory = ClientPolicy {
            reach: Reach::Any,
            plain_http: test_mode,
            // Shared by the addresses of a name, so that one dead address does not use up the whole time.
            connect_limit: Duration::from_secs(4),
            idle_connections: 4,
            idle_limit: Duration::from_secs(30),
            buffer_bytes: 16 * 1024,
        };
        let web = ClientPolicy { reach: Reach::Public { localhost: test_mode }, idle_connections: 0, ..directory };
        let client = |policy: &ClientPolicy, threads| {
            let dns = dns.clone().unwrap_or_else(|| system_dns(threads));
            HttpClient::new(policy, dns).map_err(SetupError::Roots)
        };
        let directory = client(&directory, DIRECTORY_DNS_THREADS)?;
        Ok(Self { directory, members: client(&web, WEB_DNS_THREADS)?, strangers: client(&web, WEB_DNS_THREADS)? })
    }

    /// Returns the client for hosts that an account of this pool named.
    fn web(&self, pool: Pool) -> &HttpClient {
        if pool.is_of_member() { &self.members } else { &self.strangers }
    }

    /// Returns the body of the document at `location`, of an account of this pool.
    pub(super) async fn get(&self, location: Location, pool: Pool) -> Result<Bytes, FetchError> {
        let document = |uri| Request::get(uri).header(ACCEPT, "application/did+ld+json, application/json");
        let (client, request) = match location {
            Location::Directory(uri) => (&self.directory, document(uri)),
            Location::Web(uri) => (self.web(pool), document(uri)),
            Location::Handle(uri, host) => {
                (self.web(pool), Request::get(uri).header(ACCEPT, "text/plain").header(HOST, host.as_str()))
            }
        };
        let response = exchange(client, request, LIMITS).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(FetchError::Status(status)),
        }
    }

    /// As [`Fetcher::ask`], with other limits.
    pub(super) async fn ask_within(
        &self,
        request: Builder,
        pool: Pool,
        limits: AnswerLimits,
    ) -> Result<Response<Bytes>, EgressError> {
        exchange(self.web(pool), request, limits).await
    }

    /// Sends `request` to a host that an account of this pool named; returns the response.
    pub(super) async fn ask(&self, request: Builder, pool: Pool) -> Result<Response<Bytes>, EgressError> {
        self.ask_within(request, pool, LIMITS).await
    }
}

async fn exchange(client: &HttpClient, request: Builder, limits: AnswerLimits) -> Result<Response<Bytes>, EgressError> {
    let request = request.body(empty_body()).map_err(|error| EgressError::Request(error.to_string()))?;
    client.exchange(request, limits).await
}

/// Errors of fetching a document, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The server answered with a status other than 200.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// No answer.
    #[error(transparent)]
    Egress(#[from] EgressError),
}

impl FetchError {
    /// Whether the error is transient: the same request may succeed later, without anyone repairing anything.
    pub(super) fn is_transient(&self) -> bool {
        ResolveError::from(self).is_transient()
    }
}

impl From<FetchError> for ResolveError {
    fn from(error: FetchError) -> Self {
        Self::from(&error)
    }
}

impl From<&FetchError> for ResolveError {
    fn from(error: &FetchError) -> Self {
        match error {
            // The PLC directory answers 410 for a DID that was deactivated.
            FetchError::Status(StatusCode::NOT_FOUND | StatusCode::GONE) => Self::NotFound,
            FetchError::Status(status) if status.is_redirection() => Self::Refused("redirects are not followed"),
            FetchError::Status(StatusCode::TOO_MANY_REQUESTS) => Self::Unreachable,
            FetchError::Status(status) if status.is_server_error() => Self::Unreachable,
            FetchError::Status(_) => Self::Refused("its host refuses it"),
            FetchError::Egress(EgressError::NotPublic) => Self::Invalid("its host has no public address"),
            FetchError::Egress(EgressError::TooLarge(_)) => Self::Invalid("it is larger than 64 KiB"),
            FetchError::Egress(EgressError::Request(_)) => Self::Unsupported("it makes no address"),
            FetchError::Egress(
                // Of a did:web too: whoever has its documents goes on with them while a domain is out of the DNS.
                EgressError::NameLookUp(_)
                | EgressError::NoSuchName(_)
                | EgressError::Forbidden(_)
                | EgressError::Connect(_)
                | EgressError::Broken(_)
                | EgressError::TimedOut(_)
                | EgressError::NoTime,
            ) => Self::Unreachable,
        }
    }
}
