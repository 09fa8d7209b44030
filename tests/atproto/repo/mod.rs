//! The repository: its tree whatever is written, and its blocks whoever sends them.

mod hostile_blocks;
mod tree;
