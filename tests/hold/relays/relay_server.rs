//! A relay on loopback that keeps what it was asked and answers as it was told.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A request that does not come fails its test after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a request gets.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    Status(u16),
    /// The connection is closed.
    Cut,
    /// Nothing, until the client gives up.
    Silence,
}

/// One request that came in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    pub(super) line: String,
    pub(super) content_type: Option<String>,
    pub(super) body: Value,
    /// After silence it is told a second time, when the client has given up.
    pub(super) given_up: bool,
}

pub(super) struct RelayServer {
    /// Its base URL.
    pub(super) url: String,
    asked: mpsc::UnboundedReceiver<Asked>,
}

impl RelayServer {
    /// Gives these replies in turn, and 200 ever after.
    pub(super) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<_> = replies.into_iter().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let reply = replies.pop_front().unwrap_or(Reply::Status(200));
                tokio::spawn(serve(stream, reply, tell.clone()));
            }
        });
        Self { url, asked }
    }

    pub(super) async fn next(&mut self) -> Asked {
        let next = tokio::time::timeout(PATIENCE, self.asked.recv()).await;
        next.expect("the relay is asked").expect("the relay runs")
    }

    pub(super) fn was_asked_again(&mut self) -> bool {
        self.asked.try_recv().is_ok()
    }
}

async fn serve(mut stream: TcpStream, reply: Reply, tell: mpsc::UnboundedSender<Asked>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let mut body = vec![0; header("content-length").expect("a length").parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    let mut asked = Asked {
        line: head.lines().next().unwrap().to_owned(),
        content_type: header("content-type"),
        body: serde_json::from_slice(&body).unwrap(),
        given_up: false,
    };
    match reply {
        Reply::Status(status) => {
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\n{{}}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        Reply::Cut => drop(stream),
        Reply::Silence => {
            let _ = tell.send(asked.clone());
            asked.given_up = matches!(stream.read(&mut [0]).await, Ok(0) | Err(_));
        }
    }
    let _ = tell.send(asked);
}
