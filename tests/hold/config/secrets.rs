//! Secrets: where they may come from, and that they show nowhere.

use atcr_hold::config::Config;
use server::settings::{Secret, Sources};

use super::{Place, load, load_toml, with};

const SECRET: &str = "hunter2-hunter2";
const MASK: &str = "********";

/// What `check-config` prints with these variables.
fn shown<const N: usize>(more: [(&str, &str); N]) -> Result<String, String> {
    Config::show(&Sources::of_environment(with(more))).map(|(text, _)| text).map_err(|e| e.to_string())
}

#[test]
fn a_credential_named_dotenv_is_a_file_of_variables() {
    let place = Place::new();
    let credentials = place.dir.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let config = place.file("named.toml", "public_url = \"https://file.example.org\"");
    let own = place.file("own.env", "HOLD_OWNER=did:plc:cccccccccccccccccccccccc");
    let environment = [("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap()), ("STORAGE_ROOT_DIR", "/srv/blobs")];
    let sources = |env_file| Sources { file: Some((&config).into()), env_file, ..place.sources(environment) };
    let owner = |sources| Config::load(&sources).map(|config| config.owner.to_string()).map_err(|e| e.to_string());
    assert!(owner(sources(None)).unwrap_err().contains("HOLD_OWNER"), "none is there yet");
    std::fs::write(credentials.join(".env"), "HOLD_OWNER=did:plc:bbbbbbbbbbbbbbbbbbbbbbbb").unwrap();
    assert_eq!(owner(sources(None)).unwrap(), "did:plc:bbbbbbbbbbbbbbbbbbbbbbbb");
    assert_eq!(
        owner(sources(Some((&own).into()))).unwrap(),
        "did:plc:cccccccccccccccccccccccc",
        "what is named counts"
    );
    std::fs::write(credentials.join(".env"), "HOLD_OWNER").unwrap();
    let wrong = owner(sources(None)).unwrap_err();
    assert!(wrong.contains("credentials/.env"), "{wrong}");
}

#[test]
fn a_secret_comes_from_its_variable_a_file_or_a_credential() {
    let place = Place::new();
    let file = place.file("key", &format!("{SECRET}\n"));
    let directory = place.path("credentials");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("AWS_SECRET_ACCESS_KEY"), format!("{SECRET}\n")).unwrap();
    let directory = directory.to_str().unwrap();
    for more in
        [("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_SECRET_ACCESS_KEY_FILE", &file), ("CREDENTIALS_DIRECTORY", directory)]
    {
        let text = shown([more]).unwrap();
        assert!(text.contains(&format!("secret_access_key = \"{MASK}\"")), "{more:?}: {text}");
        assert!(!text.contains("access_key_id"), "only what was given: {text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(!shown([]).unwrap().contains(MASK));
}

#[test]
fn an_empty_credential_is_unset_and_an_empty_file_a_mistake() {
    let place = Place::new();
    place.file("AWS_ACCESS_KEY_ID", "\n");
    let directory = place.dir.path().to_str().unwrap();
    assert!(!shown([("CREDENTIALS_DIRECTORY", directory)]).unwrap().contains(MASK));
    let empty = place.file("empty", "\n");
    let text = load([("AWS_ACCESS_KEY_ID_FILE", &empty)]).unwrap_err();
    assert!(text.contains(&empty) && text.contains("AWS_ACCESS_KEY_ID_FILE") && text.contains("empty"), "{text}");
    let text = load([("AWS_ACCESS_KEY_ID_FILE", "/nonexistent/key")]).unwrap_err();
    assert!(text.contains("/nonexistent/key") && text.contains("AWS_ACCESS_KEY_ID_FILE"), "{text}");
}

#[test]
fn a_wrong_secret_is_named_with_its_file() {
    let place = Place::new();
    let file = place.file("HOLD_SIGNING_KEY", SECRET);
    let directory = place.dir.path().to_str().unwrap();
    for source in [("HOLD_SIGNING_KEY_FILE", &*file), ("CREDENTIALS_DIRECTORY", directory)] {
        let text = load([source]).unwrap_err();
        assert!(text.contains("database.signing_key") && text.ends_with(&format!("(from {file})")), "{text}");
    }
    // As when the path of another file was given, which may be as large as a disk.
    let large = place.file("large", &"x".repeat((1 << 20) + 1));
    let endless = "/dev/zero";
    for path in [&*large, endless] {
        let text = load([("HOLD_SIGNING_KEY_FILE", path)]).unwrap_err();
        assert!(text.contains(path) && text.contains("more than 1048576 bytes"), "{text}");
    }
    let outcome = place.load([("CREDENTIALS_DIRECTORY", directory), ("AWS_ACCESS_KEY_ID_FILE", endless)]);
    assert!(outcome.unwrap_err().contains("more than 1048576 bytes"));
}

#[test]
fn a_credential_that_cannot_be_read_is_a_mistake() {
    let place = Place::new();
    std::fs::create_dir(place.path("AWS_ACCESS_KEY_ID")).unwrap();
    let text = load([("CREDENTIALS_DIRECTORY", place.dir.path().to_str().unwrap())]).unwrap_err();
    assert!(text.contains("AWS_ACCESS_KEY_ID") && text.contains("cannot be read"), "{text}");
}

#[test]
fn no_mistake_repeats_a_secret() {
    for toml in [
        format!("[storage.s3]\nsecret_access_key = '{SECRET}\n"),
        format!("[storage.s3]\nsecret_access_key = \"{SECRET}\" trailing\n"),
        format!("[storage.s3]\nsecret_access_key = {SECRET}\n"),
        format!("[storage.s3]\nsecret_access_key = ['{SECRET}']\n"),
        format!("[storage.s3]\nsecret_access_key = {{ a = '{SECRET}' }}\n"),
        format!("[storage.s3]\nbucket = 'b'\nsecret_access_key = '{SECRET}'\n"),
        format!("[storage.s3]\nbucket = 'b'\naccess_key_id = 'k'\nsecret_access_key = '{SECRET}\\n'\n")
            .replace('\'', "\""),
        format!("[storage.s3]\naccess_key_id = '{SECRET}'\nunknown = 1\n"),
        format!("storage.s3 = '{SECRET}'\n"),
        "[storage.s3]\nsecret_access_key = 4000550155\n".to_owned(),
        "[storage.s3]\nsecret_access_key = 2026-01-01\n".to_owned(),
    ] {
        let text = load_toml(&toml).unwrap_err();
        assert!(!text.contains("hunter2") && !text.contains("4000550155") && !text.contains("2026"), "{text}");
        assert!(!text.contains('\n') && text.contains("hold.toml"), "{text}");
    }
}

#[test]
fn nothing_that_can_be_printed_has_a_secret() {
    let variables = [("AWS_ACCESS_KEY_ID", SECRET), ("AWS_SECRET_ACCESS_KEY", SECRET)];
    let config = load(variables).unwrap();
    let shown = shown(variables).unwrap();
    assert!(!format!("{config:?}{config:#?}{shown}").contains("hunter2"));
    let secret = Secret::try_from(SECRET.to_owned()).unwrap();
    assert_eq!((format!("{secret:?}").as_str(), secret.expose()), (MASK, SECRET));
    assert_eq!(serde_json::to_string(&secret).unwrap(), format!("\"{MASK}\""));
}

#[test]
fn the_mask_is_no_secret() {
    let shown = shown([("AWS_ACCESS_KEY_ID", SECRET), ("AWS_SECRET_ACCESS_KEY", SECRET)]).unwrap();
    let text = load_toml(&shown).unwrap_err();
    assert!(text.contains("storage.s3.access_key_id (AWS_ACCESS_KEY_ID)") && text.contains("mask"), "{text}");
    let text = load([("AWS_SECRET_ACCESS_KEY", MASK)]).unwrap_err();
    assert!(text.contains("AWS_SECRET_ACCESS_KEY") && text.contains("mask") && !text.contains(MASK), "{text}");
}
