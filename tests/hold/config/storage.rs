//! The options of a bucket: what they come to, and what does not go together.

use atcr_hold::objects::{BucketSettings, Credentials, Location, Presigned, Role, S3Settings};

use super::{load, load_toml};

fn bucket<const N: usize>(more: [(&str, &str); N]) -> S3Settings {
    let Location::Bucket(settings) = load(more).unwrap().storage else { panic!("the blobs are in a directory") };
    match *settings {
        BucketSettings::S3(s3) => s3,
        #[cfg(any(feature = "gcs", feature = "azure"))]
        other => panic!("the bucket is {}", other.name()),
    }
}

#[test]
fn a_bucket_alone_is_s3_on_aws_with_the_role_of_the_machine() {
    let s3 = bucket([("S3_BUCKET", "layers")]);
    assert_eq!((s3.bucket.as_str(), s3.region.as_str(), s3.endpoint), ("layers", "us-east-1", None));
    assert_eq!(load([("S3_BUCKET", "layers")]).unwrap().presigned, Presigned::All);
    assert!(!s3.path_style && s3.prefix.is_empty() && s3.pull_zone.is_none());
    assert!(matches!(s3.credentials, Credentials::Role(Role { role_arn: None, .. })));
    let s3 = bucket([
        ("S3_BUCKET", "layers"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/hold"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/run/token"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials"),
    ]);
    let Credentials::Role(role) = s3.credentials else { panic!("a role was given") };
    let Role { role_arn, web_identity_token_file, container_relative_uri, .. } = role;
    assert_eq!(role_arn.as_deref(), Some("arn:aws:iam::1:role/hold"));
    assert_eq!(web_identity_token_file.as_deref(), Some("/run/token"));
    assert_eq!(container_relative_uri.as_deref(), Some("/v2/credentials"));
}

#[test]
fn every_option_of_a_bucket_has_a_variable() {
    let s3 = bucket([
        ("STORAGE_DRIVER", "s3"),
        ("S3_BUCKET", "0123"),
        ("S3_ENDPOINT", "https://s3.example.org/"),
        ("S3_PREFIX", "/holds/first/"),
        ("S3_PULL_ZONE", "cdn.example.org"),
        ("S3_PUBLIC_ENDPOINT", "https://s3.example.com/"),
        ("AWS_REGION", "eu-1"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "token"),
    ]);
    assert_eq!((s3.bucket.as_str(), s3.region.as_str(), s3.prefix.as_str()), ("0123", "eu-1", "holds/first"));
    assert_eq!(s3.endpoint.as_deref(), Some("https://s3.example.org"));
    assert_eq!(s3.pull_zone.as_deref(), Some("https://cdn.example.org"));
    assert_eq!(s3.public_endpoint.as_deref(), Some("https://s3.example.com"));
    let Credentials::Keys { id, secret, session_token } = s3.credentials else { panic!("keys were given") };
    assert_eq!((id.as_str(), secret.as_str(), session_token.unwrap().as_str()), ("key", "secret", "token"));
}

#[test]
fn presigned_urls_are_an_option_of_the_storage_and_its_former_place_goes_on_working() {
    let signs = |text: &str| load_toml(&format!("{text}\n[storage.s3]\nbucket = 'b'\n")).unwrap().presigned;
    assert_eq!(signs(""), Presigned::All);
    assert_eq!(signs("[storage]\ndisable_presigned_urls = true"), Presigned::None);
    let former = "[storage.s3]\nbucket = 'b'\ndisable_presigned_urls = true\n";
    assert_eq!(load_toml(former).unwrap().presigned, Presigned::None);
    let both = load_toml(&format!("[storage]\ndisable_presigned_urls = false\n{former}")).unwrap();
    assert_eq!(both.presigned, Presigned::All);
    let variable = load([("S3_BUCKET", "b"), ("DISABLE_PRESIGNED_URLS", "true")]).unwrap();
    assert_eq!(variable.presigned, Presigned::None);
}

#[test]
fn what_is_presigned_is_a_word_that_the_former_option_must_not_contradict() {
    let given = |word: &str, disabled: &str| {
        load([("S3_BUCKET", "b"), ("STORAGE_PRESIGNED", word), ("DISABLE_PRESIGNED_URLS", disabled)])
    };
    for (word, expected) in
        [("all", Presigned::All), ("downloads", Presigned::Downloads), ("none", Presigned::None), ("", Presigned::All)]
    {
        assert_eq!(given(word, "false").unwrap().presigned, expected, "{word}");
        let text = format!("[storage]\npresigned = '{word}'\n[storage.s3]\nbucket = 'b'\n");
        assert_eq!(load_toml(&text).unwrap().presigned, expected, "{word}");
    }
    assert_eq!(given("none", "true").unwrap().presigned, Presigned::None);
    assert_eq!(given("", "true").unwrap().presigned, Presigned::None);
    for word in ["all", "downloads"] {
        let text = given(word, "true").unwrap_err();
        for part in ["storage.presigned (STORAGE_PRESIGNED)", "DISABLE_PRESIGNED_URLS", "remove one", "environment"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    for wrong in ["All", "uploads", "true"] {
        let text = given(wrong, "false").unwrap_err();
        assert!(text.contains("storage.presigned (STORAGE_PRESIGNED)") && text.contains("downloads"), "{text}");
    }
    // A CDN and an address for clients are of use to downloads, and without them of none.
    for option in [("S3_PULL_ZONE", "cdn.example.org"), ("S3_PUBLIC_ENDPOINT", "https://s3.example.org")] {
        assert!(load([("S3_BUCKET", "b"), ("STORAGE_PRESIGNED", "downloads"), option]).is_ok());
        let text = load([("S3_BUCKET", "b"), ("STORAGE_PRESIGNED", "none"), option]).unwrap_err();
        assert!(text.contains(option.0) && text.contains("presigned URLs"), "{text}");
    }
}

#[test]
fn the_bucket_stands_where_the_provider_expects_it() {
    let endpoint = ("S3_ENDPOINT", "http://127.0.0.1:3900");
    assert!(bucket([("S3_BUCKET", "b"), endpoint]).path_style, "a server of one's own");
    let named = ("S3_ENDPOINT", "http://localhost:3900");
    assert!(!bucket([("S3_BUCKET", "b"), named, ("S3_FORCE_PATH_STYLE", "false")]).path_style);
    assert!(bucket([("S3_BUCKET", "b.example.org")]).path_style, "AWS has no certificate for a name with dots");
    assert!(bucket([("S3_BUCKET", "b"), ("S3_FORCE_PATH_STYLE", "true")]).path_style);
}

#[test]
fn no_bucket_stands_before_an_ip_address() {
    for (endpoint, address) in [("http://192.0.2.1:3900", "192.0.2.1"), ("https://[2001:db8::1]", "[2001:db8::1]")] {
        for (option, named) in [
            ("S3_ENDPOINT", "storage.s3.endpoint (S3_ENDPOINT)"),
            ("S3_PUBLIC_ENDPOINT", "storage.s3.public_endpoint (S3_PUBLIC_ENDPOINT)"),
        ] {
            let text = load([("S3_BUCKET", "b"), (option, endpoint), ("S3_FORCE_PATH_STYLE", "false")]).unwrap_err();
            let host = format!("b.{address}");
            for word in
                ["storage.s3.force_path_style (S3_FORCE_PATH_STYLE)", named, &host, "set it to true or remove it"]
            {
                assert!(text.contains(word), "no {word:?} in {text}");
            }
            assert!(bucket([("S3_BUCKET", "b"), (option, endpoint), ("S3_FORCE_PATH_STYLE", "true")]).path_style);
        }
    }
}

#[test]
fn what_does_not_go_together_is_explained() {
    for (name, value, expected) in [
        ("S3_BUCKET", "", &["storage.s3.bucket (S3_BUCKET) is not set"][..]),
        ("S3_BUCKET", "a/b", &["storage.s3.bucket (S3_BUCKET)", "letters"]),
        ("AWS_REGION", "eu 1", &["storage.s3.region (AWS_REGION)", "us-east-1"]),
        ("S3_ENDPOINT", "s3.example.org", &["storage.s3.endpoint (S3_ENDPOINT)", "https://s3.example.org"]),
        ("S3_ENDPOINT", "https://user@s3.example.org", &["storage.s3.endpoint (S3_ENDPOINT)"]),
        ("S3_ENDPOINT", "https://s3.example.org/?x", &["storage.s3.endpoint (S3_ENDPOINT)"]),
        ("S3_PREFIX", "a/../b", &["storage.s3.prefix (S3_PREFIX)", "holds/first"]),
        ("S3_PREFIX", "a b", &["storage.s3.prefix (S3_PREFIX)", "letters"]),
        ("S3_PUBLIC_ENDPOINT", "s3.example.org", &["storage.s3.public_endpoint (S3_PUBLIC_ENDPOINT)", "https://"]),
        ("S3_PULL_ZONE", "https://cdn.example.org/path", &["storage.s3.pull_zone (S3_PULL_ZONE)", "host"]),
        ("S3_FORCE_PATH_STYLE", "perhaps", &["storage.s3.force_path_style (S3_FORCE_PATH_STYLE)", "true or false"]),
        ("AWS_ACCESS_KEY_ID", "key", &["storage.s3.access_key_id (AWS_ACCESS_KEY_ID)", "secret_access_key", "role"]),
        ("AWS_SECRET_ACCESS_KEY", "secret", &["storage.s3.secret_access_key (AWS_SECRET_ACCESS_KEY)", "access_key_id"]),
        ("AWS_SESSION_TOKEN", "token", &["storage.s3.session_token (AWS_SESSION_TOKEN)", "access_key_id"]),
        ("AWS_SECRET_ACCESS_KEY", "two words", &["storage.s3.secret_access_key (AWS_SECRET_ACCESS_KEY)", "space"]),
    ] {
        let text = load([("STORAGE_DRIVER", "s3"), ("S3_BUCKET", "b"), (name, value)]).unwrap_err();
        for word in expected {
            assert!(text.contains(word), "{name}={value}: {text}");
        }
        assert!(!text.contains("two words"), "{text}");
    }
    let both = "[storage.s3]\nbucket = 'b'\npull_zone = 'cdn.example.org'\ndisable_presigned_urls = true\n";
    let text = load_toml(both).unwrap_err();
    assert!(text.contains("storage.s3.pull_zone (S3_PULL_ZONE)") && text.contains("presigned"), "{text}");
}

#[test]
fn a_store_that_clients_may_not_reach_is_known_by_its_address() {
    let why = |more: &[(&str, &str)]| {
        let mut all = [("S3_BUCKET", "b"), ("UNRELATED", "1"), ("UNRELATED", "1")];
        all[1..].iter_mut().zip(more).for_each(|(place, given)| *place = *given);
        BucketSettings::S3(bucket(all)).unreachable_for_clients()
    };
    for endpoint in
        ["http://127.0.0.1:3900", "http://garage:3900", "https://10.0.0.7", "http://s3.example.org", "https://[::1]"]
    {
        assert!(why(&[("S3_ENDPOINT", endpoint)]).is_some(), "{endpoint}");
        assert!(
            why(&[("S3_ENDPOINT", endpoint), ("S3_PUBLIC_ENDPOINT", "https://s3.example.org")]).is_none(),
            "{endpoint}"
        );
    }
    assert!(why(&[]).is_none() && why(&[("S3_ENDPOINT", "https://s3.example.org")]).is_none());
}
