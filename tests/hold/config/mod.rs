//! Configuration: its layers, every mistake with its explanation, secrets, and what `check-config` prints.

mod clouds;
mod layers;
mod mistakes;
mod quota;
mod reload;
mod secrets;
mod show;
mod storage;
mod table;

use std::path::{Path, PathBuf};

use atcr_hold::config::Config;
use atcr_hold::objects::Location;
use server::settings::{Environment, Sources};
use tempfile::TempDir;

const OWNER: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";

/// A directory with the file layers, as an operator would have it.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file and answers its path as text.
    fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Loads with `hold.toml` and `.env` where they were written; beside a `hold.toml`, `.env` is named.
    fn load<const N: usize>(&self, environment: [(&str, &str); N]) -> Result<Config, String> {
        Config::load(&self.sources(environment)).map_err(|e| e.to_string())
    }

    fn show<const N: usize>(&self, environment: [(&str, &str); N]) -> String {
        Config::show(&self.sources(environment)).unwrap().0
    }

    fn sources<const N: usize>(&self, environment: [(&str, &str); N]) -> Sources {
        let there = |name| Some(self.path(name)).filter(|path| path.is_file());
        let file = there("hold.toml");
        let env_file = if file.is_some() { there(".env") } else { None };
        Sources { file, env_file, dotenv: self.path(".env"), environment: Environment::from(environment) }
    }
}

/// The three variables that a hold needs, and `more`.
fn with<'v, const N: usize>(more: [(&'v str, &'v str); N]) -> Environment {
    let mut all = vec![
        ("HOLD_PUBLIC_URL", "https://hold.example.org"),
        ("HOLD_OWNER", OWNER),
        ("STORAGE_ROOT_DIR", "/srv/blobs"),
    ];
    // A later variable takes the place of an earlier one, so that a test can unset one by an empty value.
    all.extend(more);
    let all: [(&str, &str); 32] = std::array::from_fn(|n| all.get(n).copied().unwrap_or(("UNRELATED", "1")));
    Environment::from(all)
}

/// What only the environment comes to.
fn load<const N: usize>(more: [(&str, &str); N]) -> Result<Config, String> {
    Config::load(&Sources::of_environment(with(more))).map_err(|e| e.to_string())
}

/// What the least environment and this file come to.
fn load_toml(text: &str) -> Result<Config, String> {
    let place = Place::new();
    let path = place.file("hold.toml", text);
    Config::load(&Sources { file: Some(path.into()), ..Sources::of_environment(with([])) }).map_err(|e| e.to_string())
}

/// The directory of the blobs.
fn root(config: &Config) -> &Path {
    match &config.storage {
        Location::Directory(root) => root,
        other => panic!("the blobs are in {other}"),
    }
}
