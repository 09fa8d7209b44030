//! A small HTTP server on loopback that plays PLC directory and did:web host, and the documents it serves.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use atproto::keys::SigningKey;
use atproto::syntax::Did;
use serde_json::{Value, json};
use server::bulkhead::Caller;
use server::identity::{Asker, Pool, Resolver, ResolverSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a path answers.
#[derive(Clone)]
pub(crate) enum Reply {
    /// 200 with this body.
    Body(String),
    /// 200 with these bytes.
    Bytes(Vec<u8>),
    /// These bytes, head and all.
    Raw(String),
    /// These bytes, then silence with the connection open.
    Stall(String),
    /// 200 with this body, once [`DidServer::release`] was called.
    Held(String),
}

const LIST_RECORDS: &str = "/xrpc/com.atproto.repo.listRecords?";

/// What the server answers, and what it was asked.
#[derive(Default)]
pub(crate) struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    /// Whether what stalls sends one more byte every 50 ms.
    pub(crate) drips: AtomicBool,
    connections: AtomicUsize,
    requests: AtomicUsize,
    /// How often each path was asked for, and the last body that came with it.
    pub(crate) asked: Mutex<HashMap<String, (usize, Vec<u8>)>>,
}

/// Answers 404 for every path that was not given a reply.
pub(crate) struct DidServer {
    pub(crate) port: u16,
    pub(crate) shared: Arc<Shared>,
    released: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

impl DidServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let (released, gate) = watch::channel(false);
        let state = shared.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                state.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, state.clone(), gate.clone()));
            }
        });
        Self { port, shared, released, accepting }
    }

    pub(crate) fn set(&self, path: &str, reply: Reply) {
        self.shared.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// Serves `document` as the PLC directory does.
    pub(crate) fn publish(&self, did: &Did, document: &Value) {
        self.set(&format!("/{did}"), Reply::Bytes(document.to_string().into_bytes()));
    }

    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    /// From now on connections are refused.
    pub(crate) async fn stop(&mut self) {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Settings of a test-mode resolver that has this server as its PLC directory.
    pub(crate) fn settings(&self) -> ResolverSettings {
        ResolverSettings { plc_directory: format!("http://localhost:{}", self.port), test_mode: true }
    }

    pub(crate) fn resolver(&self) -> Resolver {
        Resolver::new(&self.settings()).unwrap()
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>, mut gate: watch::Receiver<bool>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let head = String::from_utf8(head).unwrap();
    // Left unread, a body would make the kernel reset the connection, and the answer with it.
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = stream.read_exact(&mut body).await;
    let path = head.split(' ').nth(1).unwrap();
    {
        let mut asked = shared.asked.lock().unwrap();
        let (count, last) = asked.entry(path.to_owned()).or_default();
        *count += 1;
        *last = body;
    }
    let reply = shared.replies.lock().unwrap().get(path).cloned();
    let answer = match reply {
        // A PDS without records.
        None if path.starts_with(LIST_RECORDS) => ok("{\"records\":[]}"),
        None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into(),
        Some(Reply::Body(body)) => ok(&body),
        Some(Reply::Raw(text)) => text,
        Some(Reply::Bytes(bytes)) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
            let _ = stream.write_all(&[head.as_bytes(), &bytes].concat()).await;
            return;
        }
        Some(Reply::Held(body)) => {
            let _ = gate.wait_for(|released| *released).await;
            ok(&body)
        }
        Some(Reply::Stall(text)) => {
            let _ = stream.write_all(text.as_bytes()).await;
            while shared.drips.load(Ordering::Relaxed) && stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
            // Until the client gives up.
            let _ = stream.read_u8().await;
            return;
        }
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// Who looks up accounts of this pool from the `number`th network.
pub(crate) fn asker(pool: Pool, number: u32) -> Asker {
    Asker { pool, caller: Caller::Network(Ipv4Addr::from_bits(u32::from_be_bytes([10, 0, 0, 0]) + number).into()) }
}

/// The `number`th did:plc.
pub(crate) fn plc(number: u32) -> Did {
    // The alphabet has no 0, 1, 8 and 9: decimal digits as letters.
    let id: String = format!("{number:024}").bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
    Did::parse(&format!("did:plc:{id}")).unwrap()
}

/// The `number`th K-256 key.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32]).unwrap()
}

/// A document of `did` with the key `number` as plc.directory writes it.
pub(crate) fn document(did: &Did, number: u8) -> Value {
    document_with(did, &format!("{did}#atproto"), "Multikey", &key(number).public().to_multikey())
}

pub(crate) fn document_with(did: &Did, key_id: &str, key_type: &str, multibase: &str) -> Value {
    json!({
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": did,
        "alsoKnownAs": ["https://example.org/@alice", "at://alice.test", "at://other.test"],
        "verificationMethod": [
            { "id": "#other", "type": "JsonWebKey2020", "controller": did, "publicKeyJwk": { "kty": "EC" } },
            { "id": key_id, "type": key_type, "controller": did, "publicKeyMultibase": multibase },
        ],
        "service": [
            { "id": "#elsewhere", "type": "Other", "serviceEndpoint": { "uri": "https://x.example" } },
            { "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.example" },
        ],
    })
}
