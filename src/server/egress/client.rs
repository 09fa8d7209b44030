//! An HTTP client: a pool of connections under one policy.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::asked::{Asking, asking};
use super::body::{ClientBody, boxed_body, empty_body, full_body};
use super::deadline;
use super::dns::{Dns, GuardedDns, Reach};
use super::error::{EgressError, root_cause};
use super::roots::tls_config;

/// The header of a DPoP proof.
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The policy of a client, for all its requests.
#[derive(Clone, Copy, Debug)]
pub struct ClientPolicy {
    /// The hosts that the client may connect to.
    pub reach: Reach,
    /// Whether `http://` is allowed beside `https://`.
    pub plain_http: bool,
    /// Time-out of connecting, over all addresses of a name, without TLS.
    pub connect_limit: Duration,
    /// Number of idle connections kept for each host; with 0 each request opens its own.
    pub idle_connections: usize,
    /// Time that an idle connection is kept.
    pub idle_limit: Duration,
    /// Buffer of a connection in bytes: the longest head of a response, and the memory of a body that is streamed.
    pub buffer_bytes: usize,
}

/// The limits of a response that is read into memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Time-out, from the look-up of the name to the last byte.
    pub time: Duration,
    /// Limit of the body in bytes.
    pub body_bytes: usize,
}

/// An HTTP client under one policy. Clones share its connections.
#[derive(Clone)]
pub struct HttpClient {
    http: Client<HttpsConnector<HttpConnector<GuardedDns>>, ClientBody>,
    dns: GuardedDns,
    keeps_connections: bool,
}

impl HttpClient {
    /// Makes a client under `policy` that looks names up with `dns`.
    ///
    /// # Errors
    /// No root certificate of the system's store could be loaded.
    pub fn new(policy: &ClientPolicy, dns: Dns) -> io::Result<Self> {
        let dns = GuardedDns { dns, reach: policy.reach };
        let mut tcp = HttpConnector::new_with_resolver(dns.clone());
        tcp.enforce_http(false);
        // Small requests would wait for delayed acknowledgements otherwise.
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(policy.connect_limit));
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls_config()?);
        let schemes = if policy.plain_http { tls.https_or_http() } else { tls.https_only() };
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(policy.idle_limit)
            .pool_max_idle_per_host(policy.idle_connections)
            .http1_max_buf_size(policy.buffer_bytes)
            .build(schemes.enable_http1().wrap_connector(tcp));
        Ok(Self { http, dns, keeps_connections: policy.idle_connections > 0 })
    }

    /// Sends a request as it is and waits for the head of the response, without a time-out: the caller sets one, as it
    /// knows how long a streamed body may take. Redirects are returned, not followed. A request that changes nothing is
    /// sent once more when its connection ends before the head: a server may close a kept connection at any time.
    ///
    /// # Errors
    /// [`EgressError`]
    pub async fn send(&self, request: Request<ClientBody>) -> Result<Response<ClientBody>, EgressError> {
        // An IP address as the host is never looked up, so the guard of look-ups would not see it.
        if literal(request.uri()).is_some_and(|(host, address)| !self.dns.reach.allows(host, address)) {
            return Err(EgressError::NotPublic);
        }
        let _asking = asking_host(request.uri());
        let repeated = self.repeated(&request);
        let answer = match (self.send_once(request).await, repeated) {
            (Err(EgressError::Broken(_)), Some(repeated)) => self.send_once(repeated).await,
            (answer, _) => answer,
        };
        Ok(answer?.map(boxed_body))
    }

    async fn send_once(&self, request: Request<ClientBody>) -> Result<Response<Incoming>, EgressError> {
        self.http.request(request).await.map_err(|error| EgressError::of(&error))
    }

    /// Returns a copy of a request that may be sent twice. RFC 9110, section 9.2.2.
    fn repeated(&self, request: &Request<ClientBody>) -> Option<Request<ClientBody>> {
        // A server accepts a DPoP proof once.
        let may_be = matches!(*request.method(), Method::GET | Method::HEAD)
            && request.body().is_end_stream()
            && !request.headers().contains_key(DPOP);
        if !may_be || !self.keeps_connections {
            return None;
        }
        let mut copy = Request::new(empty_body());
        copy.method_mut().clone_from(request.method());
        copy.uri_mut().clone_from(request.uri());
        copy.headers_mut().clone_from(request.headers());
        Some(copy)
    }

    /// Checks whether the host of `url` has an address that may be connected to, before anything is sent to it. Each
    /// request checks again, as the name may have other addresses by then.
    ///
    /// # Errors
    /// [`EgressError::NotPublic`], [`EgressError::NameLookUp`]; [`EgressError::Request`] when `url` is not a URL with a
    /// host.
    pub async fn look_up(&self, url: &str) -> Result<(), EgressError> {
        let none = || EgressError::Request("it is no URL with a host".into());
        let uri: Uri = url.parse().map_err(|_| none())?;
        match literal(&uri) {
            Some((host, address)) if self.dns.reach.allows(host, address) => Ok(()),
            Some(_) => Err(EgressError::NotPublic),
            None => self.dns.look_up(uri.host().ok_or_else(none)?).await.map(drop).map_err(EgressError::of_look_up),
        }
    }

    /// As [`HttpClient::send`], with the whole body of the response, within the limits and the deadline of
    /// [`super::answer_within`]. An error status is no error here; its body is empty where it exceeds them.
    ///
    /// # Errors
    /// [`EgressError`]
    pub async fn exchange(
        &self,
        request: Request<ClientBody>,
        limits: AnswerLimits,
    ) -> Result<Response<Bytes>, EgressError> {
        let time = deadline::left(limits.time)?;
        let deadline = Instant::now() + time;
        let _asking = asking_host(request.uri());
        let late = |_| EgressError::TimedOut(time);
        let (head, body) = timeout_at(deadline, self.send(request)).await.map_err(late)??.into_parts();
        let body = match timeout_at(deadline, collect(body, limits.body_bytes)).await.map_err(late) {
            Ok(Ok(body)) => body,
            _ if !head.status.is_success() => Bytes::new(),
            Ok(Err(error)) | Err(error) => return Err(error),
        };
        Ok(Response::from_parts(head, body))
    }

    /// As [`HttpClient::exchange`], with `value` as the JSON body.
    ///
    /// # Errors
    /// [`EgressError`]; [`EgressError::Request`] when `value` cannot be serialized.
    pub async fn exchange_json(
        &self,
        request: http::request::Builder,
        value: &impl Serialize,
        limits: AnswerLimits,
    ) -> Result<Response<Bytes>, EgressError> {
        let body = serde_json::to_vec(value).map_err(|error| EgressError::Request(error.to_string()))?;
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(full_body(body));
        self.exchange(request.map_err(|error| EgressError::Request(error.to_string()))?, limits).await
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").field("reach", &self.dns.reach).finish_non_exhaustive()
    }
}

/// Reads the whole of `body`, at most `limit_bytes`.
async fn collect(body: ClientBody, limit_bytes: usize) -> Result<Bytes, EgressError> {
    // A body that announces more is not read.
    if body.size_hint().lower() > limit_bytes as u64 {
        return Err(EgressError::TooLarge(limit_bytes));
    }
    match Limited::new(body, limit_bytes).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(EgressError::TooLarge(limit_bytes)),
        Err(error) => Err(EgressError::Broken(root_cause(&*error))),
    }
}

fn asking_host(uri: &Uri) -> Asking {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    // Without user information.
    asking(authority.rsplit('@').next().unwrap_or_default())
}

/// Returns the host of `uri` and its address, when the host is an IP address.
fn literal(uri: &Uri) -> Option<(&str, IpAddr)> {
    let host = uri.host()?;
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((host, address.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use http::{Request, StatusCode};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::{AnswerLimits, ClientBody, ClientPolicy, EgressError, HttpClient, Reach, collect};
    use crate::egress::{empty_body, full_body, system_dns};

    /// More time than a busy machine needs for an answer.
    const LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(60), body_bytes: 10 };

    const POLICY: ClientPolicy = ClientPolicy {
        reach: Reach::Any,
        plain_http: true,
        connect_limit: Duration::from_secs(60),
        idle_connections: 0,
        idle_limit: Duration::from_secs(1),
        buffer_bytes: 16 * 1024,
    };

    fn client(reach: Reach) -> HttpClient {
        HttpClient::new(&ClientPolicy { reach, ..POLICY }, system_dns(1)).unwrap()
    }

    /// A server that answers every request with `answer`, and keeps the connection open.
    async fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                open.push(stream);
            }
        });
        address
    }

    async fn asked_within(time: Duration, client: &HttpClient, url: &str) -> Result<(StatusCode, String), EgressError> {
        let request = Request::get(url).body(empty_body()).unwrap();
        let answer = client.exchange(request, AnswerLimits { time, ..LIMITS }).await?;
        Ok((answer.status(), String::from_utf8_lossy(answer.body()).into_owned()))
    }

    async fn asked(client: &HttpClient, url: &str) -> Result<(StatusCode, String), EgressError> {
        asked_within(LIMITS.time, client, url).await
    }

    async fn answered_within(time: Duration, answer: &'static str) -> Result<(StatusCode, String), EgressError> {
        asked_within(time, &client(Reach::Any), &format!("http://{}/", server(answer).await)).await
    }

    async fn answered(answer: &'static str) -> Result<(StatusCode, String), EgressError> {
        answered_within(LIMITS.time, answer).await
    }

    #[tokio::test]
    async fn an_answer_is_bounded_in_bytes_and_time() {
        assert_eq!(answered("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await, Ok((StatusCode::OK, "hi".into())));
        for large in ["content-length: 11\r\n\r\n01234567890", "content-length: 1099511627776\r\n\r\n0"] {
            let answer: &'static str = format!("HTTP/1.1 200 OK\r\n{large}").leak();
            assert_eq!(answered(answer).await, Err(EgressError::TooLarge(10)), "{large}");
        }
        let short = Duration::from_millis(100);
        for unfinished in ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh", "HTTP/1.1 200 OK\r\n", ""] {
            assert_eq!(answered_within(short, unfinished).await, Err(EgressError::TimedOut(short)), "{unfinished}");
        }
    }

    /// A server that closes a connection at the second request on it, unanswered. Counts these.
    async fn closing_server() -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, closed) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
        let count = Arc::clone(&closed);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Arc::clone(&count);
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 1024]).await;
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await;
                    let requested = stream.read(&mut [0; 1024]).await;
                    count.fetch_add(usize::from(requested.is_ok_and(|bytes| bytes > 0)), Ordering::Relaxed);
                });
            }
        });
        (address, closed)
    }

    #[tokio::test]
    async fn a_request_that_changes_nothing_is_repeated_when_its_server_closes_a_kept_connection() {
        let (address, closed) = closing_server().await;
        let client = HttpClient::new(&ClientPolicy { idle_connections: 1, ..POLICY }, system_dns(1)).unwrap();
        // Sends requests until one went over a kept connection, and returns the outcome of that one.
        let over_a_kept_connection = async |request: fn(String) -> Request<ClientBody>| {
            let before = closed.load(Ordering::Relaxed);
            loop {
                let answer = match client.send(request(format!("http://{address}/"))).await {
                    Ok(answer) => collect(answer.into_body(), LIMITS.body_bytes).await,
                    Err(error) => Err(error),
                };
                if closed.load(Ordering::Relaxed) > before {
                    return answer;
                }
                // The connection goes back to those that are kept.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let get = |url| Request::get(url).body(empty_body()).unwrap();
        assert_eq!(over_a_kept_connection(get).await, Ok("hi".into()));
        let post = |url| Request::post(url).body(full_body("x")).unwrap();
        assert!(matches!(over_a_kept_connection(post).await, Err(EgressError::Broken(_))));
        let with_proof = |url| Request::get(url).header("dpop", "a.b.c").body(empty_body()).unwrap();
        assert!(matches!(over_a_kept_connection(with_proof).await, Err(EgressError::Broken(_))));
    }

    #[tokio::test]
    async fn an_error_is_an_answer_also_when_its_body_does_not_come() {
        let whole = answered("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno").await;
        assert_eq!(whole, Ok((StatusCode::BAD_REQUEST, "no".into())));
        for body in ["content-length: 2\r\n\r\nn", "content-length: 11\r\n\r\n01234567890"] {
            let answer: &'static str = format!("HTTP/1.1 404 Not Found\r\n{body}").leak();
            // The head comes at once, whatever that is on a busy machine.
            let answer = answered_within(Duration::from_secs(2), answer).await;
            assert_eq!(answer, Ok((StatusCode::NOT_FOUND, String::new())), "{body}");
        }
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let other = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let answer = format!("HTTP/1.1 302 Found\r\nlocation: http://{other}/\r\ncontent-length: 0\r\n\r\n").leak();
        assert_eq!(answered(answer).await.unwrap().0, StatusCode::FOUND);
    }

    #[tokio::test]
    async fn an_address_in_the_place_of_a_name_is_guarded_too() {
        let address = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let port = address.port();
        let public = client(Reach::Public { localhost: false });
        for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1", "localhost"] {
            let url = format!("http://{host}:{port}/");
            assert_eq!(asked(&public, &url).await, Err(EgressError::NotPublic), "{host}");
            assert_eq!(public.look_up(&url).await, Err(EgressError::NotPublic), "{host}");
        }
        for url in ["https://1.1.1.1/", "https://[2606:4700::1111]:8443/"] {
            assert_eq!(public.look_up(url).await, Ok(()), "{url}");
        }
        assert!(matches!(public.look_up("/x").await, Err(EgressError::Request(_))));
        let local = client(Reach::Public { localhost: true });
        assert!(asked(&local, &format!("http://localhost:{port}/")).await.is_ok());
        assert_eq!(local.look_up(&format!("http://localhost:{port}/")).await, Ok(()));
        assert!(asked(&local, &format!("http://127.0.0.1:{port}/")).await.is_err());
    }

    #[tokio::test]
    async fn an_error_names_its_cause() {
        let refused = asked(&client(Reach::Any), "http://127.0.0.1:1/").await;
        assert!(matches!(&refused, Err(EgressError::Connect(cause)) if cause.contains("refused")), "{refused:?}");
        let address = server("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        let plain = asked(&client(Reach::Any), &format!("https://{address}/")).await;
        assert!(
            matches!(&plain, Err(EgressError::Connect(cause)) if cause.contains("does not speak TLS")),
            "{plain:?}"
        );
        let dns = Arc::new(|_| -> futures_util::future::BoxFuture<'static, _> {
            Box::pin(async { Err(std::io::Error::other("Temporary failure in name resolution")) })
        });
        let client = HttpClient::new(&POLICY, dns).unwrap();
        let unknown = asked(&client, "http://a.example/").await.unwrap_err();
        assert_eq!(client.look_up("http://a.example/").await, Err(unknown.clone()));
        assert_eq!(unknown.to_string(), "its name cannot be looked up: Temporary failure in name resolution");
    }
}
