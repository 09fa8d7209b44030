//! Commits: what one stores, what it announces, what it refuses, and whose it must be.

mod events;
mod limits;
mod ownership;
mod random_writes;
mod swaps;
