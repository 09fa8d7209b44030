//! A signing key that the operator gives instead of the file that the hold makes.

use std::os::unix::fs::PermissionsExt as _;

use atproto::keys::SigningKey;

use super::site::Site;

#[test]
fn a_key_that_is_given_signs_and_is_never_written() {
    let mut site = Site::new();
    let credentials = site.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let give = |text: &str| std::fs::write(credentials.join("HOLD_SIGNING_KEY"), text).unwrap();
    site.set("CREDENTIALS_DIRECTORY", &credentials);
    give("short\n");
    let ended = site.run(&[]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.stderr.contains("HOLD_SIGNING_KEY") && !ended.stderr.contains("short"), "{}", ended.stderr);

    give(&format!("{}\n", "17".repeat(32)));
    let daemon = site.start();
    let identity = daemon.anonymous().get("/.well-known/did.json");
    let key = SigningKey::from_bytes(&[0x17; 32]).unwrap().public().to_multikey();
    assert_eq!(identity.json()["verificationMethod"][0]["publicKeyMultibase"], key);
    assert_eq!(daemon.stop(), Some(0));
    assert!(!site.path("keys").exists(), "a second copy of a secret");
    let shown = site.run(&["identity", "show", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["keyFile"], serde_json::Value::Null, "there is no such file");

    // A key file of old, and a command without the credential.
    std::fs::create_dir(site.path("keys")).unwrap();
    std::fs::write(site.path("keys/signing.key"), format!("{}\n", "19".repeat(32))).unwrap();
    std::fs::set_permissions(site.path("keys/signing.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    site.unset("CREDENTIALS_DIRECTORY");
    for command in [&["identity", "new-key"][..], &["identity", "show"]] {
        let ended = site.run(command);
        assert_eq!(ended.code, Some(78), "{command:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("is not the one that signed the repository"), "{}", ended.stderr);
    }
    site.set("CREDENTIALS_DIRECTORY", &credentials);
    assert_eq!(site.start().stop(), Some(0), "the repository is signed with the key that is given");

    // Another key did not sign the repository.
    give(&"18".repeat(32));
    let ended = site.run(&[]);
    assert_eq!(ended.code, Some(78));
    for word in ["signing key", "nothing was changed"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
}
