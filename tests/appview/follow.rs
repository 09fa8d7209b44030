//! The network followed by Jetstream, whose side the test plays by its public description: which address is asked, what comes of
//! events and of what is none, and where it goes on.

use std::time::{Duration, Instant};

use atproto::syntax::Did;
use futures_util::SinkExt as _;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::index::{manifest, tag};
use crate::oci::registry::Registry;
use crate::support::did_server::{DidServer, Reply, document, plc};

/// Far more than anything here takes: reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The host of pages.
const HOST: &str = "127.0.0.1:5000";

/// A Jetstream: each connection with the address that it asked for.
struct Jetstream {
    url: String,
    connections: mpsc::UnboundedReceiver<(String, WebSocketStream<TcpStream>)>,
}

impl Jetstream {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://localhost:{}", listener.local_addr().unwrap().port());
        let (sender, connections) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut asked = String::new();
                #[expect(clippy::result_large_err, reason = "the crate's own callback")]
                let note = |request: &Request, response: Response| {
                    asked = request.uri().to_string();
                    Ok(response)
                };
                let Ok(socket) = tokio_tungstenite::accept_hdr_async(stream, note).await else { continue };
                sender.send((asked, socket)).unwrap();
            }
        });
        Self { url, connections }
    }

    async fn connection(&mut self) -> (String, WebSocketStream<TcpStream>) {
        tokio::time::timeout(PATIENCE, self.connections.recv()).await.expect("a connection").unwrap()
    }
}

fn commit(did: &Did, time_us: u64, operation: &str, collection: &str, (key, record): &(String, Value)) -> Message {
    let commit = json!({ "rev": "3l3qo2vutsw2b", "operation": operation, "collection": collection, "rkey": key, "record": record, "cid": "b" });
    Message::text(json!({ "did": did, "time_us": time_us, "kind": "commit", "commit": commit }).to_string())
}

/// The messages of an image whose hold is the test's own server.
fn image(registry: &Registry, did: &Did, name: &str, time_us: u64) -> [Message; 2] {
    let hold = format!("did:web:localhost%3A{}", registry.network.port);
    let manifest = manifest(name, name, &hold, "of the network");
    let tag = tag(did, name, "v1", &manifest.0, 1);
    [
        commit(did, time_us, "create", "io.atcr.manifest", &manifest),
        commit(did, time_us + 1, "update", "io.atcr.tag", &tag),
    ]
}

async fn registry(urls: &str) -> Registry {
    let registry = Registry::start([("ATCR_JETSTREAM_URLS", urls)]).await;
    has_captain(&registry);
    registry
}

/// The network is a public hold.
fn has_captain(registry: &Registry) {
    let captain = json!({
        "owner": registry.alice, "public": true, "allowAllCrew": true, "deployedAt": "2026-01-01T00:00:00Z",
    });
    let hold = format!("did%3Aweb%3Alocalhost%253A{}", registry.network.port);
    let path = format!("/xrpc/com.atproto.repo.getRecord?repo={hold}&collection=io.atcr.hold.captain&rkey=self");
    let uri = format!("at://did:web:localhost%3A{}/io.atcr.hold.captain/self", registry.network.port);
    registry.network.set(&path, Reply::Body(json!({ "uri": uri, "value": captain }).to_string()));
}

async fn names(registry: &Registry, words: &str) -> Vec<String> {
    let found = registry.get(&format!("/xrpc/io.atcr.appview.searchRepositories?q={words}&limit=100")).await.ok();
    let names = found["repositories"].as_array().unwrap().iter();
    names.map(|found| found["repository"].as_str().unwrap().to_owned()).collect()
}

async fn found(registry: &Registry, words: &str, expected: usize) {
    let began = Instant::now();
    loop {
        let names = names(registry, words).await;
        if names.len() == expected {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "{words}: {names:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until `is_so`.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until the records of an account that was not known were listed: what it has then is what its PDS says.
async fn listed(registry: &Registry, account: &Did) {
    let database = Connection::open(registry.database()).unwrap();
    let sql = "SELECT count(*) FROM index_account WHERE did = ?1 AND list_us IS NULL";
    let count = || database.query_row(sql, [account.as_str()], |row| row.get::<_, u32>(0)).unwrap();
    until("its records are listed", || count() == 1).await;
}

fn now_us() -> u64 {
    u64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap()
}

/// An account whose PDS, the test's server, has no records.
fn account(registry: &Registry, number: u8) -> Did {
    account_at(registry, number, registry.network.port)
}

fn account_at(registry: &Registry, number: u8, port: u16) -> Did {
    let did = plc(number.into());
    let mut document = document(&did, number);
    let here = format!("http://localhost:{port}");
    document["service"] =
        json!([{ "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": here }]);
    registry.network.publish(&did, &document);
    did
}

#[tokio::test]
async fn events_are_found_the_next_address_is_taken_and_a_cursor_goes_on() {
    let mut jetstream = Jetstream::start().await;
    let registry = registry(&format!("ws://localhost:1,{}", jetstream.url)).await;
    let (asked, mut socket) = jetstream.connection().await;
    assert!(
        asked.starts_with("/subscribe?wantedCollections=io.atcr.manifest&wantedCollections=io.atcr.tag&"),
        "{asked}"
    );
    assert!(!asked.contains("cursor"), "the first time from now on: {asked}");
    let at_us = now_us();
    // Of an account that was not known the records are listed, too; here there are none.
    let profile = ("self".to_owned(), json!({ "createdAt": "2026-01-01T00:00:00Z" }));
    socket.send(commit(&registry.alice, at_us, "create", "io.atcr.sailor.profile", &profile)).await.unwrap();
    listed(&registry, &registry.alice).await;
    for message in image(&registry, &registry.alice, "team/app", at_us) {
        socket.send(message).await.unwrap();
    }
    found(&registry, "app", 1).await;
    drop(socket);
    // The first address fails again, and then it goes on where it was.
    let (asked, mut socket) = jetstream.connection().await;
    let (_, cursor) = asked.split_once("cursor=").expect("a cursor");
    assert_eq!(cursor.parse::<u64>().unwrap(), at_us + 1 - 5_000_000, "a little before");
    let gone = json!({ "did": registry.alice, "time_us": at_us + 2, "kind": "account", "account": { "active": false, "status": "takendown" } });
    socket.send(Message::text(gone.to_string())).await.unwrap();
    found(&registry, "app", 0).await;
    let back = json!({ "did": registry.alice, "time_us": at_us + 3, "kind": "account", "account": { "active": true } });
    socket.send(Message::text(back.to_string())).await.unwrap();
    found(&registry, "app", 1).await;
}

/// Whoever has an account can have as many such events as they like.
#[tokio::test]
async fn a_changed_handle_is_seen_at_its_event_and_many_events_ask_once() {
    let mut jetstream = Jetstream::start().await;
    let mut registry = registry(&jetstream.url).await;
    let (did, network) = (registry.alice.clone(), registry.network.shared.clone());
    let _ = jetstream.connection().await;
    let known =
        format!("INSERT INTO index_account (did, handle, ask_us, records) VALUES ('{did}', 'alice.test', 1 << 60, 1);");
    registry.restart_after(&known).await;
    let (_, mut socket) = jetstream.connection().await;
    // Its document and its handle are in the caches.
    registry.get("/xrpc/io.atcr.appview.listRepositories?owner=alice.test").await.ok();
    let mut renamed = document(&did, 1);
    renamed["alsoKnownAs"] = json!(["at://new.test"]);
    registry.network.publish(&did, &renamed);
    let new = "/xrpc/com.atproto.identity.resolveHandle?handle=new.test";
    registry.network.set(new, Reply::Body(json!({ "did": did }).to_string()));
    let event = json!({ "did": did, "time_us": now_us(), "kind": "identity", "identity": { "did": did } }).to_string();
    socket.send(Message::text(event.clone())).await.unwrap();
    let database = Connection::open(registry.database()).unwrap();
    let handle = || database.query_row("SELECT handle FROM index_account", [], |row| row.get::<_, String>(0)).unwrap();
    until("its new handle is known", || handle() == "new.test").await;
    let asked = || {
        let asked = network.asked.lock().unwrap();
        [format!("/{did}"), new.to_owned()].map(|path| asked.get(&path).map_or(0, |(times, _)| *times))
    };
    assert_eq!(asked(), [2, 1]);
    for _ in 0..10 {
        socket.send(Message::text(event.clone())).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(asked(), [2, 1]);
    // It is not forgotten that there was one.
    let sql = "SELECT count(*) FROM index_account WHERE ask_us BETWEEN ?1 AND ?1 + 60 * 1000000";
    let is_soon = || database.query_row(sql, [now_us().cast_signed()], |row| row.get::<_, u32>(0)).unwrap() == 1;
    until("it is checked again within the minute", is_soon).await;
}

/// What the directory's cached document says of a handle is no answer to an event that it has changed.
#[tokio::test]
async fn a_handle_that_changed_while_the_directory_was_away_is_looked_up_again_soon() {
    let mut jetstream = Jetstream::start().await;
    let mut registry = registry(&jetstream.url).await;
    let did = registry.alice.clone();
    let _ = jetstream.connection().await;
    let known =
        format!("INSERT INTO index_account (did, handle, ask_us, records) VALUES ('{did}', 'alice.test', 1 << 60, 1);");
    registry.restart_after(&known).await;
    let (_, mut socket) = jetstream.connection().await;
    registry.get("/xrpc/io.atcr.appview.listRepositories?owner=alice.test").await.ok();
    let away = "HTTP/1.1 503 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    registry.network.set(&format!("/{did}"), Reply::Raw(away.into()));
    let event = json!({ "did": did, "time_us": now_us(), "kind": "identity", "identity": { "did": did } }).to_string();
    socket.send(Message::text(event)).await.unwrap();
    let database = Connection::open(registry.database()).unwrap();
    let ask_us = || database.query_row("SELECT ask_us FROM index_account", [], |row| row.get::<_, i64>(0)).unwrap();
    let is_looked_up = || ask_us() > now_us().cast_signed() && ask_us() < 1 << 60;
    until("it was looked up", is_looked_up).await;
    assert!(ask_us() < now_us().cast_signed() + 6 * 60 * 1_000_000, "five minutes from then");
}

/// A crew that changed is read again in a minute; when the hold does not say who is in it then, soon after that.
#[tokio::test]
async fn a_crew_that_could_not_be_read_is_read_again_soon() {
    let mut registry = Registry::start([("UNRELATED", "1")]).await;
    has_captain(&registry);
    let hold = format!("did%3Aweb%3Alocalhost%253A{}", registry.network.port);
    let crew = format!("/xrpc/com.atproto.repo.listRecords?repo={hold}&collection=io.atcr.hold.crew&limit=100");
    let away = "HTTP/1.1 503 X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    registry.network.set(&crew, Reply::Raw(away.into()));
    let (did, port) = (registry.alice.clone(), registry.network.port);
    let known = format!(
        "INSERT INTO index_account (id, did, ask_us, records) VALUES (1, '{did}', 1 << 60, 1);
         INSERT INTO index_hold (did, is_public, ask_us) VALUES ('did:web:localhost%3A{port}', 1, 1);
         INSERT INTO index_repository (id, account, name, hold, pushed_us, is_shown)
         VALUES (1, 1, 'app', 'did:web:localhost%3A{port}', 1, 1);"
    );
    registry.restart_after(&known).await;
    let asked = || registry.network.shared.asked.lock().unwrap().contains_key(&crew);
    until("its crew was asked for", asked).await;
    let database = Connection::open(registry.database()).unwrap();
    let sql = "SELECT count(*) FROM index_hold WHERE ask_us BETWEEN ?1 AND ?1 + 6 * 60 * 1000000";
    let is_soon = || database.query_row(sql, [now_us().cast_signed()], |row| row.get::<_, u32>(0)).unwrap() == 1;
    until("it is asked again in five minutes", is_soon).await;
}

/// It has accounts for two minutes of listings, if none were beside them.
#[tokio::test]
async fn a_pds_that_stalls_keeps_no_account_of_another_one_waiting() {
    let mut jetstream = Jetstream::start().await;
    let registry = registry(&jetstream.url).await;
    // Connections are accepted by the system, and nobody answers.
    let stalling = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_, mut socket) = jetstream.connection().await;
    let profile = ("self".to_owned(), json!({ "createdAt": "2026-01-01T00:00:00Z" }));
    for number in 30..54 {
        let did = account_at(&registry, number, stalling.local_addr().unwrap().port());
        socket.send(commit(&did, now_us(), "create", "io.atcr.sailor.profile", &profile)).await.unwrap();
    }
    let _listed = tokio::time::timeout(Duration::from_secs(60), stalling.accept()).await.expect("a listing").unwrap();
    let quick = account(&registry, 60);
    socket.send(commit(&quick, now_us(), "create", "io.atcr.sailor.profile", &profile)).await.unwrap();
    let asked = format!("listRecords?repo={}&", quick.as_str().replace(':', "%3A"));
    let is_asked = || registry.network.shared.asked.lock().unwrap().keys().any(|path| path.contains(&asked));
    until("it is listed beside those of the PDS that stalls", is_asked).await;
}

#[tokio::test]
async fn a_busy_relay_is_not_taken_for_a_server_that_cannot_list_by_collection() {
    let relay = DidServer::start().await;
    let by_collection = "/xrpc/com.atproto.sync.listReposByCollection?collection=io.atcr.manifest&limit=500";
    let all = "/xrpc/com.atproto.sync.listRepos?limit=500";
    relay.set(by_collection, Reply::Raw("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n".into()));
    relay.set(all, Reply::Body(json!({ "repos": [] }).to_string()));
    let _registry = Registry::start([("ATCR_RELAY_URL", &format!("http://localhost:{}", relay.port))]).await;
    let asked = |path: &str| relay.shared.asked.lock().unwrap().get(path).map_or(0, |(times, _)| *times);
    until("the relay is asked", || asked(by_collection) > 0).await;
    assert_eq!(asked(by_collection), 1);
    // Its first two pages of all accounts would have passed for the whole list.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(asked(all), 0);
}

#[tokio::test]
async fn hostile_events_do_no_harm_and_a_flood_displaces_nobody() {
    let mut jetstream = Jetstream::start().await;
    let registry = registry(&jetstream.url).await;
    let (_, mut socket) = jetstream.connection().await;
    let (alice, mallory) = (account(&registry, 1), account(&registry, 2));
    let at_us = now_us();
    for did in [&alice, &mallory] {
        let profile = ("self".to_owned(), json!({ "createdAt": "2026-01-01T00:00:00Z" }));
        socket.send(commit(did, at_us, "create", "io.atcr.sailor.profile", &profile)).await.unwrap();
    }
    for did in [&alice, &mallory] {
        listed(&registry, did).await;
    }
    for message in image(&registry, &alice, "app", at_us) {
        socket.send(message).await.unwrap();
    }
    for text in [
        "",
        "{",
        "null",
        "[1]",
        "{\"did\":\"x\"}",
        &"[".repeat(200_000),
        &format!("{{\"did\":\"{alice}\",\"time_us\":1e300}}"),
    ] {
        socket.send(Message::text(text.to_owned())).await.unwrap();
    }
    socket.send(Message::binary(vec![0xff; 1000])).await.unwrap();
    for key in ["../..", "", &"k".repeat(5000)] {
        let record = json!({ "repository": "A".repeat(100_000), "tag": 7, "digest": null });
        socket.send(commit(&mallory, at_us, "create", "io.atcr.tag", &(key.to_owned(), record))).await.unwrap();
    }
    // A time that is ahead does not have what comes after it skipped.
    socket.send(commit(&mallory, u64::MAX, "delete", "io.atcr.tag", &("x".into(), json!(null)))).await.unwrap();
    for number in 0..500 {
        let [manifest, tag] = image(&registry, &mallory, &format!("flood{number}"), at_us);
        socket.feed(manifest).await.unwrap();
        socket.feed(tag).await.unwrap();
    }
    socket.flush().await.unwrap();
    found(&registry, "flood499", 1).await;
    found(&registry, "alice.test", 1).await;
    assert_eq!(names(&registry, "app").await, ["app"]);
    // What is larger than any event ends the connection, and no more.
    let _ = socket.send(Message::text("x".repeat(7 * 1024 * 1024))).await;
    let (asked, mut socket) = jetstream.connection().await;
    let (_, cursor) = asked.split_once("cursor=").expect("a cursor");
    assert!(cursor.parse::<u64>().unwrap() <= now_us());
    for message in image(&registry, &alice, "later", at_us) {
        socket.send(message).await.unwrap();
    }
    found(&registry, "later", 1).await;
}

#[tokio::test]
async fn an_account_that_is_not_active_is_not_shown_where_no_events_say_so() {
    let mut registry = Registry::start([("UNRELATED", "1")]).await;
    has_captain(&registry);
    let (did, port) = (registry.alice.clone(), registry.network.port);
    let status = format!("/xrpc/com.atproto.sync.getRepoStatus?did={}", did.as_str().replace(':', "%3A"));
    let known = format!(
        "INSERT INTO index_account (id, did, ask_us, records) VALUES (1, '{did}', 1, 1);
         INSERT INTO index_hold (did, is_public, ask_us) VALUES ('did:web:localhost%3A{port}', 1, 1 << 60);
         INSERT INTO index_repository (id, account, name, hold, pushed_us, is_shown)
         VALUES (1, 1, 'app', 'did:web:localhost%3A{port}', 1, 1);
         INSERT INTO index_manifest VALUES (1, zeroblob(32), 1, 'did:web:localhost%3A{port}', '', '', 1, 1);
         INSERT INTO pushed_repository VALUES ('{did}', 'app', 'http://localhost:{port}', 1);"
    );
    for (state, shown, statements) in [
        (json!({ "active": true }), 1, known.as_str()),
        (json!({ "active": false, "status": "takendown" }), 0, "UPDATE index_account SET ask_us = 1"),
        (json!({}), 0, "UPDATE index_account SET ask_us = 1"),
        (json!({ "active": true }), 1, "UPDATE index_account SET ask_us = 1"),
    ] {
        registry.network.set(&status, Reply::Body(state.to_string()));
        registry.restart_after(statements).await;
        let database = Connection::open(registry.database()).unwrap();
        let sql = "SELECT count(*) FROM index_account WHERE ask_us > 1";
        until("it is checked", || database.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap() == 1).await;
        let listed = registry.get("/xrpc/io.atcr.appview.listRepositories").await.ok();
        assert_eq!(listed["repositories"].as_array().unwrap().len(), shown, "{state}");
        let home = registry.call("GET", "/").header("host", HOST).header("accept", "text/html").send().await;
        assert_eq!(home.text().matches("/app\"").count(), shown, "{state}: {}", home.text());
    }
}
