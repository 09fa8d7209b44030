//! One request of the registry: its endpoint, its permit, its handler.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use serde_json::json;

use super::refusal::OciError;
use super::route::{ENDPOINTS, Route};
use super::state::OciState;
use super::{credentials, token};
use crate::gate::{Grant, TokenError};
use server::wire::{Request, Response};
use server::xrpc::{Cause, Front, Program, Trace, response};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

impl Program for OciState {
    type Refusal = OciError;

    fn front(&self) -> &Front {
        &self.front
    }

    fn now_us(&self) -> u64 {
        (self.clock)()
    }

    async fn respond(self: Arc<Self>, request: Request, trace: &mut Trace) -> Result<Response, OciError> {
        let route = Route::of(&request.head)?;
        trace.endpoint = Some((route.index(), ENDPOINTS[route.index()]));
        match route {
            Route::Health => {
                reads(&request.head)?;
                self.database.ping().await.map_err(OciError::internal)?;
                Ok(response::json(&json!({ "version": env!("CARGO_PKG_VERSION") })))
            }
            Route::Token => token::handle(self, request, trace).await,
            Route::Base => base(&self, &request.head, trace),
        }
    }

    fn refuse(&self, cause: Cause) -> OciError {
        cause.into()
    }
}

/// `GET /v2/`: here clients learn that there are tokens, and where.
fn base(state: &OciState, head: &Parts, trace: &mut Trace) -> Result<Response, OciError> {
    reads(head)?;
    let grant = state.grant(head, None)?;
    trace.caller = grant.login.map(|login| login.account);
    let mut response = response::json(&json!({}));
    response.headers_mut().insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    Ok(response)
}

fn reads(head: &Parts) -> Result<(), OciError> {
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    if reads { Ok(()) } else { Err(OciError::method_not_allowed("GET, HEAD")) }
}

impl OciState {
    /// What the token of a request says; `scope` is what a client without one is told to ask for.
    fn grant(&self, head: &Parts, scope: Option<&str>) -> Result<Grant, OciError> {
        let token = credentials::bearer(&head.headers)?;
        let Some(token) = token else {
            return Err(OciError::unauthorized("a token is required", &self.challenge(scope, None)));
        };
        self.tokens.verify(token, self.now_s()).map_err(|error: TokenError| {
            OciError::unauthorized(error.to_string(), &self.challenge(scope, Some("invalid_token")))
        })
    }

    /// Where a token comes from. <https://www.rfc-editor.org/rfc/rfc6750#section-3>
    fn challenge(&self, scope: Option<&str>, error: Option<&str>) -> String {
        let mut challenge = format!("Bearer realm=\"{}/auth/token\",service=\"{}\"", self.base_url, self.service);
        for (name, value) in [("scope", scope), ("error", error)] {
            if let Some(value) = value {
                challenge += &format!(",{name}=\"{value}\"");
            }
        }
        challenge
    }
}
