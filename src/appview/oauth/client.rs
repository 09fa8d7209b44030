//! Calls to authorization servers: discovery, pushed authorization requests, tokens and revocation.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::discovery::{AuthorizationServer, ResourceMetadata, ServerMetadata, origin};
use super::{OauthError, Registration, scopes};
use crate::cache::TimedCache;
use crate::remote::{MAX_TOKEN_BYTES, Remote, RemoteError, is_token};
use atproto::keys::P256Key;
use atproto::syntax::Did;

/// Time for which the metadata of a server is cached.
const SERVER_TTL: Duration = Duration::from_mins(10);
/// Servers in the cache, at some 600 bytes each.
const MAX_SERVERS: usize = 1024;

/// Client of authorization servers.
pub struct Client {
    remote: Remote,
    registration: Registration,
    /// Servers with the time of their discovery, by the origin of the PDS.
    servers: TimedCache<String, Arc<AuthorizationServer>>,
    test_mode: bool,
    clock: fn() -> u64,
    random: fn() -> Option<[u8; 32]>,
}

/// Parameters of an authorization request.
pub struct AuthorizationRequest<'s> {
    /// The `state` parameter: identifies the sign-in when the browser returns.
    pub state: &'s str,
    /// The PKCE code verifier: proves then that this client began it.
    pub verifier: &'s str,
    /// The account that is to sign in, sent as `login_hint`; `None` for any account.
    pub account: Option<&'s Did>,
}

/// An authorization code, with the PKCE code verifier of its sign-in.
#[derive(Clone, Copy)]
pub struct AuthorizationCode<'c> {
    /// The code that the browser brought.
    pub code: &'c str,
    /// The PKCE code verifier.
    pub verifier: &'c str,
}

/// Tokens of an account, with all scopes that are needed.
pub struct NewTokens {
    /// The access token.
    pub access: String,
    /// The refresh token, which is good for one use.
    pub refresh: String,
}

#[derive(Deserialize)]
struct Pushed {
    request_uri: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    refresh_token: Option<String>,
    #[serde(default)]
    scope: String,
    sub: String,
}

impl Client {
    /// Returns a client with this registration. In test mode servers may be on localhost. `clock` returns microseconds
    /// since 1970, `random` is `None` when the system has no random numbers.
    #[must_use]
    pub fn new(
        remote: Remote,
        registration: Registration,
        test_mode: bool,
        clock: fn() -> u64,
        random: fn() -> Option<[u8; 32]>,
    ) -> Self {
        Self { remote, registration, servers: TimedCache::new(MAX_SERVERS, SERVER_TTL), test_mode, clock, random }
    }

    /// Returns the client's registration.
    #[must_use]
    pub fn registration(&self) -> &Registration {
        &self.registration
    }

    /// Returns the authorization server of the PDS at this origin, from the cache or by its metadata.
    ///
    /// # Errors
    /// [`OauthError`]
    pub async fn discover(&self, pds: &str) -> Result<Arc<AuthorizationServer>, OauthError> {
        if let Some(server) = self.servers.get(pds) {
            return Ok(server);
        }
        let resource: ResourceMetadata = self.document(pds, "oauth-protected-resource").await?;
        let issuer = resource.issuer(pds, self.test_mode)?;
        let server = Arc::new(self.server(&issuer).await?);
        self.servers.insert(pds.to_owned(), Arc::clone(&server));
        Ok(server)
    }

    /// Fetches and checks the metadata of the authorization server with this issuer.
    ///
    /// # Errors
    /// [`OauthError`]
    pub async fn server(&self, issuer: &str) -> Result<AuthorizationServer, OauthError> {
        let metadata: ServerMetadata = self.document(issuer, "oauth-authorization-server").await?;
        metadata.check(issuer, self.registration.metadata().is_some(), self.test_mode)
    }

    /// Returns the authorization server for a sign-in at `origin`: a PDS, or an authorization server of many PDSes.
    /// Only a PDS says which server is its own.
    ///
    /// # Errors
    /// [`OauthError`]; the error of the look-up as a PDS when `origin` is neither.
    pub async fn discover_named(&self, origin: &str) -> Result<Arc<AuthorizationServer>, OauthError> {
        match self.discover(origin).await {
            Err(OauthError::Server(error)) if !matches!(error, RemoteError::Unreachable(_)) => {
                self.server(origin).await.map(Arc::new).map_err(|_| OauthError::Server(error))
            }
            outcome => outcome,
        }
    }

    /// Returns the origin of a server's URL that a user typed; `None` when it may not be called.
    #[must_use]
    pub fn origin(&self, text: &str) -> Option<String> {
        Some(origin(text, self.test_mode)?.as_str().to_owned())
    }

    async fn document<T: DeserializeOwned>(&self, origin: &str, name: &str) -> Result<T, OauthError> {
        let document = self.remote.document(&format!("{origin}/.well-known/{name}")).await;
        document.map_err(OauthError::Server)
    }

    /// Pushes an authorization request (PAR); returns the URL to which the browser is sent.
    ///
    /// # Errors
    /// [`OauthError`]
    pub async fn push(
        &self,
        server: &AuthorizationServer,
        request: &AuthorizationRequest<'_>,
        key: &P256Key,
    ) -> Result<String, OauthError> {
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(request.verifier));
        let scope = scopes::wanted();
        let account = request.account.map(|account| ("login_hint", account.as_str()));
        let fields = [
            ("response_type", "code"),
            ("redirect_uri", self.registration.redirect_uri()),
            ("scope", &scope),
            ("state", request.state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let fields: Vec<_> = fields.into_iter().chain(account).collect();
        let pushed: Pushed = self.form(server, &server.pushed, &fields, key).await?;
        if pushed.request_uri.len() > MAX_TOKEN_BYTES {
            return Err(OauthError::Server(RemoteError::Unintelligible));
        }
        let mut url = server.authorization.clone();
        let (client_id, request_uri) = (self.registration.client_id(), pushed.request_uri.as_str());
        url.query_pairs_mut().append_pair("client_id", client_id).append_pair("request_uri", request_uri);
        Ok(url.into())
    }

    /// Exchanges an authorization code and its PKCE verifier for tokens. Returns the account that the server names,
    /// which must be `account` where that is given.
    ///
    /// # Errors
    /// [`OauthError`]; tokens that were issued are revoked then.
    pub async fn redeem(
        &self,
        server: &AuthorizationServer,
        code: AuthorizationCode<'_>,
        account: Option<&Did>,
        key: &P256Key,
    ) -> Result<(Did, NewTokens), OauthError> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.code),
            ("redirect_uri", self.registration.redirect_uri()),
            ("code_verifier", code.verifier),
        ];
        self.tokens(server, &fields, account, key).await
    }

    /// Returns new tokens for a refresh token. The server takes a refresh token once: a second use ends the session.
    ///
    /// # Errors
    /// [`OauthError`]
    pub async fn refresh(
        &self,
        server: &AuthorizationServer,
        refresh: &str,
        account: &Did,
        key: &P256Key,
    ) -> Result<NewTokens, OauthError> {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        Ok(self.tokens(server, &fields, Some(account), key).await?.1)
    }

    async fn tokens(
        &self,
        server: &AuthorizationServer,
        fields: &[(&str, &str)],
        account: Option<&Did>,
        key: &P256Key,
    ) -> Result<(Did, NewTokens), OauthError> {
        let answer: TokenAnswer = self.form(server, &server.token, fields, key).await?;
        match self.check_tokens(&answer, account) {
            Ok(tokens) => Ok(tokens),
            Err(error) => {
                self.give_back(server, &answer.access_token, key).await;
                Err(error)
            }
        }
    }

    /// Checks that a response has all tokens and scopes, for the expected account.
    fn check_tokens(&self, answer: &TokenAnswer, account: Option<&Did>) -> Result<(Did, NewTokens), OauthError> {
        let refresh = answer.refresh_token.as_deref().unwrap_or_default();
        if !answer.token_type.eq_ignore_ascii_case("DPoP") || !is_token(&answer.access_token) || !is_token(refresh) {
            return Err(OauthError::Server(RemoteError::Unintelligible));
        }
        let signed_in = Did::parse(&answer.sub).map_err(|_| OauthError::OtherAccount)?;
        if account.is_some_and(|account| *account != signed_in) {
            return Err(OauthError::OtherAccount);
        }
        let missing = scopes::missing(&answer.scope);
        if !missing.is_empty() {
            return Err(OauthError::Scope(missing));
        }
        Ok((signed_in, NewTokens { access: answer.access_token.clone(), refresh: refresh.to_owned() }))
    }

    /// Revokes a session by its refresh token or its access token.
    ///
    /// # Errors
    /// [`OauthError::NoRevocation`], or the failure of the call.
    pub async fn revoke(&self, server: &AuthorizationServer, token: &str, key: &P256Key) -> Result<(), OauthError> {
        let url = server.revocation.as_ref().ok_or(OauthError::NoRevocation)?;
        // The body of the response has no meaning: it need not be JSON.
        match self.form::<Value>(server, url, &[("token", token)], key).await {
            Ok(_) | Err(OauthError::Server(RemoteError::Unintelligible)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Revokes a session that is not kept. A failure is only logged: the session then lasts until the server ends it.
    pub async fn give_back(&self, server: &AuthorizationServer, token: &str, key: &P256Key) {
        if let Err(error) = self.revoke(server, token, key).await {
            tracing::info!(issuer = server.issuer, "a session could not be given back: {error}");
        }
    }

    async fn form<T: DeserializeOwned>(
        &self,
        server: &AuthorizationServer,
        url: &str,
        fields: &[(&str, &str)],
        key: &P256Key,
    ) -> Result<T, OauthError> {
        let id = (self.random)().ok_or(OauthError::Randomness)?;
        let client = self.registration.fields(&server.issuer, (self.clock)() / 1_000_000, &id);
        let client = client.iter().map(|(name, value)| (*name, value.as_str()));
        let fields: Vec<_> = client.chain(fields.iter().copied()).collect();
        self.remote.form(url, &fields, key).await.map_err(OauthError::Server)
    }
}
