//! Tasks beside the requests: one that ends is noticed at once.

use atcr_appview::app::{self, StartError};
use atcr_appview::config::Config;
use server::daemon::Inherited;
use server::settings::{Environment, Sources};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::support::reloads;

#[tokio::test]
async fn a_task_that_panics_stops_the_registry_with_a_failure() {
    let root = TempDir::new().unwrap();
    let database = root.path().join("appview.db");
    let environment = Environment::from([
        ("ATCR_BASE_URL", "http://localhost:5000"),
        ("ATCR_DATABASE_PATH", database.to_str().unwrap()),
        ("TEST_MODE", "true"),
    ]);
    let config = Config::load(&Sources::of_environment(environment)).unwrap();
    let shutdown = CancellationToken::new();
    let run = app::run_reloading(config, Some(reloads::that_panic()), Inherited::default(), shutdown.clone());
    let error = reloads::ended(run).await;
    assert!(matches!(error, StartError::Task(_)), "{error}");
    assert!(error.to_string().ends_with("but panicked: not this time"), "{error}");
    assert_eq!(error.exit_code(), 1, "the service manager starts it again");
    assert!(shutdown.is_cancelled());
}
