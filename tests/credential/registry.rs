//! A registry on loopback that says what a test wants, and what it was asked.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

#[derive(Default)]
struct Shared {
    /// What the paths answer: each the next of its list, the last one for ever.
    answers: Mutex<Vec<(String, VecDeque<String>)>>,
    asked: Mutex<Vec<(String, String)>>,
}

pub(crate) struct FakeRegistry {
    pub(crate) name: String,
    shared: Arc<Shared>,
}

/// An answer in JSON.
pub(crate) fn json_of(status: u16, body: &Value) -> String {
    raw(status, "content-type: application/json\r\n", &body.to_string())
}

pub(crate) fn raw(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// An error as RFC 8628 has it.
pub(crate) fn error(name: &str) -> String {
    json_of(400, &json!({ "error": name, "error_description": format!("so it is: {name}") }))
}

impl FakeRegistry {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("localhost:{}", listener.local_addr().unwrap().port());
        let shared = Arc::<Shared>::default();
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&state);
                thread::spawn(move || serve(stream.unwrap(), &state));
            }
        });
        Self { name, shared }
    }

    pub(crate) fn answers(&self, path: &str, answers: impl IntoIterator<Item = String>) {
        let mut all = self.shared.answers.lock().unwrap();
        all.retain(|(of, _)| of != path);
        all.push((path.to_owned(), answers.into_iter().collect()));
    }

    /// A device may ask, every second; then it is answered so.
    pub(crate) fn has_devices(&self, life_s: u64, answers: impl IntoIterator<Item = String>) {
        let page = format!("http://{}/auth/device", self.name);
        let asked = json!({
            "device_code": "the-code", "user_code": "WDJB-MJHT", "verification_uri": page, "interval": 1,
            "verification_uri_complete": format!("{page}?user_code=WDJB-MJHT"), "expires_in": life_s,
        });
        self.answers("/auth/device/code", [json_of(200, &asked)]);
        self.answers("/auth/device/token", answers);
    }

    /// The bodies that a path was sent; a `GET` has its credentials there.
    pub(crate) fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|(of, _)| of == path).map(|(_, body)| body.clone()).collect()
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut authorization) = (String::new(), 0, String::new());
    if reader.read_line(&mut first).unwrap_or_default() == 0 {
        return;
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => value.clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let path = first.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
    let said = if length > 0 { String::from_utf8(body).unwrap() } else { authorization };
    shared.asked.lock().unwrap().push((path.clone(), said));
    let answer = {
        let mut answers = shared.answers.lock().unwrap();
        let found = answers
            .iter_mut()
            .find(|(of, _)| *of == path)
            .map(|(_, answers)| if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() });
        found.unwrap_or_else(|| raw(404, "", ""))
    };
    let mut stream = reader.into_inner();
    let _ = stream.write_all(answer.as_bytes());
    if answer.is_empty() {
        // Until the client gives up.
        let _ = stream.read(&mut [0]);
    }
}
