//! The HTTP client of the store: one pool of connections.
//!
//! It knows nothing of S3. object_store brings its credential providers, and gets the same client for them.

use std::io;
use std::time::Duration;

use http::{Request, Response};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient as ProviderClient, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};
use server::egress::{AnswerLimits, ClientPolicy, EgressError, HttpClient, Reach, system_dns};

pub(super) use server::egress::{
    BrokenBody as Broken, ClientBody as AnyBody, boxed_body as any_body, root_cause as innermost,
};

const POLICY: ClientPolicy = ClientPolicy {
    // The operator chose the store, and the cloud's own providers of credentials speak plain http on link-local
    // addresses.
    reach: Reach::Any,
    plain_http: true,
    // A store that cannot be connected to within this time counts as unreachable.
    connect_limit: Duration::from_secs(5),
    idle_connections: 32,
    // Shorter than what stores and their proxies wait before they close an idle connection.
    idle_limit: Duration::from_secs(15),
    // The memory bill of a body that streams through the hold.
    buffer_bytes: 64 * 1024,
};
/// Look-ups of the store's name at once: as many as connections are kept.
const DNS_THREADS: usize = 32;
/// What a credential provider of the cloud may take for its whole answer.
const CREDENTIALS_LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(10), body_bytes: 1 << 20 };

/// The client; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Http(HttpClient);

impl Http {
    /// # Errors
    /// When the system has no certificates.
    pub(super) fn new() -> io::Result<Self> {
        HttpClient::new(&POLICY, system_dns(DNS_THREADS)).map(Self)
    }

    /// Sends a request as it is, and waits for the head of the answer without a limit of time.
    ///
    /// # Errors
    /// The cause, in which no address stands.
    pub(super) async fn send(&self, request: Request<AnyBody>) -> Result<Response<AnyBody>, String> {
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
        match self.0.exchange(request.map(any_body), CREDENTIALS_LIMITS).await {
            Ok(answer) => Ok(answer.map(HttpResponseBody::from)),
            Err(error) => {
                // object_store tries again and again, and what it says at last has no cause in it.
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
