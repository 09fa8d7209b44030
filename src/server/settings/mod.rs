//! Configuration of a daemon: layers of options, their environment variables, secrets, and errors an operator can act on.
//!
//! A program describes each of its options once, in a table of [`Setting`]s ([`options!`](crate::options)). [`Values::load`] merges the layers:
//! defaults (of the table) < TOML file < file of variables < environment. Whether an option can change at a reload is a
//! column of the table too: [`Values::followed`]. An error names the option, the origin of its value, and the remedy.
//!
//! This room knows no option of any program.

mod checks;
mod dotenv;
mod environment;
mod error;
mod layer;
mod secret;
mod setting;
mod sources;
mod values;

pub use environment::Environment;
pub use error::SettingsError;
pub use secret::Secret;
pub use setting::{Default, Reload, Setting, SettingKind, markdown};
pub use sources::Sources;
pub use values::Values;
