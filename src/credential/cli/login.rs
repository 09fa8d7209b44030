//! `login`: the device flow on the command line. <https://www.rfc-editor.org/rfc/rfc8628>

use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use tokio::time::{Instant, sleep, timeout_at};

use super::places::{Places, machine_name};
use super::{PROGRAM, helper, named, store};
use crate::registry::RegistryName;
use crate::remote::{DeviceGrant, Invitation, PollRefusal, RemoteRegistry};
use crate::store::{Credential, Place, Secret, Store};
use server::console::{CommandError, duration, output, warn};

/// Time-out of calls to the keyring: it may ask its owner to unlock it.
const KEYRING_PATIENCE: Duration = Duration::from_secs(60);
/// Seconds added to the poll interval by `slow_down`. <https://www.rfc-editor.org/rfc/rfc8628#section-3.5>
const SLOWER: Duration = Duration::from_secs(5);
/// The longest poll interval while the registry does not answer.
const MAX_INTERVAL: Duration = Duration::from_secs(60);
/// Exit code after Ctrl-C, 128 + SIGINT, as shells have it.
const INTERRUPTED: u8 = 130;

/// Arguments of `login`.
#[derive(Args)]
pub(super) struct Arguments {
    /// The registry, as in image names: registry.example.org.
    registry: String,
    /// The name of this machine in the list of your devices; without it: docker on HOSTNAME.
    #[arg(long)]
    name: Option<String>,
    /// Open the page in this machine's browser.
    #[arg(long)]
    browser: bool,
}

impl Arguments {
    pub(super) async fn run(self, places: &Places) -> Result<(), CommandError> {
        let registry = named(&self.registry)?;
        let accounts = store(places)?;
        // Accounts that cannot be read or written fail here, before the user has to open a page.
        let before = accounts.accounts().map_err(failed)?;
        accounts.check_writable().map_err(failed)?;
        let remote = RemoteRegistry::new(&registry).map_err(failed)?;
        let name = self.name.unwrap_or_else(|| format!("docker on {}", machine_name()));
        let invitation = remote.ask(&name).await.map_err(failed)?;
        output::text(&shown(&registry, &invitation))?;
        if self.browser {
            open(places, &invitation);
        }
        let granted = tokio::select! {
            granted = wait(&remote, &invitation) => granted?,
            _ = tokio::signal::ctrl_c() => {
                return Err(CommandError::with_exit_code(&"ended; nobody is signed in by it", INTERRUPTED));
            }
        };
        // The device secret that this account had here before is revoked.
        let last =
            before.iter().find(|a| a.is_device && a.registry.as_str() == registry.as_str() && a.user == granted.user);
        let last = last.and_then(|account| accounts.credential_of(account, KEYRING_PATIENCE).ok());
        keep(&accounts, &registry, &remote, granted).await?;
        if let Some(last) = last {
            let _ = remote.end(last.secret.reveal()).await;
        }
        advise(places, &registry)
    }
}

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::failed(error.to_string())
}

fn shown(registry: &RegistryName, invitation: &Invitation) -> String {
    let Invitation { user_code, url, url_with_code, life, .. } = invitation;
    let with_code = url_with_code.as_ref().map(|url| format!("or, with the code in it,\n\n    {url}\n\n"));
    format!(
        "To sign in at {registry}, open this page in any browser\n\n    {url}\n\n{}and let this machine in with the code\n\n    \
         {user_code}\n\nThere is time for {}; Ctrl-C ends it.\n",
        with_code.unwrap_or_default(),
        duration(life.as_secs()),
    )
}

/// Opens the page in a browser; a failure is a warning, as the address is printed in any case.
fn open(places: &Places, invitation: &Invitation) {
    let url = invitation.url_with_code.as_ref().unwrap_or(&invitation.url);
    let quiet = Stdio::null;
    let opened = Command::new(places.browser()).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    if let Err(error) = opened {
        warn(PROGRAM, &[format!("no browser can be opened: {error}")]);
    }
}

/// Polls until the user has allowed or denied the device, or the code has expired.
async fn wait(remote: &RemoteRegistry, invitation: &Invitation) -> Result<DeviceGrant, CommandError> {
    let deadline = Instant::now() + invitation.life;
    let mut interval = invitation.interval;
    let mut is_away = false;
    loop {
        sleep(interval).await;
        let polled = timeout_at(deadline, remote.poll(&invitation.device_code)).await;
        let refusal = match polled.unwrap_or(Err(PollRefusal::Expired)) {
            Ok(granted) => return Ok(granted),
            Err(refusal) => refusal,
        };
        match refusal {
            PollRefusal::Pending => is_away = false,
            PollRefusal::SlowDown => interval += SLOWER,
            // The registry may be back before the code has expired.
            PollRefusal::Away(error) => {
                if !is_away {
                    warn(PROGRAM, &[format!("{error}; it is asked again")]);
                }
                is_away = true;
                interval = (interval * 2).min(MAX_INTERVAL);
            }
            other => return Err(failed(other)),
        }
        if Instant::now() + interval > deadline {
            return Err(failed(PollRefusal::Expired));
        }
    }
}

/// Stores the secret. One that cannot be stored is revoked at the registry, as nobody would know it.
async fn keep(
    accounts: &Store,
    registry: &RegistryName,
    remote: &RemoteRegistry,
    granted: DeviceGrant,
) -> Result<(), CommandError> {
    let secret = Secret::new(granted.secret.to_string());
    let credential = Credential { user: granted.user, secret, is_device: true };
    match accounts.put(registry, &credential, KEYRING_PATIENCE) {
        Ok((place, problem)) => {
            let place = match place {
                Place::Keyring => "the system's keyring".to_owned(),
                Place::File => accounts.file().display().to_string(),
            };
            helper::in_file(problem);
            output::text(&format!("\nYou are {} at {registry}. The secret is in {place}.\n", credential.user))
        }
        Err(error) => {
            let _ = remote.end(credential.secret.reveal()).await;
            Err(failed(format!("the secret cannot be kept, and was given back: {error}")))
        }
    }
}

/// Says how to configure docker for the registry, unless it is configured.
fn advise(places: &Places, registry: &RegistryName) -> Result<(), CommandError> {
    if places.docker().is_ok_and(|docker| docker.is_ours(registry)) {
        return Ok(());
    }
    output::text(&format!("docker does not ask for it yet:\n\n    {PROGRAM} configure-docker {registry}\n"))
}
