//! Somebody with a browser, and an authorization server that the test plays.

use crate::asked::Asked as _;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::oci::registry::Registry;
use crate::support::did_server::Reply;
use crate::support::http::Answer;

/// Where the pages are, whatever the port.
pub(super) const HOST: &str = "127.0.0.1:5000";
pub(super) const PUSHED: &str = "/oauth/par";
pub(super) const TOKEN: &str = "/oauth/token";

impl Registry {
    /// Where the PDS, which is the authorization server too, is.
    pub(super) fn issuer(&self) -> String {
        format!("http://localhost:{}", self.network.port)
    }

    /// What a server may say of itself.
    pub(super) fn server_metadata(&self) -> Value {
        let here = self.issuer();
        json!({
            "issuer": here,
            "pushed_authorization_request_endpoint": format!("{here}{PUSHED}"),
            "authorization_endpoint": format!("{here}/oauth/authorize"),
            "token_endpoint": format!("{here}{TOKEN}"),
            "revocation_endpoint": format!("{here}/oauth/revoke"),
            "authorization_response_iss_parameter_supported": true,
            "code_challenge_methods_supported": ["S256"],
            "dpop_signing_alg_values_supported": ["ES256"],
            "scopes_supported": ["atproto"],
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
        })
    }

    /// The PDS lets people sign in by OAuth.
    pub(super) fn has_oauth(&self) {
        let here = self.issuer();
        self.says(
            "/.well-known/oauth-protected-resource",
            &json!({ "resource": here, "authorization_servers": [here] }),
        );
        self.says("/.well-known/oauth-authorization-server", &self.server_metadata());
        self.says(PUSHED, &json!({ "request_uri": "urn:request", "expires_in": 60 }));
        self.says("/oauth/revoke", &json!({}));
        self.says("/xrpc/com.atproto.server.getSession?", &json!({}));
    }

    /// Alice's profile names a hold; this is what her PDS answers when it is asked for a token for it.
    pub(super) fn has_hold(&self, line: &str, body: &str) {
        let uri = format!("at://{}/io.atcr.sailor.profile/self", self.alice);
        let profile = json!({ "uri": uri, "value": { "defaultHold": "did:web:hold.example" } });
        let alice = self.alice.as_str().replace(':', "%3A");
        let query = format!("repo={alice}&collection=io.atcr.sailor.profile&rkey=self");
        self.says(&format!("/xrpc/com.atproto.repo.getRecord?{query}"), &profile);
        let query = "aud=did%3Aweb%3Ahold.example&lxm=com.atproto.repo.getRecord";
        self.network.set(&format!("/xrpc/com.atproto.server.getServiceAuth?{query}"), status(line, body));
    }

    pub(super) fn says(&self, path: &str, answer: &Value) {
        self.network.set(path, Reply::Body(answer.to_string()));
    }

    /// A field of the sign-in that was announced last.
    pub(super) fn announced(&self, name: &str) -> String {
        let body = self.network.last_body(PUSHED);
        let found = url::form_urlencoded::parse(&body).find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    }

    /// The tokens that fit what was announced last.
    pub(super) fn tokens(&self) -> Value {
        json!({
            "access_token": "access", "token_type": "DPoP", "refresh_token": "refresh", "expires_in": 3600,
            "scope": self.announced("scope"), "sub": self.alice,
        })
    }
}

/// A browser that keeps the one cookie.
pub(super) struct Person<'r> {
    pub(super) registry: &'r Registry,
    pub(super) cookie: String,
}

impl<'r> Person<'r> {
    pub(super) fn of(registry: &'r Registry) -> Self {
        Self { registry, cookie: String::new() }
    }

    pub(super) async fn open(&mut self, target: &str) -> Answer {
        let call = self.registry.call("GET", target).header("host", HOST).header("cookie", &self.cookie);
        self.keep(call.send().await)
    }

    /// Sends a form. Where its answer leads to a page that says what was done, that is opened.
    pub(super) async fn send(&mut self, target: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let call = self.registry.call("POST", target).header("host", HOST).header("cookie", &self.cookie);
        let call = call.header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer = self.keep(call.send().await);
        match answer.header("location").filter(|page| answer.status == 303 && page.contains("said=")) {
            Some(page) => self.open(page).await,
            None => answer,
        }
    }

    fn keep(&mut self, answer: Answer) -> Answer {
        if let Some(line) = answer.header("set-cookie") {
            self.cookie = line.split(';').next().unwrap().to_owned();
        }
        answer
    }

    /// The token that the forms of this browser have.
    pub(super) async fn form_token(&mut self) -> String {
        form_token(&self.open("/auth/oauth/login").await)
    }

    /// Begins a sign-in.
    pub(super) async fn begin(&mut self) -> Answer {
        self.begin_as("@alice.test").await
    }

    /// The same with another name typed in.
    pub(super) async fn begin_as(&mut self, name: &str) -> Answer {
        let token = self.form_token().await;
        self.send("/auth/oauth/login", &[("token", &token), ("handle", name)]).await
    }

    /// Comes back from the PDS with what fits, but for `changes`.
    pub(super) async fn come_back(&mut self, changes: &[(&str, &str)]) -> Answer {
        let (state, issuer) = (self.registry.announced("state"), self.registry.issuer());
        let mut query = String::new();
        for (name, fitting) in [("state", state.as_str()), ("iss", issuer.as_str()), ("code", "code"), ("error", "")] {
            let value = changes.iter().find(|(of, _)| *of == name).map_or(fitting, |(_, value)| value);
            if !value.is_empty() {
                write!(query, "{name}={value}&").unwrap();
            }
        }
        self.open(&format!("/auth/oauth/callback?{query}")).await
    }

    /// Is signed in, as alice.
    pub(super) async fn sign_in(&mut self) {
        assert_eq!(self.begin().await.status, 303);
        self.registry.says(TOKEN, &self.registry.tokens());
        let ended = self.come_back(&[]).await;
        assert_eq!((ended.status, ended.header("location")), (303, Some("/settings")), "{}", ended.text());
    }
}

/// An answer with a status.
pub(super) fn status(line: &str, body: &str) -> Reply {
    Reply::Raw(format!("HTTP/1.1 {line}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()))
}

pub(super) fn form_token(page: &Answer) -> String {
    let (_, rest) = page.text().split_once("name=\"token\" value=\"").unwrap_or_else(|| panic!("{}", page.text()));
    rest.split('"').next().unwrap().to_owned()
}
