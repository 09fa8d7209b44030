//! describeRepo, getRecord and listRecords: what anyone reads, without a token, of a private hold too.

use serde_json::{Value, json};

use super::{APPLY, CAPTAIN, CREW, PROFILE, crew_record, get_record, query_did, uri};
use crate::support::did_server::plc;
use crate::support::hold::{Answer, Hold, PRIVATE, PUBLIC};

async fn query(hold: &Hold, method: &str, query: &str) -> Answer {
    hold.get(&format!("/xrpc/com.atproto.repo.{method}?{query}")).send().await
}

#[tokio::test]
async fn the_repository_describes_itself() {
    let hold = Hold::start(PRIVATE).await;
    let output = query(&hold, "describeRepo", &format!("repo={}", query_did(&hold))).await.ok();
    let expected = json!({
        "handle": "handle.invalid", "did": hold.did(), "handleIsCorrect": false,
        "didDoc": hold.get("/.well-known/did.json").send().await.ok(),
        "collections": [PROFILE, CAPTAIN, CREW],
    });
    assert_eq!(output, expected);
}

#[tokio::test]
async fn a_record_is_found_by_its_name_and_only_at_the_wanted_version() {
    let hold = Hold::start(PRIVATE).await;
    let output = get_record(&hold, CAPTAIN, "self").await.ok();
    assert_eq!((&output["uri"], &output["value"]["$type"]), (&json!(uri(&hold, CAPTAIN, "self")), &json!(CAPTAIN)));
    let named = format!("repo={}&collection={CAPTAIN}&rkey=self", query_did(&hold));
    let cid = output["cid"].as_str().unwrap();
    assert_eq!(query(&hold, "getRecord", &format!("{named}&cid={cid}")).await.ok(), output);
    let other = "bafyreifqwkmiw256ojf2zws6tzjeonw6bpd5vza4i22ccpcq4hjv2ts7cm";
    let missing = "there is no such record";
    query(&hold, "getRecord", &format!("{named}&cid={other}")).await.assert_refused(400, "RecordNotFound", missing);
    for (collection, rkey) in [(CAPTAIN, "other"), (CREW, "self"), ("com.example.none", "self")] {
        get_record(&hold, collection, rkey).await.assert_refused(400, "RecordNotFound", missing);
    }
    assert_eq!(query(&hold, "getRecord", &format!("{named}&cid=")).await.ok(), output);
    for bad in ["cid=x", "cid=QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG"] {
        query(&hold, "getRecord", &format!("{named}&{bad}")).await.assert_error(400, "InvalidRequest");
    }
}

#[tokio::test]
async fn parameters_that_are_missing_wrong_or_repeated_are_named() {
    let hold = Hold::start(PUBLIC).await;
    let repo = format!("repo={}", query_did(&hold));
    for (method, parameters, expected) in [
        ("describeRepo", String::new(), "repo is required"),
        ("getRecord", format!("{repo}&collection={CREW}"), "rkey is required"),
        ("getRecord", format!("{repo}&rkey=self"), "collection is required"),
        ("getRecord", format!("{repo}&rkey=self&collection="), "collection is required"),
        ("getRecord", format!("{repo}&rkey=self&collection=crew"), "collection is not a valid NSID"),
        ("getRecord", format!("{repo}&rkey=..&collection={CREW}"), "rkey is not a valid record key"),
        ("getRecord", format!("{repo}&rkey=a%2fb&collection={CREW}"), "rkey is not a valid record key"),
        ("getRecord", format!("{repo}&rkey=a&rkey=b&collection={CREW}"), "rkey is given twice"),
        ("listRecords", repo.clone(), "collection is required"),
        ("listRecords", format!("{repo}&collection={CREW}&limit=0"), "limit must be a number from 1 to 100"),
        ("listRecords", format!("{repo}&collection={CREW}&limit=101"), "limit must be a number from 1 to 100"),
        ("listRecords", format!("{repo}&collection={CREW}&limit=-1"), "limit must be a number from 1 to 100"),
        ("listRecords", format!("{repo}&collection={CREW}&limit=ten"), "limit must be a number from 1 to 100"),
        ("listRecords", format!("{repo}&collection={CREW}&reverse=1"), "reverse must be true or false"),
        ("listRecords", format!("{repo}&collection={CREW}&cursor=a&cursor=b"), "cursor is given twice"),
    ] {
        let answer = query(&hold, method, &parameters).await;
        answer.assert_error(400, "InvalidRequest");
        assert!(answer.text().contains(expected), "{expected:?}: {}", answer.text());
    }
    let message = "this server has only the hold's own repository";
    for method in ["describeRepo", "getRecord", "listRecords"] {
        for repo in ["did:web:localhost", "localhost", "alice.test", plc(1).as_str(), "did%3Aweb%3Alocalhost"] {
            let parameters = format!("repo={repo}&collection={CREW}&rkey=self");
            query(&hold, method, &parameters).await.assert_refused(400, "RepoNotFound", message);
        }
    }
}

/// The keys on one page, and its cursor.
async fn page(hold: &Hold, more: &str) -> (Vec<String>, Option<String>) {
    let parameters = format!("repo={}&collection={CREW}{more}", query_did(hold));
    let output = query(hold, "listRecords", &parameters).await.ok();
    let prefix = uri(hold, CREW, "");
    let key = |record: &Value| {
        assert_eq!(record.as_object().unwrap().len(), 3);
        assert!(record["cid"].is_string() && record["value"]["$type"] == CREW);
        record["uri"].as_str().unwrap().strip_prefix(&prefix).unwrap().to_owned()
    };
    let keys = output["records"].as_array().unwrap().iter().map(key).collect();
    (keys, output.get("cursor").map(|cursor| cursor.as_str().unwrap().to_owned()))
}

async fn all_pages(hold: &Hold, more: &str) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let (keys, next) = page(hold, &format!("{more}{cursor}")).await;
        pages.push(keys);
        match next {
            // As clients do: whatever it is, escaped.
            Some(next) => cursor = format!("&cursor={}", next.replace(':', "%3A")),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn records_are_listed_in_pages_in_both_directions() {
    let hold = Hold::start(PRIVATE).await;
    let create = |n| json!({ "$type": format!("{APPLY}#create"), "collection": CREW, "value": crew_record(&plc(n)) });
    let input = json!({ "repo": hold.did(), "writes": (100..295).map(create).collect::<Vec<_>>() });
    hold.post(&hold.captain, APPLY, &input).await.ok();
    let rising = all_pages(&hold, "&limit=100&reverse=true").await;
    let mut sorted = rising.concat();
    sorted.sort();
    sorted.dedup();
    assert_eq!(
        (rising.concat(), rising.len()),
        (sorted.clone(), 2),
        "200 records fill two pages, and no third follows"
    );
    sorted.reverse();
    for (limit, pages) in
        [("", 4), ("&limit=1", 200), ("&limit=99", 3), ("&limit=100", 2), ("&limit=100&reverse=false", 2)]
    {
        let found = all_pages(&hold, limit).await;
        assert_eq!((found.concat(), found.len()), (sorted.clone(), pages), "newest key first: {limit}");
    }
    assert_eq!(page(&hold, "&cursor=").await.0.len(), 50, "an empty cursor is none");
    assert_eq!(page(&hold, "&cursor=!").await, (Vec::new(), None), "before every key");
    assert_eq!(page(&hold, "&reverse=true&cursor=~~~").await, (Vec::new(), None), "after every key");
}

#[tokio::test]
async fn a_collection_that_is_not_there_is_empty() {
    let hold = Hold::start(PUBLIC).await;
    let parameters = format!("repo={}&collection=com.example.none", query_did(&hold));
    assert_eq!(query(&hold, "listRecords", &parameters).await.ok(), json!({ "records": [] }));
}

#[tokio::test]
async fn a_member_is_found_by_listing_as_the_registry_does_it() {
    let hold = Hold::start(PRIVATE).await;
    let parameters = format!("repo={}&collection={CREW}&limit=100", query_did(&hold));
    let output = query(&hold, "listRecords", &parameters).await.ok();
    for account in [&hold.captain, &hold.admin, &hold.writer, &hold.other_writer, &hold.reader] {
        let records = output["records"].as_array().unwrap();
        assert_eq!(records.iter().filter(|r| r["value"]["member"] == account.did.as_str()).count(), 1);
    }
}
