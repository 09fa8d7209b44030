//! Every endpoint of a whole hold over real HTTP: exact status, error name and body.

mod access;
mod bodies;
mod envelope;
mod harness;
