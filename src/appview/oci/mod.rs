//! The registry's HTTP API: from a request to a room's answer and back.
//!
//! `route` takes a path apart, `dispatch` finds the handler and gets it the permit that it takes, `refusal` alone turns
//! the rooms' errors into status codes and the codes of the specification.
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
