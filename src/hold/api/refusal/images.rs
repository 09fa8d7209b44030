//! The error responses of the room `images`.

use http::StatusCode;

use super::unavailable;
use crate::images::ImagesError;
use atproto::lexicon::error as name;
use server::xrpc::Error;

impl From<ImagesError> for Error {
    fn from(error: ImagesError) -> Self {
        let refused = |status, name| Self::new(status, name, error.to_string());
        match error {
            ImagesError::Invalid(message) => Self::invalid(message),
            ImagesError::NotPermitted => refused(StatusCode::FORBIDDEN, name::FORBIDDEN),
            ImagesError::MissingBlobs { .. } => refused(StatusCode::BAD_REQUEST, name::BLOB_NOT_FOUND),
            ImagesError::WrongSize { .. } | ImagesError::ConfigTooLarge { .. } => {
                refused(StatusCode::BAD_REQUEST, name::INVALID_SIZE)
            }
            ImagesError::QuotaExceeded { .. }
            | ImagesError::TooManyImages { .. }
            | ImagesError::ImagesInNode { .. }
            | ImagesError::TooManyRecords { .. } => refused(StatusCode::FORBIDDEN, name::QUOTA_EXCEEDED),
            ImagesError::NoTiers => refused(StatusCode::BAD_REQUEST, name::INVALID_REQUEST),
            ImagesError::NotCounted => unavailable(error),
            ImagesError::Crew(error) => error.into(),
            ImagesError::Pds(error) => error.into(),
        }
    }
}
