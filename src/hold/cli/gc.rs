//! `gc`: arguments and output.

use clap::Args;

use super::images::unasked_lines;
use super::target::Target;
use crate::operations::GcRun;
use crate::upkeep::{Amount, Collected};
use server::console::{CommandError, NONE, duration, output, size, table};

#[derive(Args)]
#[command(after_help = "Example: atcr-hold gc --dry-run --verbose")]
pub(super) struct Arguments {
    #[command(flatten)]
    choice: Choice,
    /// Remove the blobs even if they are more than half of all.
    #[arg(long, requires = "run")]
    force: bool,
    /// List the blobs too, at most 10,000: digest, size in bytes, and time of last use.
    #[arg(long)]
    verbose: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Choice {
    /// Print the blobs that would be removed, and why the others are kept; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Remove the blobs.
    #[arg(long)]
    run: bool,
}

impl Arguments {
    /// Whether blobs are to be removed, and not only listed.
    pub(super) fn removes(&self) -> bool {
        self.choice.run
    }

    pub(super) async fn run(self, target: Target) -> Result<(), CommandError> {
        let collected = target.run(GcRun { dry_run: self.choice.dry_run, force: self.force }).await?;
        if self.json {
            return output::json(&collected);
        }
        if self.verbose {
            let lines = collected.listed.iter();
            let lines = lines.map(|blob| format!("{}  {}  {}\n", blob.digest, blob.size_bytes, blob.used_at));
            output::text(&lines.collect::<String>())?;
        }
        output::text(&shown(&collected))
    }
}

fn shown(collected: &Collected) -> String {
    let row = |name: &str, amount: &Amount, why: &str| {
        [name.to_owned(), amount.count.to_string(), size(amount.size_bytes), why.to_owned()]
    };
    let Collected { garbage, named, recent, unasked, found, unfinished, .. } = collected;
    let grace = duration(collected.grace_s);
    let unused = match &collected.oldest_use {
        Some(oldest) => format!("nothing names them; the first was last used {oldest}"),
        None => NONE.into(),
    };
    let mut rows = vec![
        row(if collected.dry_run { "would go" } else { "removed" }, garbage, &unused),
        row("kept", named, "a layer record or a manifest names them"),
        row("kept", recent, &format!("uploaded or asked for in the last {grace}, or an hour more")),
    ];
    if unasked.count > 0 {
        rows.push(row("kept", unasked, "could be of accounts that could not be asked"));
    }
    if found.count > 0 {
        rows.push(row("kept", found, "found by storage verify --repair, and not uploaded since"));
    }
    if unfinished.count > 0 {
        rows.push(row("on their way out", unfinished, "the store has not removed them yet"));
    }
    let hint = match (collected.dry_run, garbage.count) {
        (true, _) if collected.needs_force => {
            "Nothing was removed. It is more than half of everything: use --run --force for that.\n"
        }
        (true, 1..) => "Nothing was removed: use --run for that.\n",
        _ => "",
    };
    let accounts = unasked_lines(&collected.accounts);
    let way_out = if accounts.is_empty() {
        ""
    } else {
        "What could be theirs is kept. Of an account that is gone for good: atcr-hold crew ban DID, and it is not asked any more.\n"
    };
    format!("{}\n{}{accounts}{way_out}{hint}", collected.place, table(["BLOBS", "COUNT", "SIZE", "WHY"], rows))
}
