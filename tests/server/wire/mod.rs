//! The connection layer over real sockets, byte by byte, with a handler that echoes.

mod bodies;
mod cuts;
mod endings;
mod files;
mod heads;
mod times;

use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use server::daemon::{Activity, Stream, catch_panic};
use server::wire::{BodyFault, Connection, FileWriter, HttpLimits, Peer, Request, Response, ResponseBody, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;

/// The body that the handler's program has for a panic.
const PANICKED: &str = r#"{"error":"InternalServerError","message":"Internal Server Error"}"#;

/// What a test may steer while a handler runs.
#[derive(Clone, Default)]
struct Stage {
    /// A handler of `/wait` was entered.
    entered: Arc<Notify>,
    /// Lets it answer; and one of `/halves` send the second half of its body.
    release: Arc<Notify>,
    /// What `/file` answers.
    file: Option<Arc<File>>,
}

/// Answers by the request's path; see each arm.
async fn echo(stage: Stage, mut request: Request) -> Response {
    if let Some(refusal) = request.refusal {
        return answer(refusal.status.as_u16(), refusal.reason);
    }
    match request.head.uri.path() {
        "/panic" => catch_panic(async { panic!("as the test asked") }).await.unwrap_or_else(|message: String| {
            answer(500, if message == "as the test asked" { PANICKED } else { "other words" })
        }),
        "/panic/uncaught" => panic!("as the test asked"),
        "/unread" => answer(413, "unread"),
        "/limited" => reply(request.body.collect(10).await),
        "/wait" => {
            stage.entered.notify_one();
            stage.release.notified().await;
            answer(200, "waited")
        }
        "/halves" => {
            let second = async move {
                stage.release.notified().await;
                Ok("def".into())
            };
            use futures_util::StreamExt as _;
            streamed(Some(6), stream::iter([Ok("abc".into())]).chain(stream::once(second)))
        }
        "/file" => files::answer(&stage.file.unwrap(), &request.head),
        "/endless" => streamed(None, stream::repeat_with(|| Ok(Bytes::from_static(&[7; 65536])))),
        "/known" => streamed(Some(6), stream::iter([Ok("abc".into()), Ok("def".into())])),
        "/nothing" => streamed(Some(0), stream::empty()),
        "/short" => streamed(Some(6), stream::iter([Ok("abc".into())])),
        "/broken" => streamed(None, stream::iter([Ok("abc".into()), Err(std::io::ErrorKind::Other.into())])),
        "/never" => {
            use futures_util::StreamExt as _;
            while let Some(Ok(_)) = request.body.next().await {}
            std::future::pending().await
        }
        _ => reply(request.body.collect(u64::MAX).await),
    }
}

fn reply(body: Result<Bytes, BodyFault>) -> Response {
    match body {
        Ok(bytes) => Response::new(ResponseBody::full(bytes)),
        Err(BodyFault::TooLarge) => answer(413, "too large"),
        Err(BodyFault::TimedOut) => answer(408, "body timed out"),
        Err(BodyFault::Malformed) => answer(400, "body malformed"),
        Err(BodyFault::Disconnected) => answer(499, "gone"),
    }
}

fn answer(status: u16, text: &'static str) -> Response {
    http::Response::builder().status(status).body(ResponseBody::full(text)).unwrap()
}

fn streamed(
    length: Option<u64>,
    pieces: impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static,
) -> Response {
    Response::new(ResponseBody::stream(length, pieces))
}

/// A connection that is served, as a program's public sockets are.
fn served(stream: Stream, peer: Peer, stage: &Stage, limits: HttpLimits, drain: &CancellationToken) -> JoinHandle<()> {
    let stage = stage.clone();
    let handler = move |request: Request| echo(stage.clone(), request);
    let stream = FileWriter::new(stream);
    let files = Some(stream.files());
    let (drain, activity) = (drain.clone(), Activity::default());
    tokio::spawn(serve(Connection { io: stream, peer, drain, activity, files }, limits, handler))
}

/// One connection to the layer.
struct Wire {
    client: TcpStream,
    stage: Stage,
    drain: CancellationToken,
    /// Ends when the layer is done with the connection.
    served: JoinHandle<()>,
}

impl Wire {
    async fn new() -> Self {
        Self::with(HttpLimits::default()).await
    }

    async fn with(limits: HttpLimits) -> Self {
        Self::start(limits, Stage::default()).await
    }

    async fn start(limits: HttpLimits, stage: Stage) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, address) = listener.accept().await.unwrap();
        let drain = CancellationToken::new();
        let served = served(Either::Left(server), Peer::Ip(address), &stage, limits, &drain);
        Self { client, stage, drain, served }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The next answer, which must have Content-Length.
    async fn receive(&mut self) -> Answer {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.client.read_u8().await.expect("an answer's head"));
        }
        let head = String::from_utf8(head).unwrap();
        let mut answer = Answer { status: status(&head), head, body: Vec::new() };
        if answer.status != 100 {
            answer.body.resize(answer.header("content-length").expect("a length").parse().unwrap(), 0);
            self.client.read_exact(&mut answer.body).await.unwrap();
        }
        answer
    }

    /// All that comes until the connection ends in order.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.client.read_to_end(&mut rest).await.expect("the end of the connection, not a reset");
        String::from_utf8(rest).unwrap()
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(field, _)| *field == name).map(|it| it.1)
    }

    fn closes(&self) -> bool {
        self.header("connection") == Some("close")
    }
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).expect("a status line").parse().unwrap()
}
