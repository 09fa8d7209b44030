//! `systemd-units`: the units of the NixOS module, for machines without Nix.
//!
//! `nixos/units` has them as the module makes them; the tests keep them so. Why each directive is there:
//! `nixos/common/hardening.nix`, `nixos/hold/service.nix`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use server::console::{CommandError, output};

/// Name and text as the module makes it.
const UNITS: [(&str, &str); 2] = [
    ("atcr-hold.socket", include_str!("../../../nixos/units/atcr-hold.socket")),
    ("atcr-hold.service", include_str!("../../../nixos/units/atcr-hold.service")),
];
/// What stands in them for what the command is told.
const PROGRAM: &str = "ExecStart=/usr/bin/atcr-hold ";
const CONFIG: &str = " --config /etc/atcr-hold/config.toml\n";
const GROUP: &str = "SocketGroup=www-data\n";

#[derive(Args)]
pub(super) struct Arguments {
    /// Write the files there instead of printing them: /etc/systemd/system.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Overwrite units that differ.
    #[arg(long, requires = "directory")]
    force: bool,
    /// The path of this program.
    #[arg(long, value_name = "PATH", default_value = "/usr/local/bin/atcr-hold", value_parser = unit_path)]
    program: String,
    /// The group that may connect to /run/atcr-hold.sock: that of the reverse proxy.
    #[arg(long, value_name = "GROUP", default_value = "www-data", value_parser = unit_word)]
    group: String,
}

impl Arguments {
    /// `config` is the file that the unit names; without one it is /etc/atcr-hold/config.toml.
    pub(super) fn run(&self, config: Option<&Path>) -> Result<(), CommandError> {
        let config = match config {
            None => "/etc/atcr-hold/config.toml".to_owned(),
            Some(path) => unit_path(&path.to_string_lossy())
                .map_err(|problem| CommandError::Usage(format!("--config for the unit: {problem}")))?,
        };
        let units = UNITS.map(|(name, text)| (name, self.adapt(text, &config)));
        match &self.directory {
            Some(directory) => self.write(directory, &units),
            None => output::text(&units.map(|(name, text)| format!("# {name}\n{text}")).concat()),
        }
    }

    fn adapt(&self, text: &str, config: &str) -> String {
        let text = text
            .replace(PROGRAM, &format!("ExecStart={} ", self.program))
            .replace(CONFIG, &format!(" --config {config}\n"))
            .replace(GROUP, &format!("SocketGroup={}\n", self.group));
        format!("# By atcr-hold {} systemd-units. Changes: systemctl edit.\n{text}", env!("CARGO_PKG_VERSION"))
    }

    /// Writes all units, or none when one is there that differs.
    fn write(&self, directory: &Path, units: &[(&str, String)]) -> Result<(), CommandError> {
        let differs = |name: &str, text: &str| match fs::read(directory.join(name)) {
            Ok(found) => Ok(found != text.as_bytes()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(&directory.join(name), &error)),
        };
        for (name, text) in units {
            if !self.force && differs(name, text)? {
                let path = directory.join(name);
                let reason = format!("{} is there and differs: --force writes over it", path.display());
                return Err(CommandError::failed(reason));
            }
        }
        for (name, text) in units {
            let path = directory.join(name);
            // Beside it first, so that it is never half there. systemd reads no file of such a name.
            let unfinished = directory.join(format!(".{name}.new"));
            fs::write(&unfinished, text)
                .and_then(|()| fs::rename(&unfinished, &path))
                .map_err(|error| failed(&path, &error))?;
            output::text(&format!("{}\n", path.display()))?;
        }
        Ok(())
    }
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    CommandError::failed(format!("{}: {error}", path.display()))
}

/// A path that means itself in a unit: there `%`, `$`, quotes and spaces mean something else.
fn unit_path(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte));
    if plain && text.starts_with('/') {
        return Ok(text.into());
    }
    Err("it must begin with / and have only letters, digits and . _ - + @".into())
}

fn unit_word(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if plain && !text.is_empty() { Ok(text.into()) } else { Err("it must be the name of a group".into()) }
}

#[cfg(test)]
mod tests {
    use super::{CONFIG, GROUP, PROGRAM, UNITS};

    #[test]
    fn what_the_command_is_told_has_one_place_in_the_units() {
        let [(_, socket), (_, service)] = UNITS;
        for (text, place) in [(service, PROGRAM), (service, CONFIG), (socket, GROUP)] {
            assert_eq!(text.matches(place).count(), 1, "{place}");
        }
        assert_eq!(service.matches("/usr/bin").count(), 1);
    }
}
