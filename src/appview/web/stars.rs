//! Adding and removing stars of the signed-in account.

use super::refusal::WebError;
use super::settings::{login, own};
use super::signed_in::{self, SignedInRequest};
use super::{Web, responses, site};
use crate::names::Owner;
use atproto::syntax::{Did, ImageName};
use server::bulkhead::Caller;
use server::wire::{Request, Response};
use server::xrpc::Trace;

/// Handles `POST`: adds or removes a star of the form's repository, and redirects to its page.
pub(super) async fn change(web: &Web, request: Request, trace: &mut Trace) -> Result<Response, WebError> {
    let SignedInRequest { account: did, fields, .. } = signed_in::form(web, request, trace).await?;
    let field = |name: &str| fields.get(name).ok_or_else(|| WebError::bad_form("which repository?"));
    let owner = Did::parse(field("owner")?).map_err(|error| WebError::bad_form(error.to_string()))?;
    let name = ImageName::parse(field("name")?).map_err(|error| WebError::bad_form(error.to_string()))?;
    let is_given = match fields.get("star") {
        Some("give") => true,
        Some("take") => false,
        _ => return Err(WebError::bad_form("give the star, or take it back")),
    };
    let subject = site::find(web, &Owner::Did(owner.clone()), &Caller::Account(did.clone())).await?;
    let (login, account) = (login(web, &did).await?, own(web, &did).await?);
    let known = web.index.stars(&owner, &name, Some(&did)).await?.own;
    web.catalog.set_star(&login, &account, &owner, &name, known.as_ref(), is_given).await?;
    Ok(responses::go(&site::path_of(&subject.owner, &name)))
}
