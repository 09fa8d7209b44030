//! The endpoint table of a program.

use http::Method;
use http::request::Parts;

use super::error::Error;

const XRPC_PREFIX: &str = "/xrpc/";

/// The HTTP methods of an endpoint; HEAD is allowed where GET is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbs {
    /// GET and HEAD.
    Get,
    /// POST.
    Post,
    /// PUT and POST.
    PutOrPost,
}

impl Verbs {
    fn allow(self, method: &Method) -> bool {
        match self {
            Self::Get => method == Method::GET || method == Method::HEAD,
            Self::Post => method == Method::POST,
            Self::PutOrPost => method == Method::PUT || method == Method::POST,
        }
    }

    /// Returns the text of an Allow header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
            Self::PutOrPost => "PUT, POST",
        }
    }
}

/// A row of a program's endpoint table.
pub trait Route {
    /// Returns the NSID of an XRPC method; or a path, which matches all paths below it when it ends with a slash.
    fn path(&self) -> &'static str;

    /// Returns its HTTP methods.
    fn verbs(&self) -> Verbs;
}

fn is_at(row: &'static str, path: &str) -> bool {
    let below = row.len() > 1 && row.ends_with('/') && path.starts_with(row);
    below || row == path
}

/// Finds the row of a request, and its index.
///
/// # Errors
/// 404, 501 for an XRPC method that is not in the table, 405 for an HTTP method that its row does not allow.
pub fn route<'t, R: Route>(table: &'t [R], head: &Parts) -> Result<(usize, &'t R), Error> {
    let path = head.uri.path();
    let (name, missing): (&str, fn() -> Error) = match path.strip_prefix(XRPC_PREFIX) {
        Some(nsid) if !nsid.starts_with('/') => (nsid, Error::method_not_implemented),
        _ => (path, Error::not_found),
    };
    let found = table.iter().enumerate().find(|(_, endpoint)| is_at(endpoint.path(), name));
    let (row, endpoint) = found.ok_or_else(missing)?;
    if endpoint.verbs().allow(&head.method) {
        Ok((row, endpoint))
    } else {
        Err(Error::method_not_allowed(endpoint.verbs().as_str()))
    }
}
