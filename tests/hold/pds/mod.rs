//! The embedded repository: commits, files of a whole repository, and a large one.

mod commits;
mod large_repository;
mod repo_file;
