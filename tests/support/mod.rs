//! What tests are made with: a whole hold in this process, parts of one, and the accounts that use it.

pub(crate) mod blob_hold;
pub(crate) mod did_server;
pub(crate) mod hold;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod manager;
pub(crate) mod manual;
pub(crate) mod other_user;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod reloads;
pub(crate) mod repo_home;
pub(crate) mod small;
pub(crate) mod still_clock;
