//! A signing key that the operator gives instead of the file that the hold makes.

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

    // Another key did not sign the repository.
    give(&"18".repeat(32));
    let ended = site.run(&[]);
    assert_eq!(ended.code, Some(78));
    for word in ["signing key", "nothing was changed"] {
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
}
