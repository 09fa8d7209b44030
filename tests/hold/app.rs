//! Tasks beside the requests: one that ends is noticed at once.

use atcr_hold::app::{self, StartError};
use atcr_hold::config::Config;
use server::daemon::Inherited;
use server::settings::{Environment, Sources};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::reloads;

#[tokio::test]
async fn a_task_that_panics_stops_the_hold_with_a_failure() {
    let root = TempDir::new().unwrap();
    let path = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(path("blobs")).unwrap();
    let environment = Environment::from([
        ("HOLD_PUBLIC_URL", "http://localhost:8080"),
        ("HOLD_OWNER", "did:plc:ewvi7nxzyoun6zhxrhs64oiz"),
        ("HOLD_DATABASE_PATH", &path("hold.db")),
        ("STORAGE_ROOT_DIR", &path("blobs")),
        ("TEST_MODE", "true"),
    ]);
    let config = Config::load(&Sources::of_environment(environment)).unwrap();
    let shutdown = CancellationToken::new();
    let run = app::run_reloading(config, Some(reloads::that_panic()), Inherited::default(), shutdown.clone());
    let error = reloads::ended(run).await;
    assert!(matches!(error, StartError::Task(_)), "{error}");
    assert_eq!(
        error.to_string(),
        r#"the task "reloads" has to run for as long as the daemon, but panicked: not this time"#
    );
    assert_eq!(error.exit_code(), 1, "the service manager starts it again");
    assert!(shutdown.is_cancelled());
}
