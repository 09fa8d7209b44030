//! Dispatch of a request: finds its endpoint, makes its permit and calls its handler.

use std::sync::Arc;

use http::Method;
use http::header::WARNING;
use http::request::Parts;
use serde_json::json;

use super::admission::{ANSWER_TIME, Cost};
use super::refusal::OciError;
use super::response::{DOCKER_API_VERSION, REGISTRY_2_0};
use super::route::{OWN, Route};
use super::state::OciState;
use super::{blobs, credentials, manifests, referrers, tags, token};
use crate::accounts::Login;
use crate::gate::{DeletePermit, Grant, PullPermit, PushPermit, TokenError};
use crate::names::{Reference, RepositoryName};
use crate::web;
use atproto::syntax::Datetime;
use server::bulkhead::{Caller, Slot};
use server::egress::answer_within;
use server::sqlite::DatabaseHealth;
use server::wire::{Request, Response};
use server::xrpc::response::set_header;
use server::xrpc::{Cause, Front, Program, Trace, response};

/// The result of verifying the bearer token of a request, once; `None` without a token. An error is returned to the
/// client when a handler needs the token.
type CheckedToken = Result<Option<Result<Grant, TokenError>>, OciError>;

/// Actions in the challenge of a push: a client that pushes also reads.
const PULL_AND_PUSH: &str = "pull,push";

impl Program for OciState {
    type Refusal = OciError;

    fn front(&self) -> &Front {
        &self.front
    }

    fn now_us(&self) -> u64 {
        (self.clock)()
    }

    async fn respond(self: Arc<Self>, request: Request, trace: &mut Trace) -> Result<Response, OciError> {
        if let Some(endpoint) = web::Endpoint::of(&request.head) {
            trace.endpoint = Some((OWN.len() + endpoint.index(), endpoint.path()));
            // Pages about others wait for those: they have a queue of their own.
            let entered = match endpoint.is_public() {
                true => Ok(None),
                false => self.admission.enter(Cost::Token, &trace.network()).await.map(Some),
            };
            return Ok(match entered {
                Ok(_slot) => web::answer(&self.web, endpoint, request, trace).await,
                Err(overload) => web::turn_away(&self.web, endpoint, overload),
            });
        }
        let route = Route::of(&request.head)?;
        trace.endpoint = Some((route.index(), OWN[route.index()]));
        match route {
            Route::Health => {
                reads(&request.head)?;
                self.health
                    .check(DatabaseHealth::MAX_STALL)
                    .map_err(|error| OciError::unavailable(error.to_string()))?;
                Ok(response::json(&json!({ "version": env!("CARGO_PKG_VERSION") })))
            }
            Route::Token => {
                let _slot = self.admission.enter(Cost::Token, &trace.network()).await?;
                answer_within(ANSWER_TIME, token::handle(self, request, trace)).await
            }
            route => {
                let token = self.check_token(&request.head);
                let login = self.login_to_warn(&route, &token);
                let outcome = Arc::clone(&self).answer_v2(route, token, request, trace).await;
                // The session of the token may have ended: with a new token the client has a new one, or is told so.
                let again = || self.challenge(None, Some("invalid_token"));
                let mut response = outcome.map_err(|refusal| refusal.for_token(again))?;
                response.headers_mut().insert(DOCKER_API_VERSION, REGISTRY_2_0);
                if let Some(login) = login {
                    self.warn(&login, &mut response).await;
                }
                Ok(response)
            }
        }
    }

    fn refuse(&self, cause: Cause) -> OciError {
        cause.into()
    }
}

impl OciState {
    /// Handles the endpoints below `/v2/`.
    async fn answer_v2(
        self: Arc<Self>,
        route: Route,
        token: CheckedToken,
        request: Request,
        trace: &mut Trace,
    ) -> Result<Response, OciError> {
        match route {
            Route::Health | Route::Token => Err(OciError::not_found()),
            Route::Base => base(&self, token, &request.head, trace),
            Route::Manifest(name, reference) => self.answer_manifest(&name, reference, token, request, trace).await,
            Route::Tags(name) => {
                reads(&request.head)?;
                let permit = self.pull_permit(token, &name, trace)?;
                let _slot = self.enter(Cost::Listing, trace).await?;
                answer_within(ANSWER_TIME, tags::list(self, permit, &request.head)).await
            }
            Route::Referrers(name, digest) => {
                reads(&request.head)?;
                let permit = self.pull_permit(token, &name, trace)?;
                let _slot = self.enter(Cost::Listing, trace).await?;
                answer_within(ANSWER_TIME, referrers::list(self, permit, digest, &request.head)).await
            }
            Route::Blob(name, digest) => {
                if request.head.method == Method::DELETE {
                    return Err(OciError::blobs_are_not_deleted());
                }
                reads(&request.head)?;
                let permit = self.pull_permit(token, &name, trace)?;
                let _slot = self.enter(Cost::Read, trace).await?;
                answer_within(ANSWER_TIME, blobs::get(self, permit, digest, request)).await
            }
            Route::Uploads(name) => {
                if request.head.method != Method::POST {
                    return Err(OciError::method_not_allowed("POST"));
                }
                let permit = self.push_permit(token, &name, trace)?;
                let _slot = self.enter(Cost::Upload, trace).await?;
                blobs::begin(self, permit, request).await
            }
            Route::Upload(name, id) => {
                let permit = self.push_permit(token, &name, trace)?;
                let _slot = self.enter(Cost::Upload, trace).await?;
                blobs::upload(self, permit, id, request).await
            }
        }
    }

    /// Returns the login of a request whose response may have a `Warning` about the session's end: clients show
    /// warnings of the base endpoint and of manifests.
    fn login_to_warn(&self, route: &Route, token: &CheckedToken) -> Option<Login> {
        if !self.sessions.are_ending() || !matches!(route, Route::Base | Route::Manifest(..)) {
            return None;
        }
        token.as_ref().ok()?.as_ref()?.as_ref().ok()?.login.clone()
    }

    /// Adds a `Warning` header if the session ends soon; clients show it to their users.
    /// <https://github.com/opencontainers/distribution-spec/blob/main/spec.md#warnings>
    async fn warn(&self, login: &Login, response: &mut Response) {
        if let Ok(Some(ends_us)) = self.sessions.ends_soon(login).await {
            let day = Datetime::from_micros(ends_us).to_string();
            let (day, url) = (day.get(..10).unwrap_or_default(), self.web.sign_in_url());
            set_header(response, WARNING, &format!("299 - \"your session ends at {day}: sign in again at {url}\""));
        }
    }

    async fn answer_manifest(
        self: Arc<Self>,
        name: &RepositoryName,
        reference: Reference,
        token: CheckedToken,
        request: Request,
        trace: &mut Trace,
    ) -> Result<Response, OciError> {
        match request.head.method {
            Method::GET | Method::HEAD => {
                let permit = self.pull_permit(token, name, trace)?;
                let _slot = self.enter(Cost::Read, trace).await?;
                answer_within(ANSWER_TIME, manifests::get(self, permit, reference, request)).await
            }
            Method::PUT => {
                let permit = self.push_permit(token, name, trace)?;
                let _slot = self.enter(Cost::Write, trace).await?;
                manifests::put(self, permit, reference, request).await
            }
            Method::DELETE => {
                let permit = self.delete_permit(token, name, trace)?;
                let _slot = self.enter(Cost::Write, trace).await?;
                answer_within(ANSWER_TIME, manifests::delete(self, permit, reference)).await
            }
            _ => Err(OciError::method_not_allowed("GET, HEAD, PUT, DELETE")),
        }
    }
}

/// Handles `GET /v2/`: without a token, its challenge tells clients where to get one.
fn base(state: &OciState, token: CheckedToken, head: &Parts, trace: &mut Trace) -> Result<Response, OciError> {
    reads(head)?;
    let grant = state.grant(token, None)?;
    trace.caller = grant.login.map(|login| login.account);
    Ok(response::json(&json!({})))
}

/// Returns the scope that a client must request a token for.
fn scope(name: &RepositoryName, actions: &str) -> String {
    format!("repository:{}:{actions}", name.as_str())
}

fn reads(head: &Parts) -> Result<(), OciError> {
    let reads = matches!(head.method, Method::GET | Method::HEAD);
    if reads { Ok(()) } else { Err(OciError::method_not_allowed("GET, HEAD")) }
}

impl OciState {
    /// Waits for a slot in the bulkhead for a request whose token was verified.
    async fn enter(&self, cost: Cost, trace: &Trace) -> Result<Slot<Caller>, OciError> {
        let caller = trace.caller.clone().map_or_else(|| trace.network(), Caller::Account);
        Ok(self.admission.enter(cost, &caller).await?)
    }

    /// Verifies the token of a request.
    fn check_token(&self, head: &Parts) -> CheckedToken {
        Ok(credentials::bearer(&head.headers)?.map(|token| self.tokens.verify(token, self.now_s())))
    }

    /// Returns the grant of a request's token, else the 401 with a challenge; `scope` is the scope in that challenge.
    fn grant(&self, token: CheckedToken, scope: Option<&str>) -> Result<Grant, OciError> {
        let token = token.map_err(|refusal| refusal.for_token(|| self.challenge(scope, None)));
        let Some(verified) = token? else {
            return Err(OciError::unauthorized("a token is required", &self.challenge(scope, None)));
        };
        verified.map_err(|error: TokenError| {
            OciError::unauthorized(error.to_string(), &self.challenge(scope, Some("invalid_token")))
        })
    }

    /// Returns what the token of a request for these actions grants, and records the caller in `trace`.
    fn grant_for(
        &self,
        token: CheckedToken,
        name: &RepositoryName,
        actions: &str,
        trace: &mut Trace,
    ) -> Result<Grant, OciError> {
        let grant = self.grant(token, Some(&scope(name, actions)))?;
        trace.caller = grant.login.as_ref().map(|login| login.account.clone());
        Ok(grant)
    }

    /// Returns the permit to read in a repository, and records the caller in `trace`.
    fn pull_permit(
        &self,
        token: CheckedToken,
        name: &RepositoryName,
        trace: &mut Trace,
    ) -> Result<PullPermit, OciError> {
        let grant = self.grant_for(token, name, "pull", trace)?;
        let permit = grant.pull(name).map(|permit| permit.used_from(trace.network()));
        permit.ok_or_else(|| self.insufficient("the token is not for this repository", name, "pull"))
    }

    /// Returns the permit to write in a repository, and records the caller in `trace`.
    fn push_permit(
        &self,
        token: CheckedToken,
        name: &RepositoryName,
        trace: &mut Trace,
    ) -> Result<PushPermit, OciError> {
        let grant = self.grant_for(token, name, PULL_AND_PUSH, trace)?;
        let message = "only its owner, signed in, may push to this repository";
        grant.push(name).ok_or_else(|| self.insufficient(message, name, PULL_AND_PUSH))
    }

    /// Returns the permit to delete in a repository, and records the caller in `trace`.
    fn delete_permit(
        &self,
        token: CheckedToken,
        name: &RepositoryName,
        trace: &mut Trace,
    ) -> Result<DeletePermit, OciError> {
        let grant = self.grant_for(token, name, "delete", trace)?;
        let message = "only its owner, signed in, may delete in this repository";
        grant.delete(name).ok_or_else(|| self.insufficient(message, name, "delete"))
    }

    /// Returns the 401 for a token without the needed scope.
    pub(super) fn insufficient(&self, message: &str, name: &RepositoryName, actions: &str) -> OciError {
        OciError::unauthorized(message, &self.challenge(Some(&scope(name, actions)), Some("insufficient_scope")))
    }

    /// Returns the value of `WWW-Authenticate` with the token endpoint.
    /// <https://www.rfc-editor.org/rfc/rfc6750#section-3>
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
