//! The commands that docker runs: `get`, `store`, `erase`, `list`.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Read as _};
use std::process::ExitCode;

use zeroize::Zeroizing;

use super::PROGRAM;
use super::places::Places;
use crate::docker::{self, MAX_INPUT_BYTES, ProtocolError};
use server::console::{CommandError, finish, output, warn};

/// Reads standard input to its end, at most one byte more than [`MAX_INPUT_BYTES`].
fn input() -> Result<Zeroizing<Vec<u8>>, ProtocolError> {
    let stdin = io::stdin().lock();
    if stdin.is_terminal() {
        return Err(ProtocolError::Input("it comes from a terminal. This is for docker; people use login and status"));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let most = MAX_INPUT_BYTES as u64 + 1;
    stdin.take(most).read_to_end(&mut bytes).map_err(|_| ProtocolError::Input("it cannot be read"))?;
    Ok(bytes)
}

/// Prints the result, or the error, on standard output, where docker reads both; returns the exit code.
fn answer(outcome: Result<impl AsRef<str>, ProtocolError>) -> ExitCode {
    let (text, code) = match &outcome {
        Ok(text) => (text.as_ref().to_owned(), ExitCode::SUCCESS),
        Err(error) => (format!("{error}\n"), ExitCode::FAILURE),
    };
    match output::text(&Zeroizing::new(text)) {
        Ok(()) | Err(CommandError::Unread) => code,
        error => finish(PROGRAM, error),
    }
}

pub(super) fn get(places: &Places) -> ExitCode {
    let found = || docker::get(&places.store()?, &input()?);
    answer(found().map(|text| Zeroizing::new(format!("{}\n", *text))))
}

pub(super) fn store(places: &Places) -> ExitCode {
    let kept = || docker::store(&places.store()?, &input()?);
    answer(kept().map(|problem| {
        in_file(problem);
        ""
    }))
}

pub(super) fn erase(places: &Places) -> ExitCode {
    let erased = || docker::erase(&places.store()?, &input()?);
    answer(erased().map(|()| ""))
}

pub(super) fn list(places: &Places) -> ExitCode {
    let listed = || docker::list(&places.store()?);
    answer(listed().and_then(|accounts| {
        let text = serde_json::to_string(&accounts).map_err(|_| ProtocolError::Input("it is no text"))?;
        Ok(format!("{text}\n"))
    }))
}

/// Warns that a secret is kept in the file although there is a keyring, with the reason.
pub(super) fn in_file(problem: Option<impl Display>) {
    let words =
        problem.map(|problem| format!("the secret is kept in a file, and not in the system's keyring: {problem}"));
    warn(PROGRAM, words.as_slice());
}
