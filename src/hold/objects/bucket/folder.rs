//! The folder of a hold in a bucket: in keys, and in the name of the bucket.

/// Returns the prefix of all keys: empty, or ends in a slash.
pub(super) fn folder_of(prefix: &str) -> String {
    match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    }
}

/// Returns the name of a bucket for messages, different for every bucket.
pub(super) fn shown(scheme: &str, bucket: &str, prefix: &str, at: &str) -> String {
    let folder = folder_of(prefix);
    let slash = if folder.is_empty() { "" } else { "/" };
    format!("{scheme}://{bucket}{slash}{} at {at}", folder.trim_end_matches('/'))
}
