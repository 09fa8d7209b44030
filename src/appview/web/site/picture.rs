//! Pictures of accounts and repositories, served from here, so that a browser calls no other server and gets nothing
//! but a picture that a record of the account names.

use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, ETAG};
use http::request::Parts;

use super::{Subject, missing};
use crate::catalog::LookUpError;
use crate::web::Web;
use crate::web::refusal::WebError;
use atproto::syntax::ImageName;
use server::wire::Response;
use server::xrpc::{is_known, not_modified, response};

pub(super) async fn show(
    web: &Web,
    head: &Parts,
    subject: &Subject,
    name: Option<&ImageName>,
) -> Result<Response, WebError> {
    let digest = match name {
        Some(name) => web.catalog.page(&subject.account, name).await.map(|page| page.picture),
        None => web.catalog.profile(&subject.account).await.map(|profile| profile.picture),
    };
    let away = |error: LookUpError| WebError::of_look_up("the picture", &error);
    let digest = digest.map_err(away)?.ok_or_else(missing)?;
    let etag = format!("\"{}\"", digest.hex());
    let mut answer = if is_known(head, &etag) {
        not_modified()
    } else {
        let picture = web.catalog.picture(&subject.account, digest).await.map_err(away)?;
        response::full(HeaderValue::from_static(picture.media_type), picture.bytes)
    };
    answer.headers_mut().extend(HeaderValue::try_from(etag).map(|etag| (ETAG, etag)));
    for (name, value) in [
        (CACHE_CONTROL, "public, max-age=300"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (CONTENT_DISPOSITION, "inline; filename=\"picture\""),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(answer)
}
