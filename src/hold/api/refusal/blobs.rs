//! The error responses of the room `blobs`, and of bodies.

use http::StatusCode;

use super::{internal, no_space, unavailable};
use crate::blobs::{BlobError, BodyError};
use atproto::lexicon::error as name;
use server::wire::BodyFault;
use server::xrpc::Error;

impl From<BlobError> for Error {
    fn from(error: BlobError) -> Self {
        let bad = |name, error: BlobError| Self::new(StatusCode::BAD_REQUEST, name, error.to_string());
        match error {
            BlobError::UnknownUpload => {
                Self::new(StatusCode::NOT_FOUND, name::INVALID_UPLOAD_ID, "there is no such upload of this account")
            }
            // Clients begin anew, as when the hold has swept the upload.
            BlobError::StagedLost => Self::new(StatusCode::NOT_FOUND, name::INVALID_UPLOAD_ID, error.to_string()),
            BlobError::InvalidPart => bad(name::INVALID_PART_NUMBER, error),
            BlobError::MissingParts | BlobError::PartsRefused { .. } => bad(name::MISSING_PARTS, error),
            BlobError::DigestMismatch => bad(name::INVALID_DIGEST, error),
            BlobError::PartTooLarge { .. } | BlobError::BlobTooLarge { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, name::PAYLOAD_TOO_LARGE, error.to_string())
            }
            BlobError::QuotaExceeded { .. } => {
                Self::new(StatusCode::FORBIDDEN, name::QUOTA_EXCEEDED, error.to_string())
            }
            BlobError::TooManyUploads => {
                let message = "too many uploads are open; complete or abort some";
                Self::new(StatusCode::TOO_MANY_REQUESTS, name::RATE_LIMIT_EXCEEDED, message).retry_after(60)
            }
            BlobError::LengthRequired => {
                Self::new(StatusCode::LENGTH_REQUIRED, name::LENGTH_REQUIRED, error.to_string())
            }
            BlobError::Busy => {
                let message = "too many parts are on their way; try again later";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, name::UNAVAILABLE, message).retry_soon()
            }
            BlobError::Body(body) => body.into(),
            BlobError::NoSpace(source) => no_space(source),
            BlobError::Unavailable(source) => unavailable(source),
            BlobError::Storage(source) => internal(source),
        }
    }
}

impl From<BodyError> for Error {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TimedOut => {
                Self::new(StatusCode::REQUEST_TIMEOUT, name::REQUEST_TIMEOUT, BlobError::from(error).to_string())
            }
            BodyError::TooLarge => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, name::PAYLOAD_TOO_LARGE, "the body is too large")
            }
            BodyError::Disconnected | BodyError::WrongLength | BodyError::Malformed => {
                Self::invalid(BlobError::from(error).to_string())
            }
        }
    }
}

impl From<BodyFault> for BodyError {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge => Self::TooLarge,
            BodyFault::TimedOut => Self::TimedOut,
            BodyFault::Malformed => Self::Malformed,
            BodyFault::Disconnected => Self::Disconnected,
        }
    }
}
