//! `devices list`, `revoke`.

use atproto::syntax::Did;
use clap::Subcommand;

use super::sessions::left_at_pds;
use super::target::Target;
use crate::operations::{Device, DevicesList, DevicesRevoke, RevokedDevice};
use server::console::{CommandError, NONE, listed_number, output, table};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List devices that act for accounts, the newest first; without an account the newest 1,000.
    List {
        /// The account's DID.
        #[arg(value_name = "DID", value_parser = |text: &str| Did::parse(text))]
        account: Option<Did>,
    },
    /// Take a device's secret back: it gets no token any more, and one that it has is good for six minutes at most.
    #[command(after_help = "Example: atcr-appview devices revoke 12")]
    Revoke {
        /// The number that `devices list` shows.
        #[arg(value_name = "ID", value_parser = listed_number("devices list"))]
        id: i64,
    },
}

impl Command {
    pub(super) async fn run(self, target: Target, json: bool) -> Result<(), CommandError> {
        match self {
            Self::List { account } => {
                let devices = target.run(DevicesList { account }).await?;
                output::result(json, &devices, || shown(&devices))
            }
            Self::Revoke { id } => {
                let revoked = target.run(DevicesRevoke { id }).await?;
                output::result(json, &revoked, || revoked_shown(&revoked))
            }
        }
    }
}

fn revoked_shown(revoked: &RevokedDevice) -> String {
    let Device { id, account, name, .. } = &revoked.device;
    let session = match &revoked.left_session {
        _ if !revoked.session_ended => String::new(),
        None => "Nothing uses the session of its account any more: it is ended.\n".to_owned(),
        Some(why) => {
            format!("Nothing uses the session of its account any more: it is ended here; {}\n", left_at_pds(why))
        }
    };
    format!("device {id} of {account}, {name}, is revoked\n{session}")
}

fn shown(devices: &[Device]) -> String {
    let rows = devices.iter().map(|device| {
        let Device { id, account, name, address, created_at, used_at } = device;
        let address = address.as_deref().unwrap_or(NONE).to_owned();
        let used = used_at.as_ref().map_or_else(|| NONE.to_owned(), ToString::to_string);
        [id.to_string(), account.to_string(), name.clone(), address, created_at.to_string(), used]
    });
    table(["ID", "ACCOUNT", "NAME", "FROM", "LET IN", "USED"], rows)
}
