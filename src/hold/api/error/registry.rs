//! What the registry room refuses.

use http::StatusCode;

use super::{ANY_TOKEN, Error, unauthorized};
use crate::images::RegistryError;
use atproto::lexicon::error as name;

impl Error {
    /// The caller is no registry front end that this hold trusts.
    pub(in crate::api) fn not_appview() -> Self {
        let message = "a token of a registry front end that this hold trusts is required";
        unauthorized(name::AUTH_REQUIRED, message.into(), ANY_TOKEN)
    }
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        let refused = |status, name| Self::new(status, name, error.to_string());
        match error {
            RegistryError::Invalid(message) => Self::invalid(message),
            RegistryError::NotPermitted => refused(StatusCode::FORBIDDEN, name::FORBIDDEN),
            RegistryError::MissingBlobs { .. } => refused(StatusCode::BAD_REQUEST, name::BLOB_NOT_FOUND),
            RegistryError::WrongSize { .. } => refused(StatusCode::BAD_REQUEST, name::INVALID_SIZE),
            RegistryError::QuotaExceeded { .. } | RegistryError::NoRoom { .. } => {
                refused(StatusCode::FORBIDDEN, name::QUOTA_EXCEEDED)
            }
            RegistryError::NoTiers => refused(StatusCode::BAD_REQUEST, name::INVALID_REQUEST),
            RegistryError::NotCounted => Self::unavailable(error),
            RegistryError::Crew(error) => error.into(),
            RegistryError::Pds(error) => error.into(),
        }
    }
}
