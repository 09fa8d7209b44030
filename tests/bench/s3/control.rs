//! Requests that only ask for a URL: how many a second, on connections that are kept, with a token that is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Failure;
use crate::hold::Hold;
use crate::transfer::complete;
use crate::wire::Connection;

const CONNECTIONS: usize = 32;
const WARMING: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(2);
const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Requests a second, and processor seconds of the hold in a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) requests: f64,
    pub(crate) processors: f64,
}

/// URLs for parts, of one upload a connection.
pub(crate) async fn part_urls(hold: &Hold) -> Result<Rate, Failure> {
    let mut control = hold.connect().await?;
    let mut requests = Vec::new();
    for _ in 0..CONNECTIONS {
        let input = json!({ "digest": "uploads/temp-1" });
        let begun = hold.post(&mut control, "io.atcr.hold.initiateUpload", &input).await?;
        let body = json!({ "uploadId": begun["uploadId"], "partNumber": 7 }).to_string();
        let headers = format!("{}Content-Type: application/json\r\n", hold.bearer());
        let head = control.head("POST", "/xrpc/io.atcr.hold.getPartUploadUrl", &headers, body.len());
        requests.push(format!("{head}{body}").into_bytes());
    }
    drive(Some(hold), &hold_address(hold), requests).await
}

/// Makes the empty blob, which takes no part, and answers its digest.
pub(crate) async fn empty_blob(hold: &Hold) -> Result<&'static str, Failure> {
    let mut control = hold.connect().await?;
    let input = json!({ "digest": "uploads/temp-1" });
    let begun = hold.post(&mut control, "io.atcr.hold.initiateUpload", &input).await?;
    let id = begun["uploadId"].as_str().ok_or("no upload")?;
    complete(hold, &mut control, id, EMPTY, &[]).await?;
    Ok(EMPTY)
}

/// URLs for a blob that is there.
pub(crate) async fn blob_urls(hold: &Hold, digest: &str) -> Result<Rate, Failure> {
    let control = hold.connect().await?;
    let head = control.head("GET", &hold.blob_target(digest), &hold.bearer(), 0);
    drive(Some(hold), &hold_address(hold), vec![head.into_bytes(); CONNECTIONS]).await
}

/// What the generator itself can do: against a server that answers the same bytes to whatever comes.
pub(crate) async fn own_limit() -> Result<Rate, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{}", "x".repeat(400));
    let accepting = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let listener = runtime.block_on(async { TcpListener::from_std(listener.into_std()?) });
        runtime.block_on(async {
            let listener = listener.map_err(|error| error.to_string())?;
            let mut open = JoinSet::new();
            for _ in 0..CONNECTIONS {
                let (mut stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
                let answer = answer.clone();
                open.spawn(async move {
                    let mut request = [0; 4096];
                    while stream.read(&mut request).await.is_ok_and(|count| count > 0) {
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            break;
                        }
                    }
                });
            }
            open.join_all().await;
            Ok::<_, String>(())
        })
    });
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\n{}\r\n\r\n", "x".repeat(700)).into_bytes();
    let rate = drive(None, &address, vec![request; CONNECTIONS]).await?;
    accepting.join().map_err(|_| "the constant server failed")??;
    Ok(rate)
}

fn hold_address(hold: &Hold) -> String {
    format!("localhost:{}", hold.port)
}

/// Sends each request again and again, on a connection of its own.
async fn drive(hold: Option<&Hold>, address: &str, requests: Vec<Vec<u8>>) -> Result<Rate, Failure> {
    let (count, done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for request in requests {
        let mut connection = Connection::open(address).await?;
        let (count, done) = (Arc::clone(&count), Arc::clone(&done));
        clients.spawn(async move {
            while !done.load(Ordering::Relaxed) {
                let answer = connection.exchange(&request, b"").await?;
                if answer.status != 200 {
                    return Err::<(), Failure>(format!("{}", String::from_utf8_lossy(&answer.body)).into());
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
    }
    tokio::time::sleep(WARMING).await;
    let processor_s = || hold.map_or(Ok(0.0), Hold::processor_s);
    let (before, busy_before, began) = (count.load(Ordering::Relaxed), processor_s()?, Instant::now());
    tokio::time::sleep(MEASURED).await;
    let (after, busy_after, seconds) = (count.load(Ordering::Relaxed), processor_s()?, began.elapsed().as_secs_f64());
    done.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let requests = (after - before) as f64 / seconds;
    Ok(Rate { requests, processors: (busy_after - busy_before) / seconds })
}
