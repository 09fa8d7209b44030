//! Failed requests to the store: their causes, and whether they may be retried.
//!
//! The text of a fault has no address, key or credential: only a status, the store's error code, or the system's
//! reason. Codes: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use http::StatusCode;
use serde::Deserialize;

use server::storage::{Origin, StorageError, count_fault};

/// Error codes for a missing bucket.
const NO_BUCKET: [&str; 2] = ["NoSuchBucket", "ContainerNotFound"];

/// Longest code. A code is one word; other text is not shown.
const MAX_CODE_BYTES: usize = 64;

#[derive(Debug, Deserialize)]
#[serde(rename = "Error", rename_all = "PascalCase")]
struct ErrorDocument {
    code: String,
}

/// The cause of a failed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The store responded with an error.
    #[error("the store answered {} {code}", status.as_u16())]
    Answered { status: StatusCode, code: String },
    /// No complete response arrived: whether the request was carried out is unknown.
    #[error("the store cannot be reached: {0}")]
    NoAnswer(String),
    /// The credential provider returned none.
    #[error("there are no credentials for the store: {0}")]
    NoCredentials(String),
    /// The response is not as the provider's API defines it.
    #[error("the store's answer cannot be understood: {0}")]
    InvalidResponse(&'static str),
}

impl Fault {
    /// Reads an error response; its body may have a code.
    pub(super) fn answered(status: StatusCode, body: &[u8]) -> Self {
        let code = error_code(body).unwrap_or_default();
        Self::Answered { status, code }
    }

    /// Returns the fault for clocks that differ too much for any signature, with the code of S3.
    pub(super) fn skewed() -> Self {
        Self::Answered { status: StatusCode::FORBIDDEN, code: "RequestTimeTooSkewed".into() }
    }

    /// Returns the fault for one object in a response about many.
    pub(super) fn of_one(code: String) -> Self {
        let status = if code == "AccessDenied" { StatusCode::FORBIDDEN } else { StatusCode::INTERNAL_SERVER_ERROR };
        Self::Answered { status, code }
    }

    /// Whether the same request may succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Answered { status, code } => {
                let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
                let unimplemented = [StatusCode::NOT_IMPLEMENTED, StatusCode::INSUFFICIENT_STORAGE];
                passing.contains(status)
                    || code == "OperationAborted"
                    || (status.is_server_error() && !unimplemented.contains(status))
            }
            Self::NoAnswer(_) => true,
            Self::NoCredentials(_) | Self::InvalidResponse(_) => false,
        }
    }

    /// Whether the store does not know such a request, or mistakes it for another one.
    pub(super) fn is_not_understood(&self) -> bool {
        matches!(self, Self::InvalidResponse(_)) || self.has_status(StatusCode::NOT_IMPLEMENTED)
    }

    /// Whether the object or upload is missing. A missing bucket is a different fault.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Answered { status: StatusCode::NOT_FOUND, code } if !NO_BUCKET.contains(&code.as_str()))
    }

    pub(super) fn has_status(&self, wanted: StatusCode) -> bool {
        matches!(self, Self::Answered { status, .. } if *status == wanted)
    }

    /// Returns the store's error code; empty when there is none.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Answered { code, .. } => code,
            _ => "",
        }
    }

    pub(super) fn has_code(&self, wanted: &[&str]) -> bool {
        matches!(self, Self::Answered { code, .. } if wanted.contains(&code.as_str()))
    }
}

impl From<Fault> for StorageError {
    fn from(fault: Fault) -> Self {
        let error = match &fault {
            Fault::Answered { status, code } => {
                if *status == StatusCode::INSUFFICIENT_STORAGE || code.contains("Quota") || code.contains("StorageFull")
                {
                    Self::NoSpace(fault.into())
                } else if fault.is_transient() {
                    Self::Unavailable(fault.into())
                } else if status.is_redirection()
                    || matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
                    || NO_BUCKET.contains(&code.as_str())
                {
                    Self::Refused(fault.into())
                } else {
                    Self::Failed(fault.into())
                }
            }
            Fault::NoAnswer(_) => Self::Unavailable(fault.into()),
            Fault::NoCredentials(_) => Self::Refused(fault.into()),
            Fault::InvalidResponse(_) => Self::Failed(fault.into()),
        };
        count_fault(Origin::Bucket, error)
    }
}

/// Returns the code of an error document; `None` when the document is not an error.
pub(super) fn error_code(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let root = text.split_once("?>").map_or(text, |(_, rest)| rest).trim_start();
    if !root.starts_with("<Error") {
        return None;
    }
    Some(word(quick_xml::de::from_str::<ErrorDocument>(root).map(|error| error.code).unwrap_or_default()))
}

/// Returns the code if it is one word, otherwise an empty text.
pub(super) fn word(code: String) -> String {
    let is_word = code.len() <= MAX_CODE_BYTES && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word { code } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_from_an_answer() {
        let error =
            br#"<?xml version="1.0" encoding="UTF-8"?>  <Error><Code>InternalError</Code><Message>m</Message></Error>"#;
        assert_eq!(error_code(error).as_deref(), Some("InternalError"));
        assert_eq!(error_code(b"<Error><Code>a secret/path</Code></Error>").as_deref(), Some(""));
        assert_eq!(error_code(b"<Error>").as_deref(), Some(""));
        assert_eq!(error_code(b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"), None);
        assert_eq!(error_code(b""), None);
    }
}
