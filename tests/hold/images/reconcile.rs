//! What stands in the repositories of accounts and was never recorded here: pages of listRecords, and every fault of a
//! server that answers them.

use atcr_hold::images::Reconciled;
use atcr_hold::operations::{CrewAdd, CrewBan, CrewRemove, GcRun, ImagesDelete, ImagesReconcile};
use atproto::lexicon::Permission;
use serde_json::{Value, json};

use super::{LAYER, OCI_LAYER, STATS, push, quota, records, rev};
use crate::support::did_server::Reply;
use crate::support::hold::{Account, Hold, PRIVATE, digest_of};
use crate::support::log::Log;
use server::control::{AdminClient, Operation};

/// Runs an operation at the hold's admin socket, as a command does.
pub(super) async fn operate<O: Operation>(hold: &Hold, operation: O) -> O::Output {
    let client = AdminClient::new(&hold.root().join("admin.sock"));
    client.connect().await.unwrap().expect("a hold that listens").run(&operation, |_| {}).await.unwrap()
}

async fn reconcile(hold: &Hold, dry_run: bool) -> Reconciled {
    operate(hold, ImagesReconcile { dry_run }).await
}

/// The path at which a PDS answers a page of the account's manifests.
pub(super) fn page_path(account: &Account, limit: u32, cursor: &str) -> String {
    let did = account.did.as_str().replace('%', "%25").replace(':', "%3A");
    format!("/xrpc/com.atproto.repo.listRecords?repo={did}&collection=io.atcr.manifest&limit={limit}{cursor}")
}

/// Gives the account a PDS, the network's own host, whose first page of manifests is this.
pub(super) fn serve_page(hold: &Hold, account: &Account, reply: Reply) {
    account.publish_with_pds(&hold.network, &format!("http://localhost:{}", hold.network.port));
    hold.network.set(&page_path(account, 100, ""), reply);
}

pub(super) fn page(records: &[Value]) -> Reply {
    Reply::Body(json!({ "records": records }).to_string())
}

/// All who can push have a PDS without manifests. The did:web's document names none.
pub(super) fn serve_nothing(hold: &Hold) {
    for account in [&hold.captain, &hold.admin, &hold.writer] {
        serve_page(hold, account, page(&[]));
    }
    let mut document = json!({ "id": hold.other_writer.did });
    document["verificationMethod"] = hold.other_writer.document()["verificationMethod"].clone();
    let pds = format!("http://localhost:{}", hold.network.port);
    document["service"] =
        json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": pds }]);
    hold.network.set("/.well-known/did.json", Reply::Body(document.to_string()));
    hold.network.set(&page_path(&hold.other_writer, 100, ""), page(&[]));
}

/// A manifest's record as the registry writes it; the first of `contents` is the config.
pub(super) fn record(account: &Account, contents: &[&str], hold: &Value) -> Value {
    let blob = |content: &str| json!({ "digest": digest_of(content.as_bytes()), "size": content.len() });
    let layers = contents[1..].iter().map(|content| {
        let mut layer = blob(content);
        layer["mediaType"] = OCI_LAYER.into();
        layer
    });
    let digest = digest_of(contents.concat().as_bytes());
    let mut value = json!({
        "$type": "io.atcr.manifest", "repository": "app", "digest": digest, "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "createdAt": "2026-11-01T00:00:00.000Z",
        "config": blob(contents[0]), "layers": layers.collect::<Vec<_>>(),
    });
    for (name, text) in hold.as_object().unwrap() {
        value[name] = text.clone();
    }
    json!({ "uri": format!("at://{}/io.atcr.manifest/{}", account.did, digest.hex()), "cid": "bafy", "value": value })
}

#[tokio::test]
async fn garbage_collection_asks_first() {
    let configuration = format!("{PRIVATE}[gc]\ngrace_s = 0\n");
    let hold = Hold::start(&configuration).await;
    serve_nothing(&hold);
    upload(&hold, &["config", "one", "two", "garbage"]).await;
    let ours = json!({ "holdDid": hold.did() });
    serve_page(&hold, &hold.writer, page(&[record(&hold.writer, &["config", "one", "two"], &ours)]));
    hold.upload(&hold.captain, b"his").await;

    // One that cannot be asked keeps what it uploaded, and nobody else's.
    serve_page(&hold, &hold.captain, Reply::Body("no JSON".into()));
    for dry_run in [true, false] {
        let collected = operate(&hold, GcRun { dry_run, force: false }).await;
        let counts = [&collected.garbage, &collected.named, &collected.unasked].map(|amount| amount.count);
        assert_eq!(counts, [1, 3, 1], "the preview says the same");
        assert_eq!(collected.accounts[0].did, hold.captain.did);
    }
    assert_eq!(records(&hold, LAYER).await.len(), 2);
    serve_page(&hold, &hold.captain, page(&[]));
    let collected = operate(&hold, GcRun { dry_run: false, force: false }).await;
    assert_eq!((collected.garbage.count, collected.named.count, collected.unasked.count), (1, 3, 0));
}

#[tokio::test]
async fn what_an_invalid_record_names_is_no_garbage() {
    let hold = Hold::start(&format!("{PRIVATE}[gc]\ngrace_s = 0\n")).await;
    serve_nothing(&hold);
    upload(&hold, &["config", "one", "two", "garbage"]).await;
    let mut invalid = record(&hold.writer, &["config", "one", "two", "nowhere"], &json!({ "holdDid": hold.did() }));
    invalid["value"]["layers"][0]["mediaType"] = format!("application/{}", "x".repeat(120)).into();
    serve_page(&hold, &hold.writer, page(&[invalid]));
    let collected = operate(&hold, GcRun { dry_run: false, force: false }).await;
    assert_eq!((collected.garbage.count, collected.named.count), (1, 3));
}

#[tokio::test]
async fn what_names_an_address_of_before_is_no_garbage_and_is_not_recorded() {
    let options = format!("{PRIVATE}[gc]\ngrace_s = 0\n");
    let mut hold = Hold::start(&options).await;
    serve_nothing(&hold);
    upload(&hold, &["config", "one", "garbage"]).await;
    hold.stop().await;
    let database = rusqlite::Connection::open(hold.root().join("hold.db")).unwrap();
    let value = "INSERT INTO meta (name, value) VALUES ('earlier_addresses', 'https://a.example https://b.example')";
    database.execute(value, []).unwrap();
    drop(database);
    hold.run(&options).await;
    let before = record(&hold.writer, &["config", "one", "nowhere"], &json!({ "holdDid": "did:web:b.example" }));
    serve_page(&hold, &hold.writer, page(&[before]));
    let at = rev(&hold).await;
    let reconciled = reconcile(&hold, false).await;
    assert_eq!((reconciled.manifests, reconciled.recorded, reconciled.earlier_address), (0, 0, 1));
    let collected = operate(&hold, GcRun { dry_run: false, force: false }).await;
    assert_eq!((collected.garbage.count, collected.named.count), (1, 2));
    assert_eq!((rev(&hold).await, quota(&hold, &hold.writer).await["uniqueBlobs"].clone()), (at, json!(0)));
}

#[tokio::test]
async fn invalid_records_of_an_account_are_one_line_of_the_log() {
    let (log, _guard) = Log::capture();
    let hold = Hold::start(PRIVATE).await;
    serve_nothing(&hold);
    let ours = json!({ "holdDid": hold.did() });
    let invalid = |name: &str, reason: Value| {
        let mut record = record(&hold.writer, &[name, name], &ours);
        record["value"]["repository"] = reason;
        record
    };
    let first = [invalid("1", "x".repeat(1000).into()), invalid("2", "NO NAME".into())];
    let first = json!({ "records": first, "cursor": "next" });
    serve_page(&hold, &hold.writer, Reply::Body(first.to_string()));
    hold.network.set(&page_path(&hold.writer, 100, "&cursor=next"), page(&[invalid("3", 5.into())]));
    assert_eq!(reconcile(&hold, false).await.invalid, 3);
    let text = log.text();
    let lines: Vec<_> = text.lines().filter(|line| line.contains(" WARN ") && line.contains("invalid")).collect();
    let [line] = lines[..] else { panic!("{lines:#?}") };
    let said = format!("invalid manifest records of {}: 3, the first: ", hold.writer.did);
    assert!(line.contains(&said) && line.len() < 1000, "{line}");
}

#[tokio::test]
async fn an_account_that_is_gone_for_good_keeps_its_uploads_until_it_is_banned() {
    let hold = Hold::start(&format!("{PRIVATE}[gc]\ngrace_s = 0\n")).await;
    serve_nothing(&hold);
    let gone = &hold.stranger;
    let away = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    serve_page(&hold, gone, Reply::Raw(away.into()));
    let (did, role) = (gone.did.clone(), "mate".to_owned());
    operate(&hold, CrewAdd { did: did.clone(), role, permissions: vec![Permission::BlobWrite], tier: None }).await;
    push(&hold, gone, "app", &["config", "named layer"]).await.ok();
    hold.upload(gone, b"unnamed").await;

    let collect = async || {
        let collected = operate(&hold, GcRun { dry_run: false, force: false }).await;
        let counts = [&collected.garbage, &collected.named, &collected.unasked].map(|amount| amount.count);
        (counts, collected.accounts.into_iter().map(|account| account.did).collect::<Vec<_>>())
    };
    assert_eq!(collect().await, ([0, 2, 1], vec![did.clone()]));
    operate(&hold, CrewRemove { did: did.clone() }).await;
    assert_eq!(collect().await, ([0, 2, 1], vec![did.clone()]), "it has an image here");
    operate(&hold, CrewBan { did: did.clone() }).await;
    assert_eq!(collect().await, ([1, 2, 0], vec![]), "its image stays");

    let deleted = operate(&hold, ImagesDelete { did: did.clone() }).await;
    assert_eq!((deleted.crew_deleted, deleted.layers_deleted, deleted.stats_deleted), (false, 1, 1));
    let collected = operate(&hold, GcRun { dry_run: false, force: true }).await;
    assert_eq!([&collected.garbage, &collected.named].map(|amount| amount.count), [2, 0]);
    let again = operate(&hold, ImagesDelete { did }).await;
    assert_eq!((again.layers_deleted, again.stats_deleted), (0, 0));
}

#[tokio::test]
async fn who_was_banned_and_is_a_member_again_is_asked() {
    let hold = Hold::start(PRIVATE).await;
    serve_nothing(&hold);
    let back = &hold.stranger;
    let (did, role, permissions) = (back.did.clone(), "mate".to_owned(), vec![Permission::BlobWrite]);
    operate(&hold, CrewAdd { did: did.clone(), role, permissions, tier: None }).await;
    hold.upload(back, b"config").await;
    hold.upload(back, b"layer").await;
    let ours = json!({ "holdDid": hold.did() });
    serve_page(&hold, back, page(&[record(back, &["config", "layer"], &ours)]));
    operate(&hold, CrewBan { did: did.clone() }).await;
    assert_eq!(reconcile(&hold, false).await.manifests, 0);
    // A client of the captain's knows nothing of bans.
    let member = json!({
        "member": did, "role": "mate", "permissions": ["blob:read", "blob:write"], "addedAt": "2026-01-01T00:00:00Z",
    });
    let key = atcr_hold::crew::member_key(&did);
    let input = json!({ "repo": hold.did(), "collection": "io.atcr.hold.crew", "rkey": key, "record": member });
    hold.post(&hold.captain, "com.atproto.repo.putRecord", &input).await.ok();
    let reconciled = reconcile(&hold, false).await;
    assert_eq!((reconciled.manifests, reconciled.recorded, reconciled.layers), (1, 1, 1));
}

async fn upload(hold: &Hold, contents: &[&str]) {
    for content in contents {
        hold.upload(&hold.writer, content.as_bytes()).await;
    }
}

#[tokio::test]
async fn pushes_whose_word_was_lost_are_recorded() {
    let hold = Hold::start(PRIVATE).await;
    serve_nothing(&hold);
    upload(&hold, &["config", "one", "two", "old config", "old", "elsewhere"]).await;
    // One is known already, from its push.
    push(&hold, &hold.writer, "app", &["known config", "known"]).await.ok();
    let ours = json!({ "holdDid": hold.did() });
    let known = record(&hold.writer, &["known config", "known"], &ours);
    let new = record(&hold.writer, &["config", "one", "two"], &ours);
    let old = record(&hold.writer, &["old config", "old"], &json!({ "holdEndpoint": hold.url() }));
    let other = record(&hold.writer, &["elsewhere", "elsewhere"], &json!({ "holdDid": "did:web:other.example" }));
    let partly = record(&hold.writer, &["config", "one", "nowhere"], &ours);
    let senseless = json!({ "uri": new["uri"], "cid": "bafy", "value": { "repository": 5 } });
    let first = json!({ "records": [known, new, other, senseless], "cursor": "next" });
    serve_page(&hold, &hold.writer, Reply::Body(first.to_string()));
    hold.network.set(&page_path(&hold.writer, 100, "&cursor=next"), page(&[old, partly]));

    let at = rev(&hold).await;
    let expected = |dry_run, recorded: u64, layers| {
        let counts = [("accounts", 4), ("manifests", 4), ("recorded", recorded), ("layers", layers), ("incomplete", 1)];
        let mut expected = json!({ "dryRun": dry_run, "invalid": 1, "earlierAddress": 0, "unasked": [] });
        counts.into_iter().for_each(|(name, count)| expected[name] = count.into());
        expected
    };
    for (dry_run, recorded, layers) in [(true, 3, 4), (false, 3, 4), (false, 0, 0)] {
        let mut reconciled = serde_json::to_value(reconcile(&hold, dry_run).await).unwrap();
        let listed = reconciled.as_object_mut().unwrap().remove("listed").unwrap();
        assert_eq!(reconciled, expected(dry_run, recorded, layers));
        assert_eq!(listed.as_array().unwrap().len() as u64, recorded);
        assert_eq!(rev(&hold).await == at, dry_run, "a preview writes nothing");
    }
    let layers: Vec<_> = records(&hold, LAYER).await.into_iter().map(|(_, layer)| layer["digest"].clone()).collect();
    let named = ["known", "one", "two", "old", "one"].map(|content| json!(digest_of(content.as_bytes())));
    assert_eq!(layers, named);
    assert_eq!(quota(&hold, &hold.writer).await["uniqueBlobs"], 4);
    assert_eq!(records(&hold, STATS).await[0].1["pushCount"], 1, "how often it was pushed besides nobody knows");
}

#[tokio::test]
async fn an_account_that_cannot_be_asked_is_said_to_be_so() {
    let hold = Hold::start(PRIVATE).await;
    serve_nothing(&hold);
    let raw = |status: &str, more: &str, body: &str| {
        let length = body.len();
        Reply::Raw(format!("HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"))
    };
    let elsewhere = format!("Location: http://localhost:{}/elsewhere\r\n", hold.network.port);
    hold.network.set("/elsewhere", page(&[]));
    for (reply, reason) in [
        (Reply::Body("no JSON".into()), "its PDS does not answer with a list of records"),
        (
            Reply::Body(json!({ "records": [{ "uri": "at://" }] }).to_string()),
            "its PDS does not answer with a list of records",
        ),
        (raw("302 Found", &elsewhere, ""), "its PDS answers 302 Found"),
        (raw("400 Bad Request", "", "{}"), "its PDS answers 400 Bad Request"),
        (raw("502 Bad Gateway", "", ""), "its PDS cannot be reached"),
        (Reply::Raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".into()), "its PDS cannot be reached"),
    ] {
        serve_page(&hold, &hold.writer, reply);
        let unasked = reconcile(&hold, false).await.unasked;
        let found: Vec<_> = unasked.iter().map(|one| (&one.did, one.reason.as_str())).collect();
        assert_eq!(found, [(&hold.writer.did, reason)]);
    }
    // The others are asked all the same, also beside one that says nothing for ever.
    serve_page(&hold, &hold.writer, Reply::Stall("HTTP/1.1 200 OK\r\n".into()));
    upload(&hold, &["config", "layer"]).await;
    let ours = json!({ "holdDid": hold.did() });
    serve_page(&hold, &hold.captain, page(&[record(&hold.captain, &["config", "layer"], &ours)]));
    let reconciled = reconcile(&hold, false).await;
    assert_eq!((reconciled.accounts, reconciled.unasked.len(), reconciled.layers), (4, 1, 1));
}

#[tokio::test]
async fn pages_are_asked_for_smaller_where_they_are_too_large() {
    let hold = Hold::start(PRIVATE).await;
    serve_nothing(&hold);
    upload(&hold, &["config", "layer"]).await;
    let ours = json!({ "holdDid": hold.did() });
    let mut large = record(&hold.writer, &["config", "layer"], &ours);
    large["value"]["annotations"] = json!({ "long": "x".repeat(1 << 20) });
    let records = vec![large; 5];
    serve_page(&hold, &hold.writer, page(&records));
    hold.network.set(&page_path(&hold.writer, 10, ""), page(&records[..3]));
    let reconciled = reconcile(&hold, false).await;
    assert_eq!((reconciled.manifests, reconciled.layers, reconciled.unasked), (3, 1, vec![]));
}

#[tokio::test]
async fn what_stands_behind_an_empty_page_is_no_garbage() {
    let hold = Hold::start(&format!("{PRIVATE}[gc]\ngrace_s = 0\n")).await;
    serve_nothing(&hold);
    upload(&hold, &["config", "one", "two", "garbage"]).await;
    // As of a server that leaves records out of a page after it has cut it off.
    let empty = |next: &str| Reply::Body(json!({ "records": [], "cursor": next }).to_string());
    serve_page(&hold, &hold.writer, empty("a"));
    hold.network.set(&page_path(&hold.writer, 100, "&cursor=a"), empty("b"));
    let ours = record(&hold.writer, &["config", "one", "two"], &json!({ "holdDid": hold.did() }));
    let last = json!({ "records": [ours], "cursor": "" }).to_string();
    hold.network.set(&page_path(&hold.writer, 100, "&cursor=b"), Reply::Body(last));
    let collected = operate(&hold, GcRun { dry_run: false, force: true }).await;
    assert_eq!((collected.garbage.count, collected.named.count, collected.accounts), (1, 3, vec![]));
    // One that says of the end what it was asked for has no more.
    hold.network.set(&page_path(&hold.writer, 100, "&cursor=b"), empty("b"));
    assert_eq!(reconcile(&hold, true).await.unasked, []);
}

#[tokio::test]
async fn a_list_that_does_not_go_on_ends() {
    let hold = Hold::start(PRIVATE).await;
    serve_nothing(&hold);
    let ours = json!({ "holdDid": hold.did() });
    let again = json!({ "records": [record(&hold.writer, &["config", "layer"], &ours)], "cursor": "same" }).to_string();
    serve_page(&hold, &hold.writer, Reply::Body(again.clone()));
    hold.network.set(&page_path(&hold.writer, 100, "&cursor=same"), Reply::Body(again));
    let reconciled = reconcile(&hold, false).await;
    assert_eq!((reconciled.manifests, reconciled.recorded, reconciled.incomplete), (2, 0, 2), "none of it is here");
    let [unasked] = &reconciled.unasked[..] else { panic!("what follows it is not known: {:?}", reconciled.unasked) };
    assert_eq!((&unasked.did, unasked.reason.as_str()), (&hold.writer.did, "its list comes to the same place again"));
}
