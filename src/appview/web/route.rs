//! The endpoint of a request.

use http::header::ACCEPT;
use http::request::Parts;

use super::endpoint::{ENDPOINTS, Endpoint};
use super::site;
use server::xrpc::header;

/// The path prefix of XRPC methods.
const XRPC: &str = "/xrpc/";
/// Path prefixes below which there are no pages.
const OF_PROGRAMS: [&str; 5] = ["/v2", "/_health", "/auth/token", "/xrpc", "/.well-known"];

impl Endpoint {
    /// Returns the endpoint of a request, if it is one of this room. Any path is, if `Accept` asks for HTML and the
    /// path is not one for programs.
    #[must_use]
    pub fn of(head: &Parts) -> Option<Self> {
        let path = head.uri.path();
        let name = path.strip_prefix(XRPC).filter(|method| !method.starts_with('/')).unwrap_or(path);
        let exact = ENDPOINTS.iter().find(|(of, _)| *of == name && !of.contains('*')).map(|(_, endpoint)| *endpoint);
        let is_of_programs = OF_PROGRAMS
            .iter()
            .any(|below| path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        if is_of_programs {
            return exact;
        }
        let wants_page = header(head, ACCEPT.as_str()).is_some_and(|kinds| kinds.contains("text/html"));
        exact.or_else(|| site::kind(path)).or_else(|| wants_page.then_some(Self::Missing))
    }
}
