//! What `check-config` prints is a configuration file.

use super::{OWNER, Place};

const ENVIRONMENT: [(&str, &str); 8] = [
    ("HOLD_PUBLIC_URL", "https://hold.example.org"),
    ("HOLD_OWNER", OWNER),
    ("HOLD_PUBLIC", "yes"),
    ("HOLD_RELAYS", "bsky.network,relay.example.org"),
    ("STORAGE_DRIVER", "filesystem"),
    ("STORAGE_ROOT_DIR", "/srv/blobs"),
    ("S3_BUCKET", "0123"),
    ("STATE_DIRECTORY", "/state"),
];

#[test]
fn what_is_shown_can_be_loaded_and_means_the_same() {
    let place = Place::new();
    place.file(
        "hold.toml",
        "test_mode = true\nregion = \"eu\"\n[crew.'did:plc:aaaaaaaaaaaaaaaaaaaaaaaa']\npermissions = ['blob:read']\ntier = 'bosun'\n\
         [crew.'did:web:localhost%3A8081']\nrole = 'quote \" and \\'\npermissions = ['crew:admin']\n",
    );
    let (shown, config) = (place.show(ENVIRONMENT), place.load(ENVIRONMENT).unwrap());
    let again = Place::new();
    again.file("hold.toml", &shown);
    assert_eq!(format!("{:?}", again.load([]).unwrap()), format!("{config:?}"));
    assert_eq!(again.show([]), shown);
}

#[test]
fn every_option_is_shown_with_its_value() {
    let place = Place::new();
    let shown: toml::Table = place.show(ENVIRONMENT).parse().unwrap();
    let at = |path: &str| {
        let mut parts = path.split('.');
        let mut value = &shown[parts.next().unwrap()];
        for part in parts {
            value = &value[part];
        }
        value.clone()
    };
    for (path, expected) in [
        ("public_url", "https://hold.example.org"),
        ("owner", OWNER),
        ("log_level", "info"),
        ("server.addr", ":8080"),
        ("database.path", "/state/hold.db"),
        ("database.key_path", "/state/keys"),
        ("admin.socket", "/state/admin.sock"),
        ("identity.plc_url", "https://plc.directory"),
        ("storage.driver", "filesystem"),
        ("storage.root_dir", "/srv/blobs"),
        ("storage.s3.bucket", "0123"),
        ("storage.s3.region", "us-east-1"),
    ] {
        assert_eq!(at(path), toml::Value::from(expected), "{path}");
    }
    assert_eq!(at("public"), toml::Value::from(true));
    for path in ["allow_all_crew", "test_mode", "storage.disable_presigned_urls"] {
        assert_eq!(at(path), toml::Value::from(false), "{path}");
    }
    assert_eq!(at("mutable_crew"), toml::Value::from(true));
    assert_eq!(at("relays"), toml::Value::from(vec!["bsky.network", "relay.example.org"]));
    assert_eq!(at("limits.uploads_total"), toml::Value::from(1024));
}
