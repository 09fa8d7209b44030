//! The profile as the configuration declares it: checked at load, in the record after each start.

use atcr_hold::config::Config;
use serde_json::json;
use server::settings::{Environment, Sources};

use super::{JPEG, PNG, list, name, profile, put_profile, read, reference, rev, upload};
use crate::support::hold::{Hold, PRIVATE};
use crate::support::repo_home::PROFILE;

async fn record(hold: &Hold) -> serde_json::Value {
    let query = format!("repo={}&collection={PROFILE}&rkey=self", hold.did_in_query());
    hold.get(&format!("/xrpc/com.atproto.repo.getRecord?{query}")).send().await.ok()["value"].clone()
}

#[tokio::test]
async fn declared_fields_win_and_the_others_stay() {
    let mut hold = Hold::start(PRIVATE).await;
    let first = record(&hold).await;
    let file = hold.root().join("picture");
    std::fs::write(&file, PNG).unwrap();
    let declared = format!("[profile]\ndisplay_name = \"Hold of Ünal\"\navatar = \"{}\"\n", file.display());
    hold.restart(&declared).await;
    let mut expected = first.clone();
    expected["displayName"] = json!("Hold of Ünal");
    expected["avatar"] = reference("image/png", PNG);
    assert_eq!(record(&hold).await, expected);
    assert_eq!(read(&hold, PNG).await.body.as_ref(), PNG);
    // Nothing differs: no commit.
    let at = rev(&hold).await;
    hold.restart(&declared).await;
    assert_eq!(rev(&hold).await, at);
    // Another picture in the file takes its place; what was written at run time gives way where it was declared.
    std::fs::write(&file, JPEG).unwrap();
    let mut own = profile(&reference("image/png", PNG));
    own["pronouns"] = json!("it");
    put_profile(&hold, &own).await.ok();
    hold.restart(&declared).await;
    let last = record(&hold).await;
    assert_eq!(
        last,
        json!({
            "$type": PROFILE, "displayName": "Hold of Ünal", "pronouns": "it", "avatar": reference("image/jpeg", JPEG),
        })
    );
    assert_eq!(list(&hold, "").await, json!({ "cids": [name(JPEG)] }));
    // Declared no more, it stays as it is.
    hold.restart(PRIVATE).await;
    assert_eq!(record(&hold).await, last);
    assert_eq!(read(&hold, JPEG).await.header("content-type"), Some("image/jpeg"));
}

#[tokio::test]
async fn a_picture_that_was_uploaded_under_another_type_can_be_declared() {
    let mut hold = Hold::start(PRIVATE).await;
    let wrong = upload(&hold, &hold.captain, "image/jpeg", PNG).await.ok()["blob"].clone();
    put_profile(&hold, &profile(&wrong)).await.ok();
    let file = hold.root().join("picture");
    std::fs::write(&file, PNG).unwrap();
    hold.restart(&format!("profile.avatar = \"{}\"\n", file.display())).await;
    assert_eq!(record(&hold).await["avatar"], reference("image/png", PNG));
    assert_eq!(read(&hold, PNG).await.header("content-type"), Some("image/png"));
}

#[test]
fn mistakes_are_explained() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("text"), "GIF89a").unwrap();
    std::fs::write(path("large"), [PNG, &vec![0; 1_000_000]].concat()).unwrap();
    std::fs::write(path("good"), [PNG, &vec![0; 1_000_000 - PNG.len()]].concat()).unwrap();
    let load = |name: &str, value: &str| {
        let environment = Environment::from([
            ("HOLD_PUBLIC_URL", "https://hold.example.org"),
            ("HOLD_OWNER", "did:plc:ewvi7nxzyoun6zhxrhs64oiz"),
            ("STORAGE_ROOT_DIR", "/srv/blobs"),
            (name, value),
        ]);
        Config::load(&Sources::of_environment(environment)).map_err(|e| e.to_string())
    };
    for (name, value, expected) in [
        ("HOLD_PROFILE_AVATAR", path("absent"), "profile.avatar (HOLD_PROFILE_AVATAR): "),
        ("HOLD_PROFILE_AVATAR", path("absent"), "cannot be read"),
        ("HOLD_PROFILE_AVATAR", path(""), "is not a file"),
        ("HOLD_PROFILE_AVATAR", path("text"), "is neither PNG nor JPEG"),
        ("HOLD_PROFILE_AVATAR", path("large"), "has more than 1000000 bytes"),
        (
            "HOLD_PROFILE_DISPLAY_NAME",
            "x".repeat(65),
            "profile.display_name (HOLD_PROFILE_DISPLAY_NAME): it has at most 64 characters and 640 bytes",
        ),
        ("HOLD_PROFILE_DESCRIPTION", "x".repeat(257), "profile.description (HOLD_PROFILE_DESCRIPTION): "),
    ] {
        let text = load(name, &value).unwrap_err();
        assert!(text.contains(expected) && !text.contains('\n'), "{text}");
        assert!(text.ends_with("(from the environment)"), "{text}");
    }
    let avatar = load("HOLD_PROFILE_AVATAR", &path("good")).unwrap().profile.avatar.unwrap();
    assert_eq!((avatar.media_type.as_str(), avatar.bytes.len()), ("image/png", 1_000_000));
}
