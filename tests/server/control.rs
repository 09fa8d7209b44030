//! The admin socket over a subject that no program of ours has: every kind of operation, and who finds the socket.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use server::control::{
    self, AdminClient, AdminError, AdminRoute, AdminSocket, ByteStream, Export, Import, Operation, Progress, Reporter,
};
use server::daemon::listeners::{MAX_PATH, MAX_PRIVATE_PATH, bind, bind_private};
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Counter(AtomicU64);

#[derive(Serialize, Deserialize)]
struct Add {
    number: u64,
}

impl Operation for Add {
    const NAME: &'static str = "counter.add";
    type Subject = Counter;
    type Output = u64;

    async fn run(self, counter: Arc<Counter>, reporter: Reporter) -> Result<u64, AdminError> {
        if self.number == 0 {
            return Err(AdminError::failed("nothing to add"));
        }
        reporter.report(Progress { done: self.number, total: None, unit: "steps".into() });
        Ok(counter.0.fetch_add(self.number, Ordering::Relaxed) + self.number)
    }
}

#[derive(Serialize, Deserialize)]
struct Dump {}

impl Export for Dump {
    const NAME: &'static str = "counter.dump";
    type Subject = Counter;

    async fn open(self, counter: Arc<Counter>) -> Result<ByteStream, AdminError> {
        let number = counter.0.load(Ordering::Relaxed);
        Ok(Box::pin(stream::iter((0..number).map(|_| Ok("x".into())))))
    }
}

#[derive(Serialize, Deserialize)]
struct Load {
    factor: u64,
}

impl Import for Load {
    const NAME: &'static str = "counter.load";
    type Subject = Counter;
    type Output = u64;

    async fn run(self, mut bytes: ByteStream, counter: Arc<Counter>, _: Reporter) -> Result<u64, AdminError> {
        let mut number = 0;
        while let Some(piece) = bytes.next().await {
            number += piece.map_err(|error| AdminError::failed(error.to_string()))?.len() as u64 * self.factor;
        }
        counter.0.store(number, Ordering::Relaxed);
        Ok(number)
    }
}

static ROUTES: [AdminRoute<Counter>; 3] =
    [AdminRoute::operation::<Add>(), AdminRoute::export::<Dump>(), AdminRoute::import::<Load>()];

#[tokio::test]
async fn any_program_s_operations_go_through_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    let (path, beside) = (folder.path().join("run.sock"), folder.path().join("state/it.db"));
    std::fs::create_dir(beside.parent().unwrap()).unwrap();
    let (socket, listener) = AdminSocket::bind(&path, &beside).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let shutdown = CancellationToken::new();
    let drain = Duration::from_secs(5);
    let serving = tokio::spawn(control::serve(Arc::default(), &ROUTES, listener, shutdown.clone(), drain));

    // A command without the runtime directory finds it beside the state.
    let client = AdminClient::new(&folder.path().join("state/run.sock"));
    let connect = async || client.connect().await.unwrap().expect("somebody listens");
    assert_eq!(connect().await.run(&Add { number: 3 }, |_| {}).await.unwrap(), 3);
    let refused = connect().await.run(&Add { number: 0 }, |_| {}).await.unwrap_err();
    assert_eq!(refused.to_string(), "nothing to add");
    let dumped: Vec<_> = connect().await.export(&Dump {}).await.unwrap().try_collect().await.unwrap();
    assert_eq!(dumped.concat(), b"xxx");
    let bytes = Box::pin(stream::iter([Ok("ab".into()), Ok("c".into())]));
    assert_eq!(connect().await.import(&Load { factor: 2 }, bytes, |_| {}).await.unwrap(), 6);

    shutdown.cancel();
    serving.await.unwrap().unwrap();
    drop(socket);
    assert!(!path.exists() && client.connect().await.unwrap().is_none(), "the socket and its link are gone");
}

#[test]
fn the_longest_path_of_a_private_socket_is_that_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let of_length = |length: usize| {
        let missing = length - folder.path().as_os_str().len() - 1;
        folder.path().join("x".repeat(missing))
    };
    assert!(bind_private(&of_length(MAX_PRIVATE_PATH)).is_ok());
    assert!(bind_private(&of_length(MAX_PRIVATE_PATH + 1)).is_err());
    let public = |length| bind(of_length(length).to_str().unwrap());
    assert!(public(MAX_PATH).is_ok() && public(MAX_PATH + 1).is_err());
}
