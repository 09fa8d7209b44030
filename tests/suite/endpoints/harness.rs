//! That the harness itself does what the other files rely on: real state, real restarts, two curves.

use crate::suite::hold::{Hold, PRIVATE, PUBLIC};

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
        let digest = crate::suite::hold::digest_of(account.did.as_str().as_bytes());
        assert_eq!(hold.blob_url(None, &digest).await.status, 200);
    }
    hold.stop().await;
}
