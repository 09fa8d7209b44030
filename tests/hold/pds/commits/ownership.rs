//! A database that is not this hold's: refused at start, with nothing changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;

use atcr_hold::app::{self, StartError};
use atcr_hold::config::Config;
use server::daemon::listeners;
use server::key_file;
use server::settings::{Environment, Sources};
use server::sqlite::OpenError;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::did_server::key;
use crate::support::http::Call;

const URL: &str = "https://hold.example.org";

/// Starts a hold that is to stop as soon as it is ready and has stored its first look at the clock.
async fn start(root: &Path, url: &str) -> Result<(), StartError> {
    let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
    let environment = Environment::from([
        ("HOLD_PUBLIC_URL", url),
        ("HOLD_OWNER", "did:plc:ewvi7nxzyoun6zhxrhs64oiz"),
        ("HOLD_DATABASE_PATH", &path("hold.db")),
        ("STORAGE_ROOT_DIR", &path("blobs")),
    ]);
    let config = Config::load(&Sources::of_environment(environment)).unwrap();
    loop {
        let shutdown = CancellationToken::new();
        let listener = listeners::bind("127.0.0.1:0").unwrap();
        let port = listener.describe().rsplit(':').next().unwrap().parse().unwrap();
        let mut run = pin!(app::run(config.clone(), vec![listener], shutdown.clone()));
        tokio::select! {
            outcome = &mut run => match outcome {
                // The database thread of the start before is still ending.
                Err(StartError::Database(OpenError::InUse { .. })) => tokio::task::yield_now().await,
                outcome => return outcome,
            },
            health = Call::new(port, "GET", "/xrpc/_health").send() => {
                assert_eq!(health.status, 200);
                tokio::select! {
                    outcome = &mut run => panic!("ended by itself: {outcome:?}"),
                    () = clock_is_stored(root) => {}
                }
                shutdown.cancel();
                return run.await;
            }
        }
    }
}

/// Waits for the time that the first sweep of a hold stores: it comes beside the first answers.
async fn clock_is_stored(root: &Path) {
    let database = rusqlite::Connection::open(root.join("hold.db")).unwrap();
    let sql = "SELECT count(*) FROM meta WHERE name = 'clock_seen_us'";
    while !database.query_row(sql, [], |row| row.get::<_, bool>(0)).unwrap() {
        tokio::task::yield_now().await;
    }
}

/// Every file below `directory` with its content. The log of the database is moved into it first, so that it shows.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let database = rusqlite::Connection::open(directory.join("hold.db")).unwrap();
    let is_busy: bool = database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert!(!is_busy, "all of the log is in the file");
    drop(database);
    let (mut files, mut directories) = (BTreeMap::new(), vec![directory.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => directories.push(path),
                Some("db-wal" | "db-shm" | "lock") => {}
                _ => drop(files.insert(path.clone(), std::fs::read(&path).unwrap())),
            }
        }
    }
    files
}

async fn started() -> TempDir {
    let root = TempDir::new().unwrap();
    std::fs::create_dir(root.path().join("blobs")).unwrap();
    start(root.path(), URL).await.unwrap();
    root
}

/// That a start is refused with exit code 78 and one line with these words, and changes nothing.
async fn check_refused(root: &Path, url: &str, expected: &[&str]) {
    let before = contents(root);
    let error = start(root, url).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.exit_code(), 78, "{text}");
    assert!(expected.iter().all(|word| text.contains(word)) && !text.contains('\n'), "{text}");
    assert!(contents(root) == before, "nothing changed");
}

#[tokio::test]
async fn the_same_hold_starts_again_without_a_change() {
    let root = started().await;
    let before = contents(root.path());
    start(root.path(), URL).await.unwrap();
    assert!(contents(root.path()) == before);
}

#[tokio::test]
async fn another_public_url_is_refused() {
    let root = started().await;
    let expected = ["did:web:hold.example.org", "HOLD_PUBLIC_URL", "nothing was changed"];
    check_refused(root.path(), "https://other.example.org", &expected).await;
    start(root.path(), URL).await.unwrap();
}

#[tokio::test]
async fn another_key_is_refused() {
    let root = started().await;
    let file = root.path().join("keys").join(key_file::FILE_NAME);
    let right = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    check_refused(root.path(), URL, &[file.to_str().unwrap(), "missing", "backup"]).await;
    assert!(!file.exists(), "no new key silently");
    key_file::create(&file, &key(9)).unwrap();
    check_refused(root.path(), URL, &["not the one that signed", "restore the right key"]).await;
    std::fs::write(&file, right).unwrap();
    start(root.path(), URL).await.unwrap();
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let root = started().await;
    drop(contents(root.path()));
    let file = root.path().join("hold.db");
    std::fs::write(&file, "this is not a database, but it is long enough to be one ".repeat(20)).unwrap();
    let before = std::fs::read(&file).unwrap();
    let error = start(root.path(), URL).await.unwrap_err();
    assert_eq!((error.exit_code(), std::fs::read(&file).unwrap() == before), (78, true), "{error}");
    assert!(error.to_string().contains("backup"), "{error}");
}
