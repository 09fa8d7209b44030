//! Who may call: OAuth tokens with proofs, and the accounts of a real PDS.

pub(crate) mod dpop;
mod real_accounts;
