//! A store that is there and does nothing: what becomes of a start that waits for it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::site::Site;

/// Answers the first request, and takes the next ones in silence. Says when the second one has come.
fn sluggish_store() -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (told, waits) = channel();
    std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        let _ = first.read(&mut [0; 4096]);
        first.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        let mut silent = vec![];
        while let Ok((stream, _)) = listener.accept() {
            silent.push(stream);
            let _ = told.send(());
        }
    });
    (format!("http://{address}"), waits)
}

#[test]
fn a_start_that_waits_for_the_store_can_be_ended() {
    let (endpoint, waits) = sluggish_store();
    let mut site = Site::new();
    site.set("STORAGE_DRIVER", "s3");
    site.set("S3_BUCKET", "bucket");
    site.set("S3_ENDPOINT", endpoint);
    site.set("AWS_ACCESS_KEY_ID", "id");
    site.set("AWS_SECRET_ACCESS_KEY", "secret");
    let mut hold = site.command(&[]).stderr(Stdio::null()).spawn().unwrap();
    waits.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(Command::new("kill").arg(hold.id().to_string()).status().unwrap().success());
    let asked = Instant::now();
    let status = loop {
        match hold.try_wait().unwrap() {
            Some(status) => break status,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!(status.code(), Some(0));
    // Without the signal it gives the store 25 seconds.
    assert!(asked.elapsed() < Duration::from_secs(12), "{:?}", asked.elapsed());
    assert!(!site.path("hold.db").exists());
}
