//! The registry's endpoints over real HTTP: exact status, code and headers.

pub(crate) mod pushes;
pub(crate) mod registry;

mod base;
mod blobs;
mod bounds;
mod lists;
mod relay;
mod scopes;
mod sessions;
mod token;
mod uploads;
