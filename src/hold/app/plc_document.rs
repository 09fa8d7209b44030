//! Compares the DID document of a hold by did:plc with the hold. Only who has its rotation key can change it.

use std::sync::Arc;
use std::time::Duration;

use crate::hold::Hold;
use atproto::syntax::Did;
use server::identity::{Account, Pool, ResolveError};

/// Interval of checks while the document fits, and while it does not: the resolver reads one once a minute at most.
const EVERY: Duration = Duration::from_secs(3600);
const EVERY_UNTIL_IT_FITS: Duration = Duration::from_secs(61);

/// Compares the document for as long as the hold runs, and logs what differs. When it fits, an #identity event tells the
/// network to read it, unless one did, before a restart too. Without end; a hold by did:web serves its document itself.
pub(super) async fn keep(hold: Arc<Hold>) {
    let did = hold.pds.did();
    let mut told = None;
    loop {
        let fits = match hold.resolver.refresh(did, Pool::Members).await {
            // What is away says nothing about the document; the resolver has logged it.
            Err(ResolveError::Unreachable | ResolveError::Busy(_)) => false,
            answer => {
                let problem = match answer {
                    Ok(account) => differences(&hold, &account),
                    Err(error) => Some(format!("it cannot be read ({error})")),
                };
                let fits = problem.is_none();
                if told.as_ref() != Some(&problem) {
                    tell(did, problem.as_deref());
                    told = Some(problem);
                }
                fits
            }
        };
        if fits && let Err(error) = hold.pds.announce_identity(hold.now_us()).await {
            tracing::warn!(%error, "the network is not told of the new DID document");
        }
        tokio::time::sleep(if fits { EVERY } else { EVERY_UNTIL_IT_FITS }).await;
    }
}

fn tell(did: &Did, problem: Option<&str>) {
    match problem {
        Some(problem) => tracing::warn!(
            "the DID document of {did} does not fit this hold: {problem}. Others do not find it there, or do not believe \
             it; `identity show --json` has under `plc` what an operation of the directory has to say"
        ),
        None => tracing::info!("the DID document of {did} fits this hold"),
    }
}

/// Returns in what the document of `account` differs from the hold; `None` when in nothing.
fn differences(hold: &Hold, account: &Account) -> Option<String> {
    let (url, own_url) = (account.pds.as_deref().map(|url| url.trim_end_matches('/')), hold.pds.url().as_str());
    let handle = account.handle.as_ref().map(|handle| handle.as_str().to_ascii_lowercase());
    let compared = [
        ("signing key", Some(account.key.to_did_key()), Some(hold.key.to_did_key())),
        ("PDS", url.map(str::to_owned), Some(own_url.to_owned())),
        ("handle", handle, hold.pds.handle().map(str::to_owned)),
    ];
    let text = |value: Option<String>| value.unwrap_or_else(|| "none".into());
    let differing = compared.into_iter().filter(|(_, named, own)| named != own);
    let differing: Vec<_> =
        differing.map(|(what, named, own)| format!("the {what} {} in place of {}", text(named), text(own))).collect();
    (!differing.is_empty()).then(|| format!("it names {}", differing.join(", ")))
}
