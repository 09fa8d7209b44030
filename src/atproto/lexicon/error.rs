//! Error names of answers, as the lexicons and the reference server spell them.

/// The request cannot be understood.
pub const INVALID_REQUEST: &str = "InvalidRequest";
/// No token where one is needed.
pub const AUTH_REQUIRED: &str = "AuthRequired";
/// The account may not do this.
pub const FORBIDDEN: &str = "Forbidden";
/// No such path.
pub const NOT_FOUND: &str = "NotFound";
/// The path exists, not with this HTTP method.
pub const METHOD_NOT_ALLOWED: &str = "MethodNotAllowed";
/// An XRPC method this server does not have.
pub const METHOD_NOT_IMPLEMENTED: &str = "MethodNotImplemented";
/// Another repository than ours was asked for.
pub const REPO_NOT_FOUND: &str = "RepoNotFound";
/// The handle names no account of this server.
pub const HANDLE_NOT_FOUND: &str = "HandleNotFound";
/// The record does not exist.
pub const RECORD_NOT_FOUND: &str = "RecordNotFound";
/// A requested block is not part of the repository.
pub const BLOCK_NOT_FOUND: &str = "BlockNotFound";
/// The blob does not exist.
pub const BLOB_NOT_FOUND: &str = "BlobNotFound";
/// A blob of a record is over its limit.
pub const BLOB_TOO_LARGE: &str = "BlobTooLarge";
/// No media type, or not the one that the blob has or that the record's lexicon asks for.
pub const INVALID_MIME_TYPE: &str = "InvalidMimeType";
/// The blob does not have the length that the record says.
pub const INVALID_SIZE: &str = "InvalidSize";
/// The repository or record is not at the version the caller named.
pub const INVALID_SWAP: &str = "InvalidSwap";
/// A body, part or blob is over its limit.
pub const PAYLOAD_TOO_LARGE: &str = "PayloadTooLarge";
/// The body is of a type the method does not take.
pub const INVALID_CONTENT_TYPE: &str = "InvalidContentType";
/// A body whose length must be announced has none.
pub const LENGTH_REQUIRED: &str = "LengthRequired";
/// The upload is unknown, of another account, or finished.
pub const INVALID_UPLOAD_ID: &str = "InvalidUploadId";
/// The part number is not 1 to 10000.
pub const INVALID_PART_NUMBER: &str = "InvalidPartNumber";
/// The digest is malformed or not that of the bytes.
pub const INVALID_DIGEST: &str = "InvalidDigest";
/// The list of parts does not match what was received.
pub const MISSING_PARTS: &str = "MissingParts";
/// A part could not be stored.
pub const UPLOAD_FAILED: &str = "UploadFailed";
/// An upload could not be completed.
pub const COMPLETION_FAILED: &str = "CompletionFailed";
/// The operation is neither push nor pull.
pub const INVALID_OPERATION: &str = "InvalidOperation";
/// The token is not that of the account that the request names.
pub const USER_MISMATCH: &str = "UserMismatch";
/// The account has no room left.
pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
/// The account that is asked about has no valid DID.
pub const INVALID_USER_DID: &str = "InvalidUserDid";
/// The owner has no valid DID.
pub const INVALID_OWNER: &str = "InvalidOwner";
/// The image has no valid name.
pub const INVALID_REPOSITORY: &str = "InvalidRepository";
/// The account is no crew member.
pub const USER_NOT_FOUND: &str = "UserNotFound";
/// What is recorded of an account could not be deleted.
pub const DELETION_FAILED: &str = "DeletionFailed";
/// Accounts may not join by themselves.
pub const REGISTRATION_DISABLED: &str = "RegistrationDisabled";
/// Too many requests or open uploads.
pub const RATE_LIMIT_EXCEEDED: &str = "RateLimitExceeded";
/// The disk is full.
pub const INSUFFICIENT_STORAGE: &str = "InsufficientStorage";
/// Something behind the hold does not answer.
pub const UNAVAILABLE: &str = "ServiceUnavailable";
/// A defect of the server.
pub const INTERNAL: &str = "InternalServerError";
/// The requested range begins beyond the end.
pub const RANGE_NOT_SATISFIABLE: &str = "RangeNotSatisfiable";
/// The signed URL is not one of ours, or expired.
pub const INVALID_SIGNED_URL: &str = "InvalidSignedUrl";
/// The client took too long.
pub const REQUEST_TIMEOUT: &str = "RequestTimeout";
/// Request target too long.
pub const URI_TOO_LONG: &str = "UriTooLong";
/// Head of the request too large.
pub const HEADERS_TOO_LARGE: &str = "RequestHeaderFieldsTooLarge";
/// Not HTTP/1.1.
pub const HTTP_VERSION: &str = "HttpVersionNotSupported";
/// The request must ask for another protocol.
pub const UPGRADE_REQUIRED: &str = "UpgradeRequired";
/// The cursor is beyond the newest event.
pub const FUTURE_CURSOR: &str = "FutureCursor";
/// Events after the cursor are not kept any more; the name of an #info, not of a refusal.
pub const OUTDATED_CURSOR: &str = "OutdatedCursor";
/// The consumer of events does not keep up.
pub const CONSUMER_TOO_SLOW: &str = "ConsumerTooSlow";
