//! docker's configuration file: one entry comes or goes, all else stays.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};

use super::desk::{Desk, Ended, SECRET, mode};

const EVERYTHING: &str = r#"{
	"psFormat": "x",
	"auths": {
		"https://index.docker.io/v1/": {
			"auth": "YTpi"
		}
	},
	"credsStore": "desktop",
	"credHelpers": {
		"ghcr.io": "secretservice"
	},
	"HttpHeaders": {
		"X-Meta": "ä \u0000 1e3"
	},
	"unknown": [
		1.5,
		18446744073709551615,
		null
	]
}
"#;

#[test]
fn everything_else_in_the_file_stays() {
    let desk = Desk::new();
    let (folder, path) = (desk.path(".docker"), desk.path(".docker/config.json"));
    fs::create_dir(&folder).unwrap();
    fs::write(&path, EVERYTHING).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let said = desk.run(&["configure-docker", "Registry.example.org", "https://ghcr.io"], "");
    assert!(said.stdout.contains("registry.example.org: docker asks this program from now on\n"), "{said:?}");
    assert!(said.stdout.contains("ghcr.io: docker asks this program from now on, and no longer secretservice\n"));
    let after = fs::read_to_string(&path).unwrap();
    let helpers = "\t\t\"ghcr.io\": \"atcr\",\n\t\t\"registry.example.org\": \"atcr\"";
    assert_eq!(after, EVERYTHING.replace("\t\t\"ghcr.io\": \"secretservice\"", helpers));
    assert_eq!(mode(&path), 0o640);
    let again = desk.run(&["configure-docker", "ghcr.io"], "");
    assert!(again.stdout.starts_with("ghcr.io: docker asks this program already"), "{again:?}");
    desk.run(&["configure-docker", "--remove", "--all"], "").done();
    let bare = fs::read_to_string(&path).unwrap();
    assert_eq!(bare, EVERYTHING.replace("\t\"credHelpers\": {\n\t\t\"ghcr.io\": \"secretservice\"\n\t},\n", ""));
    let none = desk.run(&["configure-docker", "--remove", "ghcr.io"], "").done();
    assert!(none.starts_with("ghcr.io: docker did not ask this program"), "{none}");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn where_there_is_none_it_is_made_for_whoever_is_signed_in() {
    let desk = Desk::new();
    assert!(desk.run(&["configure-docker"], "").failed(1).contains("nobody is signed in"));
    desk.store("a.example", "alice.test", SECRET).done();
    let ended = desk.run(&["configure-docker"], "");
    assert!(ended.stderr.contains("is in no folder of PATH"), "{ended:?}");
    let path = desk.path(".docker/config.json");
    let read = || serde_json::from_str::<Value>(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(read(), json!({ "credHelpers": { "a.example": "atcr" } }));
    assert_eq!((mode(&path), mode(&desk.path(".docker"))), (0o600, 0o700));
    desk.store("localhost:5000", "alice.test", SECRET).done();
    assert!(desk.run(&["configure-docker"], "").failed(64).contains("several registries are known: name one"));
    desk.run(&["configure-docker", "--all"], "");
    assert_eq!(read(), json!({ "credHelpers": { "a.example": "atcr", "localhost:5000": "atcr" } }));
}

#[test]
fn a_link_stays_a_link_and_a_password_is_pointed_at() {
    let desk = Desk::new();
    let (real, link) = (desk.path("dotfiles.json"), desk.path(".docker/config.json"));
    fs::create_dir(desk.path(".docker")).unwrap();
    fs::write(&real, r#"{"auths":{"https://a.example":{"auth":"YTpi"},"b.example":{}}}"#).unwrap();
    desk.link(&real, &link);
    let ended = desk.run(&["configure-docker", "a.example", "b.example"], "");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("\"a.example\": \"atcr\""));
    let pointed: Vec<_> = ended.stderr.lines().filter(|line| line.contains("secret of its own")).collect();
    assert!(pointed.len() == 1 && pointed[0].contains("a.example"), "{ended:?}");
}

#[test]
fn a_link_stays_a_link_whose_file_is_not_there_yet() {
    let desk = Desk::new();
    let link = desk.path(".docker/config.json");
    fs::create_dir_all(desk.path("dotfiles/links")).unwrap();
    fs::create_dir(desk.path(".docker")).unwrap();
    desk.link(Path::new("../dotfiles/links/docker.json"), &link);
    desk.link(Path::new("../docker.json"), &desk.path("dotfiles/links/docker.json"));
    desk.run(&["configure-docker", "a.example"], "");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(desk.path("dotfiles/docker.json")).unwrap().contains("\"a.example\": \"atcr\""));

    for (target, words) in [("/not-mounted/docker.json", "No such file"), ("config.json", "leads to itself")] {
        fs::remove_file(&link).unwrap();
        desk.link(Path::new(target), &link);
        let said = desk.run(&["configure-docker", "a.example"], "").failed(1);
        assert!(said.contains("config.json cannot be read") && said.contains(words), "{said}");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && !Path::new("/not-mounted").exists());
    }
}

#[test]
fn a_file_that_docker_would_not_read_stays_as_it_is() {
    let desk = Desk::new();
    let path = desk.path(".docker/config.json");
    fs::create_dir(desk.path(".docker")).unwrap();
    for broken in ["{", "[]", "null", "{\"credHelpers\":[]}", "{} {}", "\u{feff}{}"] {
        fs::write(&path, broken).unwrap();
        let said = desk.run(&["configure-docker", "a.example"], "").failed(1);
        assert!(said.contains("is not what docker reads, and stays as it is"), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
    }
    for empty in ["", "\n", "{}", "{\"credHelpers\":null}"] {
        fs::write(&path, empty).unwrap();
        assert_eq!(desk.run(&["configure-docker", "a.example"], "").code, Some(0), "{empty:?}");
        let read: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read, json!({ "credHelpers": { "a.example": "atcr" } }), "{empty:?}");
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(desk.run(&["configure-docker", "a.example"], "").failed(1).contains("it is no file"));
}

#[test]
fn what_several_change_at_once_is_all_there() {
    let desk = Desk::new();
    let names: Vec<_> = (0..20).map(|number| format!("r{number}.example")).collect();
    let running: Vec<_> = names.iter().map(|name| desk.start(&["configure-docker", name], b"")).collect();
    for child in running {
        assert_eq!(Ended::of(child).code, Some(0));
    }
    let file: Value = serde_json::from_str(&fs::read_to_string(desk.path(".docker/config.json")).unwrap()).unwrap();
    let helpers = file["credHelpers"].as_object().unwrap();
    assert!(names.iter().all(|name| helpers.contains_key(name)), "{helpers:?}");
}
