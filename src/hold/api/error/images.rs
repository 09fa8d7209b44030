//! What the registry room refuses.

use http::StatusCode;

use super::{ANY_TOKEN, Error, unauthorized};
use crate::images::ImagesError;
use atproto::lexicon::error as name;

impl Error {
    /// The caller is no registry front end that this hold trusts.
    pub(in crate::api) fn not_appview() -> Self {
        let message = "a token of a registry front end that this hold trusts is required";
        unauthorized(name::AUTH_REQUIRED, message.into(), ANY_TOKEN)
    }
}

impl From<ImagesError> for Error {
    fn from(error: ImagesError) -> Self {
        let refused = |status, name| Self::new(status, name, error.to_string());
        match error {
            ImagesError::Invalid(message) => Self::invalid(message),
            ImagesError::NotPermitted => refused(StatusCode::FORBIDDEN, name::FORBIDDEN),
            ImagesError::MissingBlobs { .. } => refused(StatusCode::BAD_REQUEST, name::BLOB_NOT_FOUND),
            ImagesError::WrongSize { .. } => refused(StatusCode::BAD_REQUEST, name::INVALID_SIZE),
            ImagesError::QuotaExceeded { .. } | ImagesError::NoRoom { .. } => {
                refused(StatusCode::FORBIDDEN, name::QUOTA_EXCEEDED)
            }
            ImagesError::NoTiers => refused(StatusCode::BAD_REQUEST, name::INVALID_REQUEST),
            ImagesError::NotCounted => Self::unavailable(error),
            ImagesError::Crew(error) => error.into(),
            ImagesError::Pds(error) => error.into(),
        }
    }
}
