//! The embedded repository: commits, files of a whole repository, and a large one.

mod clock;
mod commits;
mod exports;
mod identity;
mod large_repository;
mod repo_file;
