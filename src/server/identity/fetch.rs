//! One answer over HTTP: bounded in time and size, no redirects, and the address checked at connect.
//!
//! The second half of the guard. The name is looked up here and nowhere else, and the connection is made to
//! the very addresses that were checked, so a name that changes its answer in between gains nothing.

use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, HOST};
use http::request::Builder;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::address::is_public;
use super::location::Location;
use super::{Error, SetupError};

/// Name, connection, TLS, head and body together.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Shared among the addresses of a name, so that one dead address does not use up the whole time.
const CONNECT_TIME: Duration = Duration::from_secs(4);
/// A document of a real account has less than 2 KiB.
const MAX_BODY_BYTES: usize = 64 * 1024;
const MAX_HEAD_BYTES: usize = 16 * 1024;
const IDLE_TIME: Duration = Duration::from_secs(30);

/// An answer has more bytes than its limit.
pub(super) const TOO_LARGE: &str = "it is larger than it may be";

type BoxError = Box<dyn StdError + Send + Sync>;

/// Looks a host name up. Tests bring their own; [`system_dns`] asks the system.
pub type Dns = Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync>;

pub(super) fn system_dns() -> Dns {
    Arc::new(|host| Box::pin(async move { Ok(tokio::net::lookup_host((host.as_str(), 0)).await?.collect()) }))
}

/// Which addresses a connection may be made to.
#[derive(Clone, Copy)]
enum Guard {
    /// Any: the operator chose the host.
    Off,
    /// Those of the public internet; and those of this machine for `localhost`, where that is allowed.
    Public { localhost: bool },
}

impl Guard {
    fn allows(self, host: &str, address: SocketAddr) -> bool {
        match self {
            Self::Off => true,
            Self::Public { localhost } if host == "localhost" => localhost && address.ip().is_loopback(),
            Self::Public { .. } => is_public(address.ip()),
        }
    }
}

/// The name has addresses, but none that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("no public address")]
struct NoPublicAddress;

#[derive(Clone)]
struct CheckedDns {
    dns: Dns,
    guard: Guard,
}

impl tower_service::Service<Name> for CheckedDns {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { dns, guard } = self.clone();
        Box::pin(async move {
            let mut addresses = dns(name.as_str().to_owned()).await?;
            addresses.retain(|address| guard.allows(name.as_str(), *address));
            if addresses.is_empty() { Err(NoPublicAddress.into()) } else { Ok(addresses.into_iter()) }
        })
    }
}

type HttpClient = Client<HttpsConnector<HttpConnector<CheckedDns>>, Empty<Bytes>>;

/// The two clients: one for the PLC directory, one for hosts that strangers name.
#[derive(Clone)]
pub(super) struct Fetcher {
    directory: HttpClient,
    web: HttpClient,
}

impl Fetcher {
    pub(super) fn new(dns: Dns, test_mode: bool) -> Result<Self, SetupError> {
        let web = CheckedDns { dns: dns.clone(), guard: Guard::Public { localhost: test_mode } };
        Ok(Self {
            directory: client(CheckedDns { dns, guard: Guard::Off }, test_mode, 4)?,
            web: client(web, test_mode, 0)?,
        })
    }

    /// The body of the document at `location`.
    pub(super) async fn get(&self, location: Location) -> Result<Bytes, Error> {
        let document = |uri| Request::get(uri).header(ACCEPT, "application/did+ld+json, application/json");
        let (client, request) = match location {
            Location::Directory(uri) => (&self.directory, document(uri)),
            Location::Web(uri) => (&self.web, document(uri)),
            Location::Handle(uri, host) => {
                (&self.web, Request::get(uri).header(ACCEPT, "text/plain").header(HOST, host.as_str()))
            }
        };
        let response = exchange(client, request).await?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            // The PLC directory answers 410 for a DID that was given up.
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Error::NotFound),
            status if status.is_redirection() => Err(Error::Invalid("redirects are not followed")),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => Err(Error::Unreachable),
            _ => Err(Error::Invalid("its host refuses it")),
        }
    }

    /// The same as [`Fetcher::ask`], of which the body may have `limit_bytes` and all of it may take `time_limit`.
    pub(super) async fn ask_within(
        &self,
        request: Builder,
        time_limit: Duration,
        limit_bytes: usize,
    ) -> Result<Response<Bytes>, Error> {
        exchange_within(&self.web, request, time_limit, limit_bytes).await
    }

    /// What a host that a stranger named answers to `request`. Only the body of a 200 is read.
    pub(super) async fn ask(&self, request: Builder) -> Result<Response<Bytes>, Error> {
        exchange(&self.web, request).await
    }
}

fn client(dns: CheckedDns, plain_http: bool, idle_connections: usize) -> Result<HttpClient, SetupError> {
    let mut tcp = HttpConnector::new_with_resolver(dns);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIME));
    let tls = HttpsConnectorBuilder::new().with_native_roots().map_err(SetupError::Roots)?;
    let schemes = if plain_http { tls.https_or_http() } else { tls.https_only() };
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIME)
        .pool_max_idle_per_host(idle_connections)
        .http1_max_buf_size(MAX_HEAD_BYTES)
        .build(schemes.enable_http1().wrap_connector(tcp)))
}

async fn exchange(client: &HttpClient, request: Builder) -> Result<Response<Bytes>, Error> {
    exchange_within(client, request, TIME_LIMIT, MAX_BODY_BYTES).await
}

async fn exchange_within(
    client: &HttpClient,
    request: Builder,
    time_limit: Duration,
    limit_bytes: usize,
) -> Result<Response<Bytes>, Error> {
    let request = request.body(Empty::new()).map_err(|_| Error::Unsupported("it makes no address"))?;
    let exchange = async {
        let response = client.request(request).await.map_err(|error| refusal(&error).unwrap_or(Error::Unreachable))?;
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            return Ok(Response::from_parts(head, Bytes::new()));
        }
        match Limited::new(body, limit_bytes).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Error::Invalid(TOO_LARGE)),
            Err(_) => Err(Error::Unreachable),
        }
    };
    tokio::time::timeout(time_limit, exchange).await.unwrap_or(Err(Error::Unreachable))
}

/// The guard's refusal, when that is what stands behind a failed connection.
fn refusal(error: &(dyn StdError + 'static)) -> Option<Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<NoPublicAddress>() {
            return Some(Error::Invalid("its host has no public address"));
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use tower_service::Service as _;

    use super::{CheckedDns, Dns, Guard};

    /// What is left of `answers` for `host`.
    async fn checked(guard: Guard, host: &str, answers: &[&str]) -> Vec<String> {
        let answers: Vec<SocketAddr> = answers.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
        let dns: Dns = Arc::new(move |_| {
            let answers = answers.clone();
            Box::pin(async move { Ok(answers) })
        });
        let left = CheckedDns { dns, guard }.call(host.parse().unwrap()).await;
        left.map(|addresses| addresses.map(|address| address.ip().to_string()).collect()).unwrap_or_default()
    }

    #[tokio::test]
    async fn only_addresses_that_may_be_connected_to_are_left() {
        let mixed = ["10.0.0.1", "1.1.1.1", "127.0.0.1", "2606:4700::1111", "::1"];
        let public = Guard::Public { localhost: false };
        let test_mode = Guard::Public { localhost: true };
        assert_eq!(checked(public, "a.example", &mixed).await, ["1.1.1.1", "2606:4700::1111"]);
        assert_eq!(checked(test_mode, "a.example", &mixed).await, ["1.1.1.1", "2606:4700::1111"]);
        assert_eq!(checked(test_mode, "localhost", &mixed).await, ["127.0.0.1", "::1"]);
        assert!(checked(public, "localhost", &mixed).await.is_empty());
        assert_eq!(checked(Guard::Off, "plc.internal", &["10.0.0.1"]).await, ["10.0.0.1"]);
    }
}
