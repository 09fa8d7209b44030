//! Quota tiers: their order, and what is wrong with them.

use atcr_hold::config::{Quota, Tier};

use super::load_toml;

#[test]
fn tiers_are_in_the_order_of_their_sizes() {
    let toml = "new_crew_tier = 'b'\nappviews = ['did:web:atcr.io']\nbluesky_posts = true\n[tiers]\nz.quota = '5 GB'\n\
                b.quota = '50GB'\na.quota = '5000 MB'\nm.quota = '1 TiB'\n";
    let config = load_toml(toml).unwrap();
    let tier = |name: &str, limit_bytes| Tier { name: name.into(), limit_bytes };
    let tiers = vec![tier("a", 5_000_000_000), tier("z", 5_000_000_000), tier("b", 50_000_000_000), tier("m", 1 << 40)];
    assert_eq!(config.quota, Quota { tiers, new_crew_tier: Some("b".into()) });
    assert_eq!(config.appviews, ["did:web:atcr.io".parse().unwrap()]);
    assert!(config.bluesky_posts);
    let none = load_toml("").unwrap();
    assert!(none.quota == Quota::default() && none.appviews.is_empty() && !none.bluesky_posts);
}

#[test]
fn what_is_wrong_with_tiers_is_explained() {
    const CREW: &str = "crew.'did:plc:aaaaaaaaaaaaaaaaaaaaaaaa'.permissions = ['blob:read']\n\
                        crew.'did:plc:aaaaaaaaaaaaaaaaaaaaaaaa'.tier = 'bosun'\n";
    let name = "n".repeat(33);
    for (toml, expected) in [
        ("tiers.a.quota = '50 apples'", &["tiers.a.quota", "50 GB", "512 MiB"][..]),
        ("tiers.a.quota = 50", &["tiers.a.quota", "string"]),
        ("tiers.a.limit = '5 GB'", &["\"limit\"", "spelling"]),
        ("tiers.a = {}", &["quota"]),
        (&format!("tiers.{name}.quota = '5 GB'"), &["1 to 32 bytes"]),
        ("new_crew_tier = 'b'\ntiers.a.quota = '5 GB'", &["new_crew_tier", "there is no such tier"]),
        ("new_crew_tier = 'b'", &["new_crew_tier", "there is no such tier"]),
        (&format!("{CREW}tiers.a.quota = '5 GB'"), &["did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "no tier \"bosun\""]),
        ("appviews = ['atcr.io']", &["appviews", "did:web:atcr.io"]),
    ] {
        let text = load_toml(toml).unwrap_err();
        for word in expected {
            assert!(text.contains(word), "{word:?} is missing in: {text}");
        }
        assert!(text.contains("hold.toml") && !text.contains('\n'), "{text}");
    }
    assert!(load_toml(CREW).is_ok(), "without tiers the word of a record means nothing here");
}
