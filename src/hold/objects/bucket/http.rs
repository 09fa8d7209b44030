//! The HTTP client of the store, with one pool of connections.
//!
//! It knows nothing of S3. object_store's credential providers use the same client.

use std::io;
use std::time::Duration;

use http::{Request, Response};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient as ProviderClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use server::egress::{AnswerLimits, ClientBody, ClientPolicy, EgressError, HttpClient, Reach, boxed_body, system_dns};

const POLICY: ClientPolicy = ClientPolicy {
    // The operator chose the store, and the cloud's own credential providers speak plain HTTP on link-local addresses.
    reach: Reach::Any,
    plain_http: true,
    // A store without a connection within this time counts as unreachable.
    connect_limit: Duration::from_secs(5),
    idle_connections: 32,
    // Shorter than the time after which stores and their proxies close an idle connection.
    idle_limit: Duration::from_secs(15),
    // Memory of one body that streams through the hold.
    buffer_bytes: 64 * 1024,
};
/// Concurrent look-ups of the store's name: as many as idle connections are kept.
const DNS_THREADS: usize = 32;
/// Limits of a whole response of the cloud's credential provider.
const CREDENTIALS_LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(10), body_bytes: 1 << 20 };

/// The HTTP client; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Http(HttpClient);

impl Http {
    /// Creates the client.
    ///
    /// # Errors
    /// When the system has no certificates.
    pub(super) fn new() -> io::Result<Self> {
        HttpClient::new(&POLICY, system_dns(DNS_THREADS)).map(Self)
    }

    /// Sends a request as it is, and waits for the head of the response without a time limit.
    ///
    /// # Errors
    /// The cause, without an address in it.
    pub(super) async fn send(&self, request: Request<ClientBody>) -> Result<Response<ClientBody>, String> {
        self.0.send(request).await.map_err(|error| error.to_string())
    }
}

impl object_store::client::HttpConnector for Http {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<ProviderClient> {
        Ok(ProviderClient::new(self.clone()))
    }
}

#[async_trait::async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        match self.0.exchange(request.map(boxed_body), CREDENTIALS_LIMITS).await {
            Ok(answer) => Ok(answer.map(HttpResponseBody::from)),
            Err(error) => {
                // object_store retries many times, and its final error does not have the cause.
                tracing::warn!("the cloud's provider of credentials gives no answer: {error}");
                let kind = if matches!(error, EgressError::TimedOut(_)) {
                    HttpErrorKind::Timeout
                } else {
                    HttpErrorKind::Connect
                };
                Err(HttpError::new(kind, io::Error::other(error.to_string())))
            }
        }
    }
}
