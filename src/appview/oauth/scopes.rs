//! The scopes that a registry requests, and the check of the granted ones.
//!
//! They are listed one by one and narrow: the records of images and of the profile, blobs, and service tokens for
//! holds. A PDS silently drops scopes that it cannot parse, and a user may be offered a choice, so the granted scopes
//! are compared. <https://atproto.com/specs/permission>

use std::collections::BTreeSet;

use atproto::lexicon::nsid::{self, Method};

/// Collections of records that are written.
const COLLECTIONS: [nsid::Collection; 5] =
    [nsid::MANIFEST, nsid::TAG, nsid::SAILOR_PROFILE, nsid::REPO_PAGE, nsid::STAR];
/// Collections that a session may lack: it may be older than the request for them.
const OPTIONAL: [nsid::Collection; 2] = [nsid::REPO_PAGE, nsid::STAR];
/// Methods (`lxm`) of service tokens for holds. All our calls use the first, which holds have always seen.
const METHODS: [Method; 8] = [
    nsid::GET_RECORD,
    nsid::REQUEST_CREW,
    nsid::INITIATE_UPLOAD,
    nsid::GET_PART_UPLOAD_URL,
    nsid::COMPLETE_UPLOAD,
    nsid::ABORT_UPLOAD,
    nsid::NOTIFY_MANIFEST,
    nsid::GET_QUOTA,
];

/// Returns the value of the `scope` parameter with all requested scopes.
pub(super) fn wanted() -> String {
    let records = COLLECTIONS.map(|collection| format!("repo:{collection}"));
    let methods = METHODS.map(|method| format!("lxm={method}"));
    format!("atproto {} blob:*/* rpc?{}&aud=*", records.join(" "), methods.join("&"))
}

/// Returns the required permissions that `granted` lacks, for messages; empty when it has all.
pub(super) fn missing(granted: &str) -> String {
    let (wanted, granted) = (permissions(&wanted()), permissions(granted));
    let missing: Vec<_> = wanted
        .into_iter()
        .filter(|(_, value)| !OPTIONAL.iter().any(|optional| **optional == **value))
        .filter(|(kind, value)| !covers(&granted, kind, value))
        .collect();
    missing.iter().map(|(kind, value)| format!("{kind}:{value}")).collect::<Vec<_>>().join(" ")
}

type Permissions = BTreeSet<(String, String)>;

fn covers(granted: &Permissions, kind: &str, value: &str) -> bool {
    [value, "*"].iter().any(|value| granted.contains(&(kind.to_owned(), (*value).to_owned())))
}

/// Returns each single permission of a `scope` value. A permission that is narrower than the requested one, by an
/// action or an audience, is left out.
fn permissions(scopes: &str) -> Permissions {
    let mut found = Permissions::new();
    for scope in scopes.split_ascii_whitespace() {
        let (name, query) = scope.split_once('?').unwrap_or((scope, ""));
        let (kind, first) = name.split_once(':').unwrap_or((name, ""));
        let mut values: Vec<String> = Vec::from_iter((!first.is_empty()).then(|| first.to_owned()));
        let mut is_whole = kind != "rpc";
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match (kind, &*key) {
                ("repo", "collection") | ("rpc", "lxm") | ("blob", "accept") => values.push(value.into_owned()),
                ("rpc", "aud") => is_whole = value == "*",
                ("repo", "action") => is_whole = false,
                _ => {}
            }
        }
        if values.is_empty() {
            values.push(String::new());
        }
        if is_whole {
            found.extend(values.into_iter().map(|value| (kind.to_owned(), value)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{missing, wanted};

    #[test]
    fn what_is_wanted_is_enough_in_any_spelling_and_order() {
        assert_eq!(missing(&wanted()), "");
        let reversed: Vec<_> = wanted().split(' ').rev().map(str::to_owned).collect();
        assert_eq!(missing(&reversed.join(" ")), "");
        let merged = wanted().replace(
            "repo:io.atcr.manifest repo:io.atcr.tag repo:io.atcr.sailor.profile",
            "repo?collection=io.atcr.tag&collection=io.atcr.manifest&collection=io.atcr.sailor.profile",
        );
        assert!(merged.contains("repo?"));
        assert_eq!(missing(&merged), "");
        assert_eq!(missing(&format!("{} transition:generic", wanted())), "");
    }

    #[test]
    fn what_was_taken_away_or_narrowed_is_named() {
        assert!(missing("atproto").contains("repo:io.atcr.manifest"));
        assert_eq!(missing(&wanted().replace("repo:io.atcr.tag ", "")), "repo:io.atcr.tag");
        assert_eq!(missing(&wanted().replace("io.atcr.tag", "io.atcr.tag?action=create")), "repo:io.atcr.tag");
        assert_eq!(missing(&wanted().replace("blob:*/*", "blob:image/*")), "blob:*/*");
        assert!(
            missing(&wanted().replace("aud=*", "aud=did:web:hold.example")).contains("rpc:com.atproto.repo.getRecord")
        );
        assert_eq!(missing(&wanted().replace("atproto ", "")), "atproto:");
    }
}
