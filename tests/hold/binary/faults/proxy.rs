//! Stands between a real S3 server and everybody who talks to it, and lets things go wrong.
//!
//! Requests and answers pass unchanged but for the fault and the `Connection` header, which is not signed: the
//! `Host` that a URL is signed for is the proxy's own, and the server takes it as it comes.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

use super::fault::{Fault, Tally, Wish, is_presigned};
use super::message::Message;
use crate::binary::dice::Dice;

/// Of a hundred requests, so many go wrong. Storms come on top.
const RATE: u64 = 30;
const LONGEST_STORM: u64 = 6;
/// What a server here may take for its whole answer.
const PATIENCE: Duration = Duration::from_secs(60);
const ERROR: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InternalError</Code></Error>";

pub(super) struct Proxy {
    pub(super) port: u16,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

struct Shared {
    /// The server's address.
    server: String,
    state: Mutex<State>,
}

struct State {
    dice: Dice,
    /// Whether things go wrong at all.
    armed: bool,
    /// The longest stall, in milliseconds.
    stall_ms: u64,
    /// Requests that are still to be refused by the storm of this moment.
    storm: u64,
    requests: u64,
    tally: Tally,
    /// Where the client of the store was told or done what is not so: the paths of those requests.
    lied: BTreeSet<String>,
}

impl Proxy {
    /// Passes everything on to `endpoint`, until it is armed.
    pub(super) fn start(endpoint: &str, dice: Dice, stall_ms: u64) -> Self {
        let state = State {
            dice,
            armed: false,
            stall_ms,
            storm: 0,
            requests: 0,
            tally: Tally::default(),
            lied: BTreeSet::new(),
        };
        let server = endpoint.strip_prefix("http://").expect("a server on plain http").to_owned();
        let shared = Arc::new(Shared { server, state: Mutex::new(state) });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                tokio::spawn(async move {
                    let _ = shared.serve(stream).await;
                });
            }
        });
        Self { port, shared, _runtime: runtime }
    }

    pub(super) fn arm(&self, armed: bool) {
        let mut state = self.shared.state.lock().unwrap();
        state.armed = armed;
        state.storm = 0;
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn faults(&self) -> u64 {
        self.shared.state.lock().unwrap().tally.total()
    }

    /// Whether somebody was lied to about a path with `word` in it.
    pub(super) fn lied_about(&self, word: &str) -> bool {
        self.shared.state.lock().unwrap().lied.iter().any(|path| path.contains(word))
    }

    /// What went wrong, for the record.
    pub(super) fn summary(&self) -> String {
        let state = self.shared.state.lock().unwrap();
        format!("{} faults in {} requests ({})", state.tally.total(), state.requests, state.tally)
    }
}

impl Shared {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut client = BufReader::new(stream);
        while let Some(request) = Message::read(&mut client).await? {
            let is_last = request.header("connection") == Some("close");
            let goes_on = match self.next_fault(&request) {
                Some(fault) => self.go_wrong(fault, request, client.get_mut()).await?,
                None => pass_on(&self.forward(&request).await?, client.get_mut()).await?,
            };
            if is_last || !goes_on {
                return Ok(());
            }
        }
        Ok(())
    }

    fn next_fault(&self, request: &Message) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        state.requests += 1;
        if !state.armed {
            return None;
        }
        if state.storm > 0 {
            state.storm -= 1;
            state.tally.note(Fault::Storm);
            return Some(Fault::SlowDown);
        }
        if state.dice.below(100) >= RATE {
            return None;
        }
        let mut fault = Fault::draw(&mut state.dice, request);
        if fault == Fault::CutRequest && request.body.is_empty() {
            fault = Fault::ResetBefore;
        }
        state.tally.note(fault);
        if fault == Fault::Storm {
            state.storm = 1 + state.dice.below(LONGEST_STORM);
        }
        if fault.is_lie() {
            state.lied.insert(request.target().split('?').next().unwrap_or_default().to_owned());
        }
        Some(fault)
    }

    fn below(&self, limit: u64) -> u64 {
        self.state.lock().unwrap().dice.below(limit)
    }

    /// Answers whether the connection goes on.
    async fn go_wrong(&self, fault: Fault, mut request: Message, client: &mut TcpStream) -> io::Result<bool> {
        match fault {
            Fault::InternalError => refuse(&request, "500 Internal Server Error", "InternalError", client).await,
            Fault::SlowDown | Fault::Storm => refuse(&request, "503 Slow Down", "SlowDown", client).await,
            Fault::ResetBefore => reset(client),
            Fault::LostReply => {
                self.forward(&request).await?;
                reset(client)
            }
            Fault::LateArrival => {
                client.set_zero_linger()?;
                client.shutdown().await?;
                tokio::time::sleep(Duration::from_millis(200 + self.below(2_000))).await;
                self.forward(&request).await?;
                Ok(false)
            }
            Fault::CutRequest => {
                let half = request.body.len() / 2;
                let mut server = self.connect(&request).await?;
                server.write_all(&request.body[..half]).await?;
                drop(server);
                reset(client)
            }
            Fault::StallBefore => {
                self.stall().await;
                reset(client)
            }
            Fault::StallAfter => {
                self.forward(&request).await?;
                self.stall().await;
                reset(client)
            }
            Fault::ErrorInSuccess => pass_on(&Message::answer("200 OK", ERROR), client).await,
            Fault::ErrorAfterSuccess => {
                self.forward(&request).await?;
                pass_on(&Message::answer("200 OK", &format!("   \n{ERROR}")), client).await
            }
            Fault::SkewedRequest => {
                request.skew();
                pass_on(&self.forward(&request).await?, client).await
            }
            Fault::WrongByte => {
                let at = usize::try_from(self.below(request.body.len() as u64)).unwrap();
                request.body[at] ^= 0x10;
                pass_on(&self.forward(&request).await?, client).await
            }
            _ => self.spoil(fault, self.forward(&request).await?, client).await,
        }
    }

    /// The answer is there: it goes wrong on its way back.
    async fn spoil(&self, fault: Fault, mut answer: Message, client: &mut TcpStream) -> io::Result<bool> {
        match fault {
            Fault::SkewedAnswer => answer.set("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            Fault::WrongEtag if answer.header("etag").is_some() => {
                answer.set("ETag", format!("\"{:032x}\"", self.below(1 << 31)));
            }
            Fault::WrongLength => {
                let length: u64 = answer.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
                let more = self.below(2) == 0 || length == 0;
                answer.set("Content-Length", if more { length + 7 } else { length - 1 }.to_string());
                pass_on(&answer, client).await?;
                return Ok(false);
            }
            Fault::Drip => {
                let bytes = answer.bytes();
                for drop in bytes.chunks(bytes.len().div_ceil(8)) {
                    client.write_all(drop).await?;
                    tokio::time::sleep(Duration::from_millis(self.below(80))).await;
                }
                return Ok(keeps_open(&answer));
            }
            Fault::CutAnswer => {
                let bytes = if answer.body.len() > 1 { answer.bytes() } else { answer.head_bytes() };
                let start = if answer.body.len() > 1 { bytes.len() - answer.body.len() } else { 1 };
                let end = start + usize::try_from(self.below((bytes.len() - start) as u64)).unwrap();
                client.write_all(&bytes[..end]).await?;
                return Ok(false);
            }
            Fault::SilentClose => {
                pass_on(&answer, client).await?;
                return Ok(false);
            }
            _ => {}
        }
        pass_on(&answer, client).await
    }

    async fn stall(&self) {
        let longest_ms = self.state.lock().unwrap().stall_ms;
        // Most are short.
        let limit_ms = if self.below(8) == 0 { longest_ms } else { 1_000 };
        tokio::time::sleep(Duration::from_millis(100 + self.below(limit_ms))).await;
    }

    /// A connection to the server on which the head was sent.
    async fn connect(&self, request: &Message) -> io::Result<TcpStream> {
        let mut server = TcpStream::connect(&self.server).await?;
        server.set_nodelay(true)?;
        let mut head = request.clone();
        head.set("Connection", "close");
        server.write_all(&head.head_bytes()).await?;
        Ok(server)
    }

    async fn forward(&self, request: &Message) -> io::Result<Message> {
        let mut server = self.connect(request).await?;
        // A server that refuses need not read the body.
        let _ = server.write_all(&request.body).await;
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, server.read_to_end(&mut bytes)).await;
        assert!(read.is_ok(), "the S3 server itself hangs: {:?} {}", Wish::of(request), is_presigned(request));
        let mut answer = Message::parse(&bytes)?;
        answer.remove("connection");
        Ok(answer)
    }
}

/// Sends an answer; without a length it ends with the connection.
async fn pass_on(answer: &Message, client: &mut TcpStream) -> io::Result<bool> {
    client.write_all(&answer.bytes()).await?;
    Ok(keeps_open(answer))
}

fn keeps_open(answer: &Message) -> bool {
    answer.header("content-length").is_some() && answer.header("transfer-encoding").is_none()
}

async fn refuse(request: &Message, status: &str, code: &str, client: &mut TcpStream) -> io::Result<bool> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Resource>/a/secret/path</Resource></Error>");
    let mut answer = Message::answer(status, &body);
    if request.method() == "HEAD" {
        answer.body.clear();
    }
    pass_on(&answer, client).await
}

/// The next thing the client sees is a reset.
fn reset(client: &TcpStream) -> io::Result<bool> {
    client.set_zero_linger()?;
    Ok(false)
}
