//! Every endpoint of a whole hold over real HTTP: exact status, error name and body.

mod harness;
