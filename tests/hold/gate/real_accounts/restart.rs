//! A hold that starts while the real directory is away.

use serde_json::json;

use super::RealHold;
use super::stack::Stack;

#[tokio::test]
async fn captain_and_crew_are_known_without_the_directory() {
    let Some(stack) = Stack::start().await else { return };
    let [captain, member, stranger] = stack.create(["captain.test", "alice.test", "bob.test"]);
    let mut hold = RealHold::start(&stack, &captain).await;
    let did = hold.did();
    let [captain, member, stranger] = [
        stack.token(&captain, &did, None).await,
        stack.token(&member, &did, None).await,
        stack.token(&stranger, &did, None).await,
    ];
    let joined = hold.post(&member, "io.atcr.hold.requestCrew", &json!({ "permissions": ["blob:write"] })).await;
    assert_eq!(joined.status, 201, "{}", joined.text());
    for token in [&captain, &member] {
        hold.initiate(token).await.ok();
    }
    hold.initiate(&stranger).await.assert_error(403, "Forbidden");

    hold.stop().await;
    // The directory, and the PDS with it.
    drop(stack);
    hold.run().await;
    for token in [&captain, &member] {
        hold.initiate(token).await.ok();
    }
    assert_eq!(hold.initiate(&stranger).await.status, 503, "nobody can say who that is");
}
