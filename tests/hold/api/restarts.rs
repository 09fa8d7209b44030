//! Restarts of a whole hold: its state stays, and callers do not notice.

use tokio_util::sync::CancellationToken;

use crate::support::hold::{Call, Hold, PRIVATE, PUBLIC, digest_of};

#[tokio::test]
async fn a_hold_keeps_its_state_over_a_restart_with_another_configuration() {
    let mut hold = Hold::start(PRIVATE).await;
    let did = hold.get("/.well-known/atproto-did").send().await;
    assert_eq!((did.status, did.text()), (200, hold.did().as_str()));
    for account in [&hold.captain, &hold.admin, &hold.writer, &hold.other_writer] {
        let content = account.did.as_str().as_bytes();
        let digest = hold.upload(account, content).await;
        assert_eq!(hold.read_blob(&digest).await, content);
        assert!(hold.blob_file(&digest).starts_with(hold.root()));
        assert_eq!(hold.blob_url(None, &digest).await.status, 401);
    }
    hold.restart(PUBLIC).await;
    for account in [&hold.captain, &hold.other_writer] {
        let digest = digest_of(account.did.as_str().as_bytes());
        assert_eq!(hold.blob_url(None, &digest).await.status, 200);
    }
    hold.stop().await;
}

#[tokio::test]
async fn restarts_with_the_socket_kept_lose_no_call() {
    let mut hold = Hold::start(PUBLIC).await;
    let (port, stop) = (hold.port, CancellationToken::new());
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let stop = stop.clone();
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.is_cancelled() {
                    let answer = Call::new(port, "GET", "/.well-known/did.json").send().await;
                    assert_eq!(answer.status, 200);
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    for _ in 0..10 {
        hold.restart(PUBLIC).await;
    }
    stop.cancel();
    for caller in callers {
        assert!(caller.await.unwrap() > 0);
    }
}
