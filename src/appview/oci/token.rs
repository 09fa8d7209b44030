//! The token endpoint, which the challenge of a 401 names.
//! <https://distribution.github.io/distribution/spec/auth/token/>,
//! <https://distribution.github.io/distribution/spec/auth/oauth/>

use std::sync::Arc;

use http::Method;
use http::header::CACHE_CONTROL;
use serde_json::json;
use zeroize::Zeroizing;

use super::credentials::{self, Password};
use super::refusal::OciError;
use super::state::OciState;
use crate::accounts::{AccountsError, Login};
use crate::devices::is_device_secret;
use crate::gate::{Refresh, Scope, parse_scopes};
use crate::names::{self, Owner, RepositoryName};
use atproto::syntax::{Datetime, Did};
use server::bulkhead::Caller;
use server::identity::ResolveError;
use server::wire::{Request, Response};
use server::xrpc::{Query, Trace, response};

/// Longest form: a token of ours and some scopes.
const FORM_BYTES: u64 = 64 * 1024;

const NO_DEVICE: &str = "no device here has this secret: it was revoked, or authorized elsewhere; sign in again with \
                         `docker-credential-atcr login`, or authorize a new device";

/// A token request, by a query or by a form.
struct TokenRequest {
    password: Option<Password>,
    refresh_token: Option<Zeroizing<String>>,
    scopes: Vec<String>,
    /// Whether the client wants a refresh token, so that it need not keep the password.
    wants_refresh: bool,
}

/// Handles `GET`, `HEAD` and `POST` of `/auth/token`.
pub(super) async fn handle(state: Arc<OciState>, request: Request, trace: &mut Trace) -> Result<Response, OciError> {
    let (is_form, asked) = match request.head.method {
        Method::GET | Method::HEAD => (false, by_query(&request)?),
        Method::POST => (true, by_form(request).await?),
        _ => return Err(OciError::method_not_allowed("GET, POST")),
    };
    let network = trace.network();
    let caller = log_in(&state, &asked, &network).await?;
    let login = caller.as_ref().map(|caller| &caller.login);
    trace.caller = login.map(|login| login.account.clone());
    let scopes = parse_scopes(asked.scopes.iter().map(String::as_str));
    let granted = grant(&state, login, scopes, &network).await?;
    let now_s = state.now_s();
    let token = state.tokens.issue(login, &granted, now_s);
    let mut answer = json!({
        "token": token,
        "access_token": token,
        "expires_in": state.tokens.life_s(),
        "issued_at": Datetime::from_micros(now_s * 1_000_000),
    });
    if is_form {
        answer["scope"] = written(&granted).into();
    }
    if let Some(Refresh { login, device }) = caller.filter(|_| asked.wants_refresh) {
        answer["refresh_token"] = state.tokens.issue_refresh(&login, device, now_s).into();
    }
    let mut response = response::json(&answer);
    response.headers_mut().insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    Ok(response)
}

fn by_query(request: &Request) -> Result<TokenRequest, OciError> {
    let query = Query::of(&request.head);
    let scopes = query.all("scope").map(str::to_owned).collect();
    let wants_refresh = query.all("offline_token").any(|value| value == "true");
    let password = credentials::basic(&request.head.headers)?;
    Ok(TokenRequest { password, refresh_token: None, scopes, wants_refresh })
}

async fn by_form(request: Request) -> Result<TokenRequest, OciError> {
    let by_header = credentials::basic(&request.head.headers)?;
    let body = request.body.collect(FORM_BYTES).await?;
    let form: Vec<_> = url::form_urlencoded::parse(&body).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let mut asked = TokenRequest {
        password: by_header,
        refresh_token: None,
        scopes: form.iter().filter(|(key, _)| key == "scope").map(|(_, value)| value.clone()).collect(),
        wants_refresh: field("access_type") == Some("offline"),
    };
    match field("grant_type") {
        Some("password") => {
            let (user, secret) = (field("username").unwrap_or_default(), field("password").unwrap_or_default());
            asked.password = Some(Password { user: user.to_owned(), secret: Zeroizing::new(secret.to_owned()) });
        }
        Some("refresh_token") => {
            asked.refresh_token = Some(Zeroizing::new(field("refresh_token").unwrap_or_default().to_owned()));
            // The answer has a refresh token of the same sign-in.
            asked.wants_refresh = true;
        }
        _ => return Err(OciError::invalid("grant_type must be password or refresh_token")),
    }
    Ok(asked)
}

/// Authenticates a token request; `None` for one without credentials, which is anonymous.
async fn log_in(state: &OciState, asked: &TokenRequest, network: &Caller) -> Result<Option<Refresh>, OciError> {
    if let Some(token) = &asked.refresh_token {
        let wrong = |error| OciError::wrong_credentials(format!("refresh_token: {error}"));
        let refresh = state.tokens.verify_refresh(token, state.now_s()).map_err(wrong)?;
        return resume(state, refresh).await.map(Some);
    }
    let Some(Password { user, secret }) = &asked.password else { return Ok(None) };
    if is_device_secret(secret) {
        return by_device(state, secret).await.map(Some);
    }
    // Some clients send a refresh token as the password, with any user or none.
    if let Ok(refresh) = state.tokens.verify_refresh(secret, state.now_s()) {
        return resume(state, refresh).await.map(Some);
    }
    let login = by_password(state, user, secret, network).await?;
    Ok(Some(Refresh { login, device: None }))
}

/// Checks that the session or the device of a refresh token is still good; returns its login.
async fn resume(state: &OciState, refresh: Refresh) -> Result<Refresh, OciError> {
    let Some(device) = refresh.device else {
        state.sessions.resume(&refresh.login).await?;
        return Ok(refresh);
    };
    let account = refresh.login.account;
    if !state.devices.has(&account, device).await.map_err(OciError::internal)? {
        return Err(OciError::wrong_credentials(NO_DEVICE));
    }
    // The account may have signed in again since the token was issued: its newest session is used.
    let login = by_oauth(state, &account).await?;
    Ok(Refresh { login, device: Some(device) })
}

/// Authenticates a device by its secret; the user name that the client sends does not matter.
async fn by_device(state: &OciState, secret: &str) -> Result<Refresh, OciError> {
    let device = state.devices.by_secret(secret).await.map_err(OciError::internal)?;
    let device = device.ok_or_else(|| OciError::wrong_credentials(NO_DEVICE))?;
    let login = by_oauth(state, &device.account).await?;
    Ok(Refresh { login, device: Some(device.id) })
}

/// Returns the OAuth session of an account that signed in with a browser.
async fn by_oauth(state: &OciState, account: &Did) -> Result<Login, OciError> {
    state.sessions.by_oauth(account).await.map_err(|error| match error {
        AccountsError::SessionEnded => OciError::wrong_credentials(format!("{error} at {}", state.web.sign_in_url())),
        error => error.into(),
    })
}

async fn by_password(state: &OciState, user: &str, secret: &str, network: &Caller) -> Result<Login, OciError> {
    let user = names::typed(user).trim_start_matches('@');
    let nobody = |reason: String| OciError::wrong_credentials(format!("the user is a handle or a DID: {reason}"));
    let owner = Owner::parse(user).map_err(|error| nobody(error.to_string()))?;
    let account = match state.owners.find(&owner, network).await {
        Ok(account) => account,
        Err(error) if has_no_answer(error) => return Err(error.into()),
        Err(error) => return Err(nobody(error.to_string())),
    };
    Ok(state.sessions.log_in(&account, secret, network).await?)
}

/// Whether a look-up has no result for now, so that the client may try again.
fn has_no_answer(error: ResolveError) -> bool {
    matches!(error, ResolveError::Busy(_) | ResolveError::Unreachable | ResolveError::Refused(_))
}

/// Returns the granted part of `scopes`: everybody may read, and an allowed owner may push and delete.
///
/// # Errors
/// When it cannot be told at present who the owner is: a token without the right to push would tell the client that the
/// account is not the owner.
async fn grant(
    state: &OciState,
    login: Option<&Login>,
    scopes: Vec<Scope>,
    network: &Caller,
) -> Result<Vec<Scope>, ResolveError> {
    let mut granted = Vec::new();
    for mut scope in scopes {
        let Ok(name) = RepositoryName::parse(&scope.repository) else { continue };
        let asks = scope.actions.iter().any(|action| action.is_owners());
        if asks && !may_write(state, login, &name.owner, network).await? {
            scope.actions.retain(|action| !action.is_owners());
        }
        granted.push(scope);
    }
    Ok(granted)
}

/// Whether `login` is the account `owner`, and one of the allowed accounts.
async fn may_write(
    state: &OciState,
    login: Option<&Login>,
    owner: &Owner,
    network: &Caller,
) -> Result<bool, ResolveError> {
    let Some(login) = login else { return Ok(false) };
    let is_account = async |owner: &Owner| match owner {
        Owner::Did(did) => Ok(*did == login.account),
        Owner::Handle(_) => match state.owners.find(owner, network).await {
            Err(error) if has_no_answer(error) => Err(error),
            found => Ok(found.is_ok_and(|account| account.did == login.account)),
        },
    };
    if !is_account(owner).await? {
        return Ok(false);
    }
    let allowed_accounts = state.policy.allowed_accounts();
    let mut outcome = Ok(allowed_accounts.is_empty());
    for allowed in allowed_accounts.iter() {
        match is_account(allowed).await {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            // Another one may be the account.
            Err(error) => outcome = Err(error),
        }
    }
    outcome
}

/// Returns scopes as clients write them.
fn written(scopes: &[Scope]) -> String {
    let actions = |scope: &Scope| scope.actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(",");
    let scopes = scopes.iter().map(|scope| format!("repository:{}:{}", scope.repository, actions(scope)));
    scopes.collect::<Vec<_>>().join(" ")
}
