//! The differences between providers when a bucket is probed: the names of steps, and the advice for an operator.

use http::header::HeaderName;

/// The differences between providers when a bucket is probed.
pub(super) struct ProbePlan {
    /// A header with a wrong checksum for the bytes that the probe stores.
    pub(super) wrong_checksum: (HeaderName, &'static str),
    pub(super) steps: StepNames,
    pub(super) advice: Advice,
}

/// The names of steps that differ between providers, each as in "tried to …".
pub(super) struct StepNames {
    pub(super) list: &'static str,
    pub(super) part: &'static str,
    pub(super) parts: &'static str,
    pub(super) complete: &'static str,
    pub(super) copy: &'static str,
}

/// The texts for an operator: the provider's names of settings, and remedies for its error codes.
pub(super) struct Advice {
    /// The store's name, as in "the S3 store".
    pub(super) store: &'static str,
    /// The setting with the store's address.
    pub(super) address: &'static str,
    /// The settings that may be wrong when nothing else is known.
    pub(super) all: &'static str,
    /// The settings that may be wrong when the store redirects.
    pub(super) elsewhere: &'static str,
    /// The remedy for missing credentials.
    pub(super) credentials: &'static str,
    /// The remedy when the credentials lack permission for the step.
    pub(super) not_allowed: &'static str,
    /// The remedies for error codes of the provider.
    pub(super) by_code: &'static [(&'static str, &'static str)],
}
