//! `storage usage`, `accounts`, `verify`, `migrate`, `adopt`: arguments and output.

use std::path::PathBuf;

use clap::Subcommand;

use super::target;
use crate::app::{self, StorageUse};
use crate::config::Config;
use crate::operations::{AccountStorage, StorageAccounts, StorageAdopt, StorageMigrate, StorageUsage, StorageVerify};
use crate::upkeep::{Amount, BlobFinding, BlobsVerified, Findings, Migrated, Problem, Repair, Usage};
use atproto::syntax::Did;
use server::console::{CommandError, NONE, output, size, table};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Count blobs, uploads, and differences between the database and the storage. Reads no blob.
    #[command(after_help = "Example: atcr-hold storage usage --json | jq .stored.sizeBytes")]
    Usage,
    /// List the usage of each account, the largest first.
    ///
    /// UNREFERENCED are blobs that it uploaded and no manifest refers to, STAGED the bytes of its open uploads. All of
    /// it counts against its quota.
    #[command(
        after_help = "Example: atcr-hold storage accounts --json | jq '.[] | select(.unreferencedBytes > 1e9).did'"
    )]
    Accounts,
    /// Read and hash every blob, and print the wrong ones, a line for each. Exits 1 when there is one.
    ///
    /// The hold runs meanwhile. Right objects that are not recorded, and keys that are not of blobs, are informational:
    /// they are listed, and not wrong.
    #[command(after_help = "Example: atcr-hold storage verify --repair --rate 50")]
    Verify {
        /// Move wrong objects to quarantine/, so that their blobs are absent and an upload restores them; delete
        /// records of blobs without an object; record right objects that are not recorded. It still exits 1.
        #[arg(long)]
        repair: bool,
        /// Read at most this many megabytes (10^6 bytes) per second.
        #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        rate: Option<u64>,
    },
    /// Copy every blob to another storage, and verify it there. Blobs copied before are not copied again.
    ///
    /// The hold runs on its own storage meanwhile. When every blob is copied, stop the hold, run this again for blobs
    /// uploaded meanwhile, change its configuration, and start it. Exits 0 only when every blob is there.
    #[command(after_help = "Example: atcr-hold storage migrate --to new.toml, a file with the new [storage] table")]
    Migrate {
        /// A configuration file with the new [storage] table. Other options in it and the environment are ignored.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// The DID of the hold whose storage that is, if it is to have the blobs: a successor. Without it, a storage that
        /// has the marker of another hold is refused.
        #[arg(long = "for", value_name = "DID", value_parser = Did::parse)]
        of_hold: Option<Did>,
    },
    /// Adopt the storage as this hold's own, although its marker is missing or names another hold.
    ///
    /// A hold refuses a storage that is not the one it used: a disk may not be mounted, or [storage] may name another
    /// directory or bucket. Use this when the storage is right as it is, as after a restore of the blobs alone.
    #[command(after_help = "Example: atcr-hold storage adopt && atcr-hold storage verify")]
    Adopt,
}

impl Command {
    pub(super) async fn run(self, config: &Config, purpose: StorageUse, json: bool) -> Result<(), CommandError> {
        if matches!(self, Self::Adopt) {
            return adopt(config, json).await;
        }
        let target = target::find(config, purpose).await?;
        match self {
            Self::Adopt => Ok(()),
            Self::Usage => {
                let usage = target.run(StorageUsage {}).await?;
                output::result(json, &usage, || shown_usage(&usage))
            }
            Self::Accounts => {
                let accounts = target.run(StorageAccounts {}).await?;
                output::result(json, &accounts, || shown_accounts(&accounts))
            }
            Self::Verify { repair, rate } => {
                let verify = StorageVerify { repair, bytes_per_s: rate.map(|rate| rate * 1_000_000) };
                let verified = target.run(verify).await?;
                output::findings(json, &verified, || shown_verified(&verified))?;
                match (verified.findings.wrong, repair) {
                    (0, _) => Ok(()),
                    (wrong, true) => Err(CommandError::failed(format!("{wrong} wrong: see what was done above"))),
                    (wrong, false) => Err(CommandError::failed(format!("{wrong} wrong: use --repair to mend"))),
                }
            }
            Self::Migrate { to, of_hold } => {
                let to = Config::storage_of(&to)?;
                let is_running = target.is_running();
                let migrated = target.run(StorageMigrate { to, of_hold }).await?;
                output::findings(json, &migrated, || shown_migrated(&migrated, is_running))?;
                if migrated.whole { Ok(()) } else { Err(not_whole(&migrated)) }
            }
        }
    }
}

/// Adopts the storage. Not by a `Target`: a stopped hold cannot be opened with a storage that is not its own.
async fn adopt(config: &Config, json: bool) -> Result<(), CommandError> {
    match target::paths(config).connect().await? {
        Some(connection) => connection.run(&StorageAdopt {}, |_| {}).await?,
        None => app::adopt_storage(config).await?,
    }
    let storage = config.storage.to_string();
    output::result(json, &serde_json::json!({ "storage": storage }), || {
        format!("{storage} is this hold's own storage from now on. See what is there: storage verify\n")
    })
}

fn shown_usage(usage: &Usage) -> String {
    let row = |name: &str, amount: &Amount| [name.to_owned(), amount.count.to_string(), size(amount.size_bytes)];
    let staged = &usage.staged;
    let mut rows = vec![row("recorded", &usage.recorded), row("stored", &usage.stored)];
    let differences = [
        ("recorded, but missing", &usage.missing),
        ("of another size than recorded", &usage.other_size),
        ("stored, but not recorded", &usage.unrecorded),
        ("under keys of no blob", &usage.foreign),
        ("quarantined", &usage.quarantined),
        ("open in the bucket, in parts", &staged.multiparts),
    ];
    rows.extend(differences.into_iter().filter(|(_, amount)| amount.count > 0).map(|(name, amount)| row(name, amount)));
    rows.push(["open uploads".into(), staged.uploads.to_string(), size(staged.objects.size_bytes)]);
    if let Some(free_bytes) = usage.free_bytes {
        rows.push(["free".into(), NONE.into(), size(free_bytes)]);
    }
    format!("{}\n{}", usage.place, table(["BLOBS", "COUNT", "SIZE"], rows))
}

fn shown_accounts(accounts: &[AccountStorage]) -> String {
    let rows = accounts.iter().map(|account| {
        let sizes = [account.layer_bytes, account.config_bytes, account.unreferenced_bytes, account.staged_bytes];
        let [layers, configs, unreferenced, staged] = sizes.map(size);
        let limit = account.limit_bytes.map_or_else(|| NONE.into(), size);
        [account.did.to_string(), layers, configs, unreferenced, staged, size(account.total_bytes), limit]
    });
    table(["ACCOUNT", "LAYERS", "CONFIGS", "UNREFERENCED", "STAGED", "TOTAL", "LIMIT"], rows)
}

fn shown_verified(verified: &BlobsVerified) -> String {
    let BlobsVerified { right, right_bytes, findings } = verified;
    let mut text = shown_findings(findings);
    text += &format!("{right} right ({}), {} wrong", size(*right_bytes), findings.wrong);
    if findings.noted > 0 {
        text += &format!(", {} informational", findings.noted);
    }
    if findings.repaired > 0 {
        text += &format!("; {} repaired", findings.repaired);
    }
    text + "\n"
}

fn shown_findings(findings: &Findings) -> String {
    let mut text: String = findings.listed.iter().map(shown_finding).collect();
    let all = findings.wrong + findings.noted;
    if let Some(more @ 1..) = all.checked_sub(findings.listed.len() as u64) {
        text += &format!("and {more} more\n");
    }
    text
}

fn shown_finding(finding: &BlobFinding) -> String {
    let BlobFinding { digest, key, problem, repair } = finding;
    let what = match problem {
        Problem::WrongContent => "wrong content".to_owned(),
        Problem::WrongSize { recorded_bytes, found_bytes } => {
            format!("wrong size: {found_bytes} bytes instead of {recorded_bytes}")
        }
        Problem::WrongRecord { recorded_bytes, found_bytes } => {
            format!("right, but recorded with {recorded_bytes} bytes instead of {found_bytes}")
        }
        Problem::Missing => "missing".to_owned(),
        Problem::Unreadable(reason) => format!("unreadable: {reason}"),
        Problem::UnrecordedWrong => "not recorded, and wrong content".to_owned(),
        Problem::Unrecorded => "right, but not recorded".to_owned(),
        Problem::Foreign => "the key of no blob".to_owned(),
    };
    let done = match repair {
        Some(Repair::Quarantined) => "; quarantined",
        Some(Repair::Forgotten) => "; forgotten",
        Some(Repair::Recorded) => "; recorded",
        None => "",
    };
    match (digest, key) {
        (Some(digest), _) => format!("{digest}  {what}{done}\n"),
        // A key may have any characters, also escape sequences.
        (None, key) => format!("{:?}  {what}{done}\n", key.as_deref().unwrap_or_default()),
    }
}

fn shown_migrated(migrated: &Migrated, is_running: bool) -> String {
    let Migrated { from, to, of_hold, present, copied, findings, whole, .. } = migrated;
    let amount = |amount: &Amount| format!("{} ({})", amount.count, size(amount.size_bytes));
    let mut text = shown_findings(findings);
    text += &format!("{} blobs are in {to}, {} of them copied now\n", amount(present), amount(copied));
    if let (true, Some(hold)) = (whole, of_hold) {
        text += &format!("Nothing is missing there. {hold} records them with storage verify --repair.\n");
    }
    text += match (*whole && of_hold.is_none(), is_running) {
        (false, _) => "",
        (true, true) => {
            "The hold goes on with its own storage. To switch: stop it, run this once more for what came meanwhile, give it\n\
             the new [storage] table in place of the old one (and of STORAGE_DRIVER and its like), and start it.\n"
        }
        (true, false) => {
            "Nothing is missing there. Now give the hold the new [storage] table in place of the old one (and of\n\
             STORAGE_DRIVER and its like), and start it.\n"
        }
    };
    text + &format!("Nothing was removed from {from}.\n")
}

fn not_whole(migrated: &Migrated) -> CommandError {
    CommandError::failed(match migrated.findings.wrong {
        0 => "uploads kept coming: stop the hold, then run this once more".to_owned(),
        wrong => format!(
            "{wrong} blobs are wrong where they are and were not copied: storage verify --repair takes them away, then run \
             this once more"
        ),
    })
}
