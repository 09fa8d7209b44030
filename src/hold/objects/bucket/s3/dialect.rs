//! The headers and texts in which providers of S3's requests differ.

use http::header::HeaderName;

use crate::objects::bucket::probe_plan::{Advice, ProbePlan, StepNames};

pub(super) struct Dialect {
    /// The header that names the source of a copy, and the prefix of its value, before the bucket.
    pub(super) copy_source: HeaderName,
    pub(super) copy_root: &'static str,
    /// The header with the ETag that the source must have.
    pub(super) copy_source_if_match: HeaderName,
    pub(super) probe: ProbePlan,
}

/// The dialect of S3 itself.
pub(super) static S3: Dialect = Dialect {
    copy_source: HeaderName::from_static("x-amz-copy-source"),
    copy_root: "/",
    copy_source_if_match: HeaderName::from_static("x-amz-copy-source-if-match"),
    probe: ProbePlan {
        // The SHA-256 of nothing, in base64.
        wrong_checksum: (
            HeaderName::from_static("x-amz-checksum-sha256"),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        ),
        steps: STEPS,
        advice: ADVICE,
    },
};

/// The names of S3's requests, which Google has too.
pub(super) const STEPS: StepNames = StepNames {
    list: "list the bucket",
    part: "upload a part by a presigned URL",
    parts: "list the parts of an upload (ListParts)",
    complete: "complete an upload in parts (CompleteMultipartUpload)",
    copy: "copy an object",
};

const ADVICE: Advice = Advice {
    store: "S3 store",
    address: "S3_ENDPOINT",
    all: "S3_ENDPOINT, S3_BUCKET and AWS_REGION",
    elsewhere: "S3_ENDPOINT and AWS_REGION",
    credentials: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role",
    not_allowed: "correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or S3_BUCKET, or allow the key to read, write, list and delete in the bucket",
    by_code: &[
        ("NoSuchBucket", "create the bucket, or correct S3_BUCKET"),
        ("NoSuchKey", "correct S3_ENDPOINT, which is without the bucket, and check that the provider has this request"),
        ("InvalidAccessKeyId", "the store does not know the key: correct AWS_ACCESS_KEY_ID"),
        ("SignatureDoesNotMatch", "correct AWS_SECRET_ACCESS_KEY (or AWS_REGION)"),
        ("ExpiredToken", SESSION),
        ("InvalidToken", SESSION),
        ("AuthorizationHeaderMalformed", REGION),
        ("PermanentRedirect", REGION),
        ("TemporaryRedirect", REGION),
        ("IllegalLocationConstraintException", REGION),
    ],
};
const SESSION: &str = "the session has ended: renew AWS_SESSION_TOKEN and its keys";
const REGION: &str = "the bucket is in another region: correct AWS_REGION and S3_ENDPOINT";
