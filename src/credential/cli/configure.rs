//! `configure-docker`: adds or removes this program as the credential helper of registries in docker's configuration.

use clap::Args;

use super::places::Places;
use super::{PROGRAM, named, only, store};
use crate::docker::{ConfigError, DockerConfig};
use crate::registry::RegistryName;
use server::console::{CommandError, output, warn};

/// Arguments of `configure-docker`.
#[derive(Args)]
pub(super) struct Arguments {
    /// The registries; without one, the only one with an account.
    registries: Vec<String>,
    /// All registries with an account; with --remove, all for which docker asks this program.
    #[arg(long, conflicts_with = "registries")]
    all: bool,
    /// Remove this program from docker's configuration.
    #[arg(long)]
    remove: bool,
}

impl Arguments {
    pub(super) fn run(self, places: &Places) -> Result<(), CommandError> {
        let failed = |error: ConfigError| CommandError::failed(error.to_string());
        let mut docker = places.docker_to_change().map_err(failed)?;
        let registries = self.registries(places, &docker)?;
        let mut said = String::new();
        for registry in &registries {
            said.push_str(&self.change(&mut docker, registry));
        }
        let warnings = if self.remove { Vec::new() } else { warnings(places, &docker, &registries) };
        let path = docker.path().display().to_string();
        docker.save().map_err(failed)?;
        output::text(&format!("{said}({path})\n"))?;
        warn(PROGRAM, &warnings);
        Ok(())
    }

    fn registries(&self, places: &Places, docker: &DockerConfig) -> Result<Vec<RegistryName>, CommandError> {
        if !self.registries.is_empty() {
            return self.registries.iter().map(|name| named(name)).collect();
        }
        let store = store(places)?;
        match (self.all, self.remove) {
            (true, true) => Ok(docker.ours()),
            (true, false) => {
                let accounts = store.accounts().map_err(|error| CommandError::failed(error.to_string()))?;
                let mut registries: Vec<_> = accounts.into_iter().map(|account| account.registry).collect();
                registries.dedup();
                Ok(registries)
            }
            (false, _) => only(None, &store).map(|registry| vec![registry]),
        }
    }

    /// Changes the helper of one registry; returns the line to print about it.
    fn change(&self, docker: &mut DockerConfig, registry: &RegistryName) -> String {
        if self.remove {
            let was = docker.remove(registry);
            return format!("{registry}: docker {} this program\n", if was { "no longer asks" } else { "did not ask" });
        }
        let last = docker.helper(registry).filter(|helper| *helper != "atcr").map(str::to_owned);
        match (docker.add(registry), last) {
            (false, _) => format!("{registry}: docker asks this program already\n"),
            (true, None) => format!("{registry}: docker asks this program from now on\n"),
            (true, Some(last)) => format!("{registry}: docker asks this program from now on, and no longer {last}\n"),
        }
    }
}

fn warnings(places: &Places, docker: &DockerConfig, registries: &[RegistryName]) -> Vec<String> {
    let mut warnings = Vec::new();
    if !places.finds_us() {
        warnings.push(format!("{PROGRAM} is in no folder of PATH: docker will not find it"));
    }
    for registry in registries.iter().filter(|registry| docker.has_password(registry)) {
        let words = "still has a secret of its own, from an earlier docker login, which is not used any more";
        warnings.push(format!("{} {words}: remove auths.\"{registry}\" there", docker.path().display()));
    }
    warnings
}
