//! `completions`: shell completion scripts.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{CommandError, output};

/// Arguments of `completions`.
#[derive(Args)]
pub struct CompletionsArguments {
    /// The shell.
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(["bash", "zsh", "fish"]))]
    shell: String,
}

impl CompletionsArguments {
    /// Prints the completion script of the command line `C`.
    ///
    /// # Errors
    /// As [`output::bytes`].
    pub fn run<C: CommandFactory>(&self, program: &str) -> Result<(), CommandError> {
        let shell = match self.shell.as_str() {
            "zsh" => Shell::Zsh,
            "fish" => Shell::Fish,
            _ => Shell::Bash,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut C::command(), program, &mut script);
        output::bytes(&script)
    }
}
