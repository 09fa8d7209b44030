//! `systemd-units`: the units of a program's NixOS module, for machines without Nix.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{CommandError, output};
use crate::settings::Sources;

/// The systemd units of a program, as its NixOS module generates them.
#[derive(Clone, Copy, Debug)]
pub struct Units {
    /// The name of the program.
    pub program: &'static str,
    /// Name and text of each unit.
    pub files: &'static [(&'static str, &'static str)],
}

/// Makes the `Units` of a program from `nixos/units`, as its NixOS module generates them; a test keeps
/// them equal. The reason of each directive is in `nixos/common/hardening.nix`, and `service.nix` of the program.
#[macro_export]
macro_rules! units {
    ($program:literal) => {
        $crate::console::Units {
            program: $program,
            files: &[
                $crate::units!($program, ".socket"),
                $crate::units!($program, ".service"),
                $crate::units!($program, "-backup.service"),
                $crate::units!($program, "-backup.timer"),
            ],
        }
    };
    ($program:literal, $kind:literal) => {
        (
            concat!($program, $kind),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../nixos/units/", $program, $kind)),
        )
    };
}

/// Arguments of `systemd-units`: values to put into the units, and the target directory.
#[derive(Args)]
pub struct UnitsArguments {
    /// Write the files to this directory instead of printing them: /etc/systemd/system.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Overwrite units that differ.
    #[arg(long, requires = "directory")]
    force: bool,
    /// The path of this program. Without it: its name in /usr/local/bin.
    #[arg(long, value_name = "PATH", value_parser = unit_path)]
    program: Option<String>,
    /// The group that may connect to the socket in /run: that of the reverse proxy.
    #[arg(long, value_name = "GROUP", default_value = "www-data", value_parser = unit_word)]
    group: String,
}

impl Units {
    /// Returns the texts in the units that are replaced by the arguments: the path of the program, its configuration
    /// file, the group of its socket. Each occurs once.
    #[must_use]
    pub fn places(&self) -> [String; 3] {
        let program = self.program;
        [
            format!("ExecStart=/usr/bin/{program} "),
            format!(" --config /etc/{program}/config.toml "),
            "SocketGroup=www-data\n".to_owned(),
        ]
    }
}

impl UnitsArguments {
    /// Prints or writes the units. The file of `sources` is the one that they name; without one it is `config.toml` in
    /// the program's directory of `/etc`.
    ///
    /// # Errors
    /// When the path has characters that are special in a unit, or a unit cannot be written; for a file of variables, which
    /// the units do not name.
    pub fn run(&self, units: &Units, sources: &Sources) -> Result<(), CommandError> {
        if sources.env_file.is_some() {
            let remedy =
                format!("LoadCredential=.env:/etc/{0}/{0}.env in a drop-in makes the file known", units.program);
            return Err(CommandError::Usage(format!("the units take no --env-file: {remedy}")));
        }
        let config = match &sources.file {
            None => format!("/etc/{}/config.toml", units.program),
            Some(path) => unit_path(&path.to_string_lossy())
                .map_err(|problem| CommandError::Usage(format!("--config for the unit: {problem}")))?,
        };
        let adapted: Vec<_> =
            units.files.iter().map(|(name, text)| (*name, self.adapt(units, text, &config))).collect();
        match &self.directory {
            Some(directory) => self.write(directory, &adapted),
            None => {
                let texts = adapted.iter().map(|(name, text)| format!("# {name}\n{text}"));
                output::text(&texts.collect::<String>())
            }
        }
    }

    fn adapt(&self, units: &Units, text: &str, config: &str) -> String {
        let [start, config_place, group] = units.places();
        let program = self.program.clone().unwrap_or_else(|| format!("/usr/local/bin/{}", units.program));
        let text = text
            .replace(&start, &format!("ExecStart={program} "))
            .replace(&config_place, &format!(" --config {config} "))
            .replace(&group, &format!("SocketGroup={}\n", self.group));
        let version = env!("CARGO_PKG_VERSION");
        format!("# By {} {version} systemd-units. Changes: systemctl edit.\n{text}", units.program)
    }

    /// Writes all units, or none when an existing one differs.
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
            // Written beside it and renamed, so that no unit is incomplete. systemd ignores files with such a name.
            let unfinished = directory.join(format!(".{name}.new"));
            fs::write(&unfinished, text)
                .and_then(|()| fs::rename(&unfinished, &path))
                .map_err(|error| failed(&path, &error))?;
        }
        let written = units.iter().map(|(name, _)| format!("{}\n", directory.join(name).display()));
        output::text(&written.collect::<String>())
    }
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    CommandError::failed(format!("{}: {error}", path.display()))
}

/// Accepts a path without characters that are special in a unit: `%`, `$`, quotes, spaces.
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
    #[test]
    fn what_the_command_is_told_has_one_place_in_the_units() {
        for units in [units!("atcr-hold"), units!("atcr-appview")] {
            let [program, config, group] = units.places();
            for (name, text) in units.files {
                let is_service = usize::from(name.ends_with(".service"));
                assert_eq!(text.matches("/usr/bin").count(), is_service, "{name}");
                assert_eq!([&program, &config].map(|place| text.matches(place).count()), [is_service; 2], "{name}");
                assert_eq!(text.matches(&group).count(), usize::from(name.ends_with(".socket")), "{name}");
            }
        }
    }
}
