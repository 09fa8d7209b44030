//! Calls to a registry: the device flow (<https://www.rfc-editor.org/rfc/rfc8628>), whether a secret is valid, revoking
//! one. A registry's response is untrusted text until it is checked.

mod error;

use std::time::Duration;

use data_encoding::BASE64;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::registry::RegistryName;
use server::egress::{AnswerLimits, ClientPolicy, HttpClient, Reach, empty_body, full_body, system_dns};
use server::text;

pub use error::{PollRefusal, RemoteError};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(15), body_bytes: 64 * 1024 };
const POLICY: ClientPolicy = ClientPolicy {
    // The user named the host.
    reach: Reach::Any,
    // Only for loopback: `RegistryName::origin` refuses plain http to other machines.
    plain_http: true,
    connect_limit: Duration::from_secs(10),
    idle_connections: 1,
    idle_limit: Duration::from_secs(30),
    buffer_bytes: 64 * 1024,
};
/// Limit of error messages shown to the user, in characters.
const MAX_WORDS: usize = 300;
/// Limit of codes, secrets and addresses.
const MAX_TEXT_BYTES: usize = 4096;
/// Lifetime of codes: default where the registry names none, and maximum.
const LIFE_S: u64 = 15 * 60;
const MAX_LIFE_S: u64 = 60 * 60;
/// Poll interval: default where the registry names none, and maximum.
const INTERVAL_S: u64 = 5;
const MAX_INTERVAL_S: u64 = 60;

/// The device authorization response. <https://www.rfc-editor.org/rfc/rfc8628#section-3.2>
#[derive(Debug)]
pub struct Invitation {
    /// The code that this machine polls with. A secret.
    pub device_code: Zeroizing<String>,
    /// The code that the user compares or enters.
    pub user_code: String,
    /// The page that the user opens.
    pub url: String,
    /// The same page with the user code in it.
    pub url_with_code: Option<String>,
    /// Lifetime of the codes.
    pub life: Duration,
    /// Poll interval.
    pub interval: Duration,
}

/// The user and secret of a device that was allowed.
#[derive(Debug)]
pub struct DeviceGrant {
    /// The account's handle, else its DID.
    pub user: String,
    /// The secret to sign in with.
    pub secret: Zeroizing<String>,
}

/// Validity of a secret at the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The registry accepts it.
    Good,
    /// The registry rejects it, with its message: the user has to sign in again.
    SignInAgain(String),
    /// Unknown, with the reason: the registry cannot be reached or answers something else.
    Unknown(String),
}

#[derive(Deserialize)]
struct InvitationAnswer {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: Option<u64>,
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct GrantAnswer {
    device_secret: String,
    handle: Option<String>,
    did: String,
}

/// Client of one registry.
pub struct RemoteRegistry {
    client: HttpClient,
    origin: String,
    name: String,
}

impl RemoteRegistry {
    /// Creates a client of the registry with this name.
    ///
    /// # Errors
    /// [`RemoteError::Name`], [`RemoteError::Certificates`]
    pub fn new(name: &RegistryName) -> Result<Self, RemoteError> {
        let client = HttpClient::new(&POLICY, system_dns(1)).map_err(RemoteError::Certificates)?;
        Ok(Self { client, origin: name.origin()?, name: name.to_string() })
    }

    /// Starts the device flow for a device named `name`.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn ask(&self, name: &str) -> Result<Invitation, RemoteError> {
        let (status, body) = self.form("/auth/device/code", &[("client_id", name)]).await?;
        if status == StatusCode::NOT_FOUND || status == StatusCode::METHOD_NOT_ALLOWED {
            return Err(RemoteError::NoDevices(self.name.clone()));
        }
        if status != StatusCode::OK {
            return Err(self.refused(status, &body));
        }
        let answer: InvitationAnswer = self.parse(&body)?;
        let invitation = invitation(answer);
        invitation.ok_or_else(|| RemoteError::Unintelligible(self.name.clone()))
    }

    /// Polls for the secret of the device.
    ///
    /// # Errors
    /// [`PollRefusal`]
    pub async fn poll(&self, device_code: &str) -> Result<DeviceGrant, PollRefusal> {
        let fields = [("grant_type", GRANT_TYPE), ("device_code", device_code)];
        let (status, body) = self.form("/auth/device/token", &fields).await.map_err(PollRefusal::Away)?;
        if status == StatusCode::OK {
            let grant = self.parse(&body).ok().and_then(grant);
            return grant.ok_or_else(|| PollRefusal::Failed(RemoteError::Unintelligible(self.name.clone())));
        }
        let error = serde_json::from_slice::<Value>(&body).ok();
        match error.as_ref().and_then(|error| error["error"].as_str()) {
            Some("authorization_pending") => Err(PollRefusal::Pending),
            Some("slow_down") => Err(PollRefusal::SlowDown),
            Some("access_denied") => Err(PollRefusal::Denied),
            Some("expired_token") => Err(PollRefusal::Expired),
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(PollRefusal::Away(self.refused(status, &body)))
            }
            _ => Err(PollRefusal::Failed(self.refused(status, &body))),
        }
    }

    /// Revokes the secret of a device.
    ///
    /// # Errors
    /// [`RemoteError`]
    pub async fn end(&self, secret: &str) -> Result<(), RemoteError> {
        let (status, body) = self.form("/auth/device/end", &[("token", secret)]).await?;
        if status == StatusCode::OK { Ok(()) } else { Err(self.refused(status, &body)) }
    }

    /// Checks a secret: asks for a token without scope, as docker would.
    pub async fn standing(&self, user: &str, secret: &str) -> Standing {
        let url = format!("{}/auth/token?service={}", self.origin, self.name);
        let basic = Zeroizing::new(format!("Basic {}", BASE64.encode(format!("{user}:{secret}").as_bytes())));
        let request = Request::get(url).header(AUTHORIZATION, basic.as_str()).body(empty_body());
        let answer = match request {
            Ok(request) => self.client.exchange(request, LIMITS).await.map_err(|error| error.to_string()),
            Err(_) => Err("its name makes no address".into()),
        };
        match answer {
            Err(error) => Standing::Unknown(error),
            Ok(answer) => match answer.status() {
                StatusCode::OK => Standing::Good,
                StatusCode::UNAUTHORIZED => Standing::SignInAgain(words(answer.body()).unwrap_or_default()),
                status => Standing::Unknown(self.refused(status, answer.body()).to_string()),
            },
        }
    }

    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Result<(StatusCode, bytes::Bytes), RemoteError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = Request::builder().method(Method::POST).uri(format!("{}{path}", self.origin));
        let request = request.header(CONTENT_TYPE, kind).body(full_body(body));
        let request = request.map_err(|_| RemoteError::Unintelligible(self.name.clone()))?;
        let answer = self.client.exchange(request, LIMITS).await;
        let answer = answer.map_err(|error| RemoteError::Away { name: self.name.clone(), error })?;
        Ok((answer.status(), answer.into_body()))
    }

    fn parse<T: for<'de> Deserialize<'de>>(&self, body: &[u8]) -> Result<T, RemoteError> {
        serde_json::from_slice(body).map_err(|_| RemoteError::Unintelligible(self.name.clone()))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> RemoteError {
        let words = words(body).unwrap_or_else(|| match status {
            status if status.is_redirection() => "it leads elsewhere: name the registry as images' names do".into(),
            status => format!("status {}", status.as_u16()),
        });
        RemoteError::Refused { name: self.name.clone(), words }
    }
}

/// Returns the message of an OAuth or OCI error.
fn words(body: &[u8]) -> Option<String> {
    let error: Value = serde_json::from_slice(body).ok()?;
    let said = error["error_description"].as_str().or_else(|| error["errors"][0]["message"].as_str());
    text::line(said.or_else(|| error["error"].as_str())?, MAX_WORDS)
}

fn invitation(answer: InvitationAnswer) -> Option<Invitation> {
    let is_code = answer.user_code.len() <= 32 && answer.user_code.bytes().all(|b| b.is_ascii_graphic());
    if !is_code || answer.user_code.is_empty() || !is_token(&answer.device_code) {
        return None;
    }
    Some(Invitation {
        device_code: Zeroizing::new(answer.device_code),
        user_code: answer.user_code,
        url: page(&answer.verification_uri)?,
        url_with_code: answer.verification_uri_complete.as_deref().and_then(page),
        life: Duration::from_secs(answer.expires_in.unwrap_or(LIFE_S).clamp(1, MAX_LIFE_S)),
        interval: Duration::from_secs(answer.interval.unwrap_or(INTERVAL_S).clamp(1, MAX_INTERVAL_S)),
    })
}

fn grant(answer: GrantAnswer) -> Option<DeviceGrant> {
    let user = answer.handle.filter(|handle| !handle.is_empty()).unwrap_or(answer.did);
    let is_user = user.len() <= 300 && user.bytes().all(|b| b.is_ascii_graphic()) && !user.is_empty();
    (is_user && is_token(&answer.device_secret))
        .then(|| DeviceGrant { user, secret: Zeroizing::new(answer.device_secret) })
}

fn is_token(text: &str) -> bool {
    (1..=MAX_TEXT_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Returns an address that the user may be sent to: https, or http on this machine; without user information.
fn page(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_TEXT_BYTES)?;
    let is_local = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_local);
    (is_safe && url.username().is_empty() && url.password().is_none()).then(|| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::{grant, invitation, page};
    use serde_json::{Value, json};

    fn answer(changes: &[(&str, Value)]) -> Value {
        let mut answer = json!({
            "device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": "https://a.example/auth/device",
        });
        for (name, value) in changes {
            answer[*name] = value.clone();
        }
        answer
    }

    #[test]
    fn an_invitation_is_read_with_bounds() {
        let read = |changes: &[(&str, Value)]| invitation(serde_json::from_value(answer(changes)).unwrap());
        let plain = read(&[]).unwrap();
        assert_eq!((plain.life.as_secs(), plain.interval.as_secs(), plain.url_with_code), (900, 5, None));
        let far = read(&[("expires_in", json!(u64::MAX)), ("interval", json!(0))]).unwrap();
        assert_eq!((far.life.as_secs(), far.interval.as_secs()), (3600, 1));
        for (name, value) in [
            ("user_code", json!("")),
            ("user_code", json!("\u{1b}[2J")),
            ("user_code", json!("A".repeat(33))),
            ("device_code", json!("a b")),
            ("device_code", json!("x".repeat(5000))),
            ("verification_uri", json!("javascript:alert(1)")),
            ("verification_uri", json!("http://a.example/")),
            ("verification_uri", json!("https://user@a.example/")),
            ("verification_uri", json!("--help")),
        ] {
            assert!(read(&[(name, value.clone())]).is_none(), "{name} {value}");
        }
    }

    #[test]
    fn a_grant_is_a_user_and_a_secret() {
        let read = |value: Value| grant(serde_json::from_value(value).unwrap()).map(|grant| grant.user);
        let did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
        assert_eq!(read(json!({ "device_secret": "s", "did": did, "handle": "a.test" })), Some("a.test".into()));
        assert_eq!(read(json!({ "device_secret": "s", "did": did })), Some(did.into()));
        assert_eq!(read(json!({ "device_secret": "", "did": did })), None);
        assert_eq!(read(json!({ "device_secret": "s", "did": "a\nb" })), None);
    }

    #[test]
    fn a_page_is_of_the_web() {
        assert_eq!(page("http://127.0.0.1:1/auth/device").as_deref(), Some("http://127.0.0.1:1/auth/device"));
        assert_eq!(page("file:///etc/passwd"), None);
    }
}
