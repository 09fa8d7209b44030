//! How look-ups leave each other alone: members, who only claims to be one, strangers; and the networks among each.

use server::bulkhead::Overload;
use server::identity::{Pool, ResolveError, Resolver};

use tokio::task::JoinHandle;

use super::{Answer, begin};
use crate::support::did_server::{DidServer, Reply, asker, document, plc};

/// Looks up so many accounts for one network, whose documents do not come before the server is told to give them.
async fn flood(
    server: &DidServer,
    resolver: &Resolver,
    pool: Pool,
    network: u32,
    count: u32,
) -> Vec<JoinHandle<Answer>> {
    let mut flood = Vec::new();
    for number in 0..count {
        let did = plc(network * 1000 + number);
        server.set(&format!("/{did}"), Reply::Held(document(&did, 1).to_string()));
        flood.push(begin(resolver, &did, asker(pool, network)).await);
    }
    flood
}

#[tokio::test]
async fn one_network_that_floods_waits_behind_itself() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    for (number, pool) in (900_000..).step_by(10).zip([Pool::Strangers, Pool::Claimants, Pool::Members]) {
        let flooding = flood(&server, &resolver, pool, 1, 6 + 48).await;
        let (more, other) = (plc(number), plc(number + 1));
        let refused = resolver.resolve(&more, asker(pool, 1)).await.unwrap_err();
        assert_eq!(refused, ResolveError::Busy(Overload::Caller), "its own excess");
        server.publish(&other, &document(&other, 1));
        assert!(resolver.resolve(&other, asker(pool, 2)).await.is_ok());
        assert!(flooding.iter().all(|one| !one.is_finished()));
    }
}

#[tokio::test]
async fn nobody_waits_in_the_queue_of_another_network_for_the_same_account() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let member = plc(900_000);
    server.publish(&member, &document(&member, 1));
    flood(&server, &resolver, Pool::Claimants, 1, 6 + 40).await;
    // Whoever floods asks for the member as well, and waits.
    let behind = begin(&resolver, &member, asker(Pool::Claimants, 1)).await;
    assert!(resolver.resolve(&member, asker(Pool::Claimants, 2)).await.is_ok());
    assert!(!behind.is_finished());
}

#[tokio::test]
async fn claims_without_a_proof_take_no_place_of_members() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    for network in 0..9 {
        flood(&server, &resolver, Pool::Claimants, network, 8).await;
    }
    let member = plc(900_001);
    server.publish(&member, &document(&member, 1));
    assert!(resolver.resolve(&member, asker(Pool::Members, 50)).await.is_ok());
    let asked = server.requests();
    assert!(resolver.resolve(&member, asker(Pool::Claimants, 51)).await.is_ok(), "a document is a document");
    assert_eq!(server.requests(), asked);
}

#[tokio::test]
async fn a_flood_of_strangers_fills_their_pool_and_delays_no_member() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let mut flood = Vec::new();
    for number in 0..72 {
        let did = plc(number);
        server.set(&format!("/{did}"), Reply::Held(document(&did, 1).to_string()));
        flood.push(begin(&resolver, &did, asker(Pool::Strangers, number)).await);
    }
    let late = plc(1000);
    server.publish(&late, &document(&late, 1));
    assert_eq!(resolver.resolve(&late, Pool::Strangers).await.unwrap_err(), ResolveError::Busy(Overload::Server));
    let member = plc(2000);
    server.publish(&member, &document(&member, 2));
    assert!(resolver.resolve(&member, Pool::Members).await.is_ok());
    while server.requests() < 9 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.requests(), 8 + 1, "eight strangers at once, and the member");
    assert!(flood.iter().all(|stranger| !stranger.is_finished()));

    server.release();
    for stranger in flood {
        assert!(stranger.await.unwrap().is_ok());
    }
    assert!(resolver.resolve(&late, Pool::Strangers).await.is_ok(), "Busy is not remembered");
}
