//! A hold that has a successor: what is not here is there.

use atproto::repo::cid;

use crate::support::did_server::{document, plc};
use crate::support::hold::{Hold, PRIVATE, PUBLIC, digest_of};

#[tokio::test]
async fn who_asks_for_an_absent_blob_is_sent_to_the_successor() {
    let next = Hold::start(PUBLIC).await;
    let moved = next.upload(&next.writer, b"moved").await;
    for (options, method) in [(PUBLIC, "GET"), (PRIVATE, "GET"), (PRIVATE, "HEAD")] {
        let hold = Hold::start(&format!("successor = '{}'\n{options}", next.did())).await;
        let here = hold.upload(&hold.writer, b"here").await;
        let ask = async |cid: &str, more: &str| {
            let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={cid}{more}", hold.did_in_query());
            hold.call(method, &target).bearer(&hold.token(&hold.reader)).send().await
        };
        for (cid, more, answered) in [
            (moved.to_string(), "", "&method=GET"),
            (moved.to_string(), "&method=HEAD", "&method=HEAD"),
            (cid::raw(&moved).to_string(), "", ""),
        ] {
            let answer = ask(&cid, more).await;
            assert_eq!((answer.status, answer.header("cache-control")), (307, Some("no-store")));
            let there = answer.header("location").unwrap().strip_prefix(&next.url()).unwrap();
            let expected = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={cid}{answered}", next.did_in_query());
            assert_eq!(there, expected);
            assert_eq!(next.call(method, there).send().await.status, 200);
        }
        assert_eq!(ask(&here.to_string(), "").await.status, 200, "what is here is answered here");
        assert_eq!(hold.blob_url(Some(&hold.stranger), &moved).await.status == 307, options == PUBLIC);
    }
}

#[tokio::test]
async fn a_hold_without_a_successor_any_more_says_that_there_is_no_such_blob() {
    let mut hold = Hold::start("successor = 'did:web:next.example.org'\npublic = true\n").await;
    let absent = digest_of(b"absent");
    assert_eq!(hold.blob_url(None, &absent).await.status, 307);
    hold.restart(PUBLIC).await;
    hold.blob_url(None, &absent).await.assert_refused(404, "BlobNotFound", "there is no such blob");
}

#[tokio::test]
async fn a_successor_by_did_plc_is_at_the_address_in_its_document() {
    let next = plc(40);
    let hold = Hold::start(&format!("successor = '{next}'\npublic = true\n")).await;
    let absent = digest_of(b"absent");
    hold.blob_url(None, &absent).await.assert_error(503, "ServiceUnavailable");

    let hold = Hold::start(&format!("successor = '{next}'\npublic = true\n")).await;
    hold.network.publish(&next, &document(&next, 40));
    let answer = hold.blob_url(None, &absent).await;
    assert_eq!(answer.status, 307);
    let expected = format!("https://pds.example/xrpc/com.atproto.sync.getBlob?did={next}&cid={absent}&method=GET");
    assert_eq!(answer.header("location"), Some(expected.as_str()));
}

#[tokio::test]
async fn nobody_is_sent_round_in_circles_by_a_document_that_names_this_hold() {
    let next = plc(40);
    let hold = Hold::start(&format!("successor = '{next}'\npublic = true\n")).await;
    let mut own = document(&next, 40);
    own["service"][1]["serviceEndpoint"] = hold.url().into();
    hold.network.publish(&next, &own);
    hold.blob_url(None, &digest_of(b"absent")).await.assert_refused(404, "BlobNotFound", "there is no such blob");
}
