//! The room `http`.

pub mod connection;
