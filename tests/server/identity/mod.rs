//! Other accounts: their documents, and what is remembered of them.

mod memory;
mod resolver;
