//! The registry's endpoints over real HTTP: exact status, code and headers.

mod registry;

mod base;
mod token;
