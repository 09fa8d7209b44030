//! The signing key's file: made once, private, and refused with a remedy when it is not as it should be.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use atproto::keys::SigningKey;
use server::key_file::{FILE_NAME, KeyFileError, create, load};

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32]).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn refusal(path: &Path) -> String {
    load(path).err().unwrap().to_string()
}

#[test]
fn a_key_is_stored_privately_and_read_back() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("state/keys");
    let path = directory.join(FILE_NAME);
    assert!(load(&path).unwrap().is_none());
    create(&path, &key(7)).unwrap();
    assert_eq!((mode(&home.path().join("state")), mode(&directory), mode(&path)), (0o700, 0o700, 0o600));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", "07".repeat(32)));
    assert_eq!(*load(&path).unwrap().unwrap().to_bytes(), [7; 32]);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing but the key stays behind");
}

#[test]
fn what_root_makes_belongs_to_the_owner_of_the_directory_above() {
    let state = tempfile::tempdir().unwrap();
    // Anyone else than root owns what is made anyhow.
    let _ = chown(state.path(), Some(61_234), Some(61_235));
    let owner = fs::metadata(state.path()).unwrap();
    let path = state.path().join("keys/deep/signing.key");
    create(&path, &key(1)).unwrap();
    for made in path.ancestors().take(3) {
        let metadata = fs::metadata(made).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (owner.uid(), owner.gid()), "{}", made.display());
    }
}

#[test]
fn a_key_is_never_overwritten() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(FILE_NAME);
    create(&path, &key(1)).unwrap();
    assert!(matches!(create(&path, &key(2)), Err(KeyFileError::Exists(_))));
    assert_eq!(*load(&path).unwrap().unwrap().to_bytes(), [1; 32]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn what_a_crash_left_half_written_is_no_key() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(FILE_NAME);
    fs::write(home.path().join("signing.key.new"), "0707").unwrap();
    assert!(load(&path).unwrap().is_none());
    create(&path, &key(3)).unwrap();
    assert_eq!(*load(&path).unwrap().unwrap().to_bytes(), [3; 32]);
}

#[test]
fn a_loose_mode_is_refused_with_its_remedy() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(FILE_NAME);
    create(&path, &key(1)).unwrap();
    for loose in [0o640, 0o604, 0o620, 0o601, 0o644] {
        fs::set_permissions(&path, fs::Permissions::from_mode(loose)).unwrap();
        let line = refusal(&path);
        assert!(line.ends_with(&format!("chmod 600 {}", path.display())), "{line}");
    }
    for tight in [0o600, 0o400] {
        fs::set_permissions(&path, fs::Permissions::from_mode(tight)).unwrap();
        assert!(load(&path).unwrap().is_some());
    }
}

#[test]
fn damaged_contents_are_refused_and_never_repeated() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(FILE_NAME);
    create(&path, &key(1)).unwrap();
    let good = "a1".repeat(32);
    for bad in [
        String::new(),
        good[1..].into(),
        format!("{good}\n\n"),
        format!("{good}0"),
        format!("{}zz", &good[2..]),
        good.repeat(3),
        "00".repeat(32),
        "ff".repeat(32),
    ] {
        fs::write(&path, &bad).unwrap();
        let line = refusal(&path);
        assert!(line.contains("is damaged") && line.contains(FILE_NAME) && !line.contains('\n'), "{line}");
        assert!(bad.is_empty() || !line.contains(&bad));
    }
    fs::write(&path, good.to_uppercase()).unwrap();
    assert_eq!(*load(&path).unwrap().unwrap().to_bytes(), [0xa1; 32]);
}

#[test]
fn a_directory_or_pipe_is_not_a_key() {
    let home = tempfile::tempdir().unwrap();
    assert!(matches!(load(home.path()), Err(KeyFileError::NotAFile(_))));
    let pipe = home.path().join(FILE_NAME);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::from(0o600), 0).unwrap();
    assert!(matches!(load(&pipe), Err(KeyFileError::NotAFile(_))));
}

#[test]
fn an_unwritable_place_is_an_error_that_names_the_file() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("keys"), "a file where the directory should be").unwrap();
    let line = create(&home.path().join("keys").join(FILE_NAME), &key(1)).unwrap_err().to_string();
    assert!(line.contains(FILE_NAME) && line.contains("cannot be written"), "{line}");
}
