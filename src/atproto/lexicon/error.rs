//! Error names in responses, as the lexicons and the reference server spell them.

/// The request is invalid.
pub const INVALID_REQUEST: &str = "InvalidRequest";
/// The method needs a token, and there is none.
pub const AUTH_REQUIRED: &str = "AuthRequired";
/// The account was taken down, or is suspended.
pub const ACCOUNT_TAKEDOWN: &str = "AccountTakedown";
/// The main password needs a code as well, which was sent to its owner.
pub const AUTH_FACTOR_TOKEN_REQUIRED: &str = "AuthFactorTokenRequired";
/// The account is not permitted to do this.
pub const FORBIDDEN: &str = "Forbidden";
/// The path does not exist.
pub const NOT_FOUND: &str = "NotFound";
/// The path exists, but not with this HTTP method.
pub const METHOD_NOT_ALLOWED: &str = "MethodNotAllowed";
/// This server does not implement the XRPC method.
pub const METHOD_NOT_IMPLEMENTED: &str = "MethodNotImplemented";
/// The request names another repository than this server's.
pub const REPO_NOT_FOUND: &str = "RepoNotFound";
/// The owner of the repository deactivated it.
pub const REPO_DEACTIVATED: &str = "RepoDeactivated";
/// The operator of the server took the repository down.
pub const REPO_TAKENDOWN: &str = "RepoTakendown";
/// The operator of the server suspended the repository.
pub const REPO_SUSPENDED: &str = "RepoSuspended";
/// The handle names no account of this server.
pub const HANDLE_NOT_FOUND: &str = "HandleNotFound";
/// The record does not exist.
pub const RECORD_NOT_FOUND: &str = "RecordNotFound";
/// A requested block is not part of the repository.
pub const BLOCK_NOT_FOUND: &str = "BlockNotFound";
/// The blob does not exist.
pub const BLOB_NOT_FOUND: &str = "BlobNotFound";
/// A blob of a record exceeds its limit.
pub const BLOB_TOO_LARGE: &str = "BlobTooLarge";
/// No media type, or another one than the blob has or the record's lexicon allows.
pub const INVALID_MIME_TYPE: &str = "InvalidMimeType";
/// The blob has another length than the record says.
pub const INVALID_SIZE: &str = "InvalidSize";
/// The repository or record is at another version than the caller named.
pub const INVALID_SWAP: &str = "InvalidSwap";
/// A body, part or blob exceeds its limit.
pub const PAYLOAD_TOO_LARGE: &str = "PayloadTooLarge";
/// The body has a media type that the method does not accept.
pub const INVALID_CONTENT_TYPE: &str = "InvalidContentType";
/// A body whose length must be announced has no Content-Length.
pub const LENGTH_REQUIRED: &str = "LengthRequired";
/// The upload is unknown, of another account, or finished.
pub const INVALID_UPLOAD_ID: &str = "InvalidUploadId";
/// The part number is not 1 to 10000.
pub const INVALID_PART_NUMBER: &str = "InvalidPartNumber";
/// The digest is malformed, or not that of the bytes.
pub const INVALID_DIGEST: &str = "InvalidDigest";
/// The list of parts does not match the received parts.
pub const MISSING_PARTS: &str = "MissingParts";
/// A part could not be stored.
pub const UPLOAD_FAILED: &str = "UploadFailed";
/// An upload could not be completed.
pub const COMPLETION_FAILED: &str = "CompletionFailed";
/// The operation is neither push nor pull.
pub const INVALID_OPERATION: &str = "InvalidOperation";
/// The token is of another account than the request names.
pub const USER_MISMATCH: &str = "UserMismatch";
/// The account's quota is used up.
pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
/// The account in the request has no valid DID.
pub const INVALID_USER_DID: &str = "InvalidUserDid";
/// The owner in the request has no valid DID.
pub const INVALID_OWNER: &str = "InvalidOwner";
/// The image in the request has no valid name.
pub const INVALID_REPOSITORY: &str = "InvalidRepository";
/// The account is not a crew member.
pub const USER_NOT_FOUND: &str = "UserNotFound";
/// The records about an account could not be deleted.
pub const DELETION_FAILED: &str = "DeletionFailed";
/// The hold does not let accounts join on request.
pub const REGISTRATION_DISABLED: &str = "RegistrationDisabled";
/// Too many requests or open uploads.
pub const RATE_LIMIT_EXCEEDED: &str = "RateLimitExceeded";
/// The disk is full.
pub const INSUFFICIENT_STORAGE: &str = "InsufficientStorage";
/// A service that the hold depends on does not answer.
pub const UNAVAILABLE: &str = "ServiceUnavailable";
/// A defect of the server.
pub const INTERNAL: &str = "InternalServerError";
/// The requested range begins beyond the end.
pub const RANGE_NOT_SATISFIABLE: &str = "RangeNotSatisfiable";
/// The signed URL is invalid or has expired.
pub const INVALID_SIGNED_URL: &str = "InvalidSignedUrl";
/// The client was too slow.
pub const REQUEST_TIMEOUT: &str = "RequestTimeout";
/// The request target is too long.
pub const URI_TOO_LONG: &str = "UriTooLong";
/// The head of the request is too large.
pub const HEADERS_TOO_LARGE: &str = "RequestHeaderFieldsTooLarge";
/// The HTTP version is not supported.
pub const HTTP_VERSION: &str = "HttpVersionNotSupported";
/// The request must ask for an upgrade.
pub const UPGRADE_REQUIRED: &str = "UpgradeRequired";
/// The cursor is beyond the newest event.
pub const FUTURE_CURSOR: &str = "FutureCursor";
/// Events after the cursor are not kept any more; the name of an `#info` event, not of an error.
pub const OUTDATED_CURSOR: &str = "OutdatedCursor";
/// The subscriber does not keep up with the events.
pub const CONSUMER_TOO_SLOW: &str = "ConsumerTooSlow";
