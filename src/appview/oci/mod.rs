//! The HTTP API of the registry: translates requests into calls of rooms, and their results into responses.
//!
//! `route` parses a path, `dispatch` finds the handler and makes the permit that it takes, `refusal` alone maps the
//! rooms' errors to status codes and the error codes of the specification.
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>

mod admission;
mod blobs;
mod credentials;
mod dispatch;
mod manifests;
mod policy;
mod referrers;
mod refusal;
mod relay;
mod response;
mod route;
mod state;
mod tags;
mod token;

pub use admission::Admission;
pub use policy::Policy;
pub use refusal::OciError;
pub use route::ENDPOINTS;
pub use state::OciState;
