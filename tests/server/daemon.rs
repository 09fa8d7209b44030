//! Sockets and the accept loop. Inherited sockets, signals and notification are tested on the real binary.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use server::daemon::{Accepted, Address, ConnectionLimits, Listener, Served, listeners, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::sync::CancellationToken;

/// A number stands for the total.
struct Limits(ConnectionLimits);

impl From<usize> for Limits {
    fn from(total: usize) -> Self {
        Self(ConnectionLimits::total(total))
    }
}

const LONG: Duration = Duration::from_secs(600);

/// Sends who connected, then echoes until the peer or `drain` ends it; a peer that sent `!` keeps it from ending.
async fn echo(accepted: Accepted) {
    let Accepted { mut stream, address, drain, activity } = accepted;
    let mut busy = None;
    let name = match address {
        Address::Tcp(_) => b"tcp ",
        Address::Unix => b"unix",
    };
    stream.write_all(name).await.unwrap();
    let mut stubborn = false;
    loop {
        let mut byte = [0];
        let read = tokio::select! {
            read = stream.read(&mut byte) => read.unwrap(),
            () = drain.cancelled(), if !stubborn => return,
        };
        if read == 0 {
            return;
        }
        stubborn |= byte == *b"!";
        match &byte {
            b"+" => busy = Some(activity.busy()),
            b"-" => drop(busy.take()),
            _ => {}
        }
        stream.write_all(&byte).await.unwrap();
    }
}

fn start(
    listeners: Vec<Listener>,
    limits: impl Into<Limits>,
    drain_for: Duration,
) -> (CancellationToken, tokio::task::JoinHandle<Served>) {
    let shutdown = CancellationToken::new();
    let (token, Limits(limits)) = (shutdown.clone(), limits.into());
    let served =
        tokio::spawn(async move { serve(listeners, limits, Arc::default(), echo, token, drain_for).await.unwrap() });
    (shutdown, served)
}

fn tcp() -> (Listener, String) {
    let listener = listeners::bind("127.0.0.1:0").unwrap();
    let address = listener.describe();
    (listener, address)
}

/// Connects and reads the greeting: the connection is being served.
async fn served_at(address: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut name = [0; 4];
    client.read_exact(&mut name).await.unwrap();
    assert_eq!(&name, b"tcp ");
    client
}

/// The same, with a request under way: it is not idle.
async fn busy_at(address: &str) -> TcpStream {
    let mut client = served_at(address).await;
    client.write_all(b"+").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'+');
    client
}

#[tokio::test]
async fn when_all_places_are_taken_the_longest_idle_connection_goes() {
    let (listener, address) = tcp();
    let (shutdown, served) = start(vec![listener], 3, LONG);
    let mut busy = busy_at(&address).await;
    let mut longest = served_at(&address).await;
    let mut shorter = busy_at(&address).await;
    shorter.write_all(b"-").await.unwrap();
    assert_eq!(shorter.read_u8().await.unwrap(), b'-');
    let newcomer = served_at(&address).await;
    assert!(longest.read_u8().await.is_err(), "it is closed");
    for client in [&mut busy, &mut shorter] {
        client.write_all(b"x").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'x');
    }
    drop((newcomer, busy, shorter));
    shutdown.cancel();
    assert_eq!(served.await.unwrap(), Served { cut_off: 0 });
}

#[tokio::test]
async fn one_address_has_a_share_and_a_proxy_has_none() {
    for (proxies, expected) in [(vec![], 2), (vec!["127.0.0.1".parse().unwrap()], 5)] {
        let (listener, address) = tcp();
        let limits = Limits(ConnectionLimits { total: 8, per_address: 2, proxies });
        let (shutdown, served) = start(vec![listener], limits, LONG);
        let mut open = Vec::new();
        for _ in 0..5 {
            let mut client = TcpStream::connect(&address).await.unwrap();
            let mut name = [0; 4];
            if client.read_exact(&mut name).await.is_ok() {
                client.write_all(b"+").await.unwrap();
                assert_eq!(client.read_u8().await.unwrap(), b'+');
                open.push(client);
            }
        }
        assert_eq!(open.len(), expected);
        // An address with none of them gets one of the last places.
        let other = tokio::net::TcpSocket::new_v4().unwrap();
        other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut other = other.connect(address.parse().unwrap()).await.unwrap();
        let mut name = [0; 4];
        other.read_exact(&mut name).await.unwrap();
        drop((open, other));
        shutdown.cancel();
        assert_eq!(served.await.unwrap(), Served { cut_off: 0 });
    }
}

#[tokio::test]
async fn beyond_the_cap_connections_wait_their_turn() {
    let (listener, address) = tcp();
    let (shutdown, served) = start(vec![listener], 2, LONG);
    let first = busy_at(&address).await;
    let mut second = busy_at(&address).await;
    let mut third = TcpStream::connect(&address).await.unwrap();
    // The second is still served while the third waits; a greeting for the third would be there by now or soon.
    second.write_all(b"x").await.unwrap();
    assert_eq!(second.read_u8().await.unwrap(), b'x');
    let early = tokio::time::timeout(Duration::from_millis(50), third.readable()).await;
    assert!(early.is_err(), "the third connection was served beyond the cap");
    drop(first);
    let mut name = [0; 4];
    third.read_exact(&mut name).await.unwrap();
    shutdown.cancel();
    assert_eq!(served.await.unwrap(), Served { cut_off: 0 });
}

#[tokio::test]
async fn shutting_down_drains_and_then_cuts_off() {
    let (listener, address) = tcp();
    let (shutdown, served) = start(vec![listener], 10, Duration::from_millis(100));
    let _willing = served_at(&address).await;
    let mut stubborn = served_at(&address).await;
    stubborn.write_all(b"!").await.unwrap();
    assert_eq!(stubborn.read_u8().await.unwrap(), b'!');
    shutdown.cancel();
    assert_eq!(served.await.unwrap(), Served { cut_off: 1 });
    assert!(TcpStream::connect(&address).await.is_err(), "it still listens");
    assert!(stubborn.read_u8().await.is_err());
}

/// Whether the other end of a connection to this machine was accepted: until then its socket has no inode.
fn is_accepted(client: &TcpStream) -> bool {
    let port = |address: std::net::SocketAddr| format!("0100007F:{:04X}", address.port());
    let ends = [port(client.peer_addr().unwrap()), port(client.local_addr().unwrap())];
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let mut sockets = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    sockets.any(|fields| fields[1..3] == ends && fields[9] != "0")
}

#[tokio::test]
async fn a_connection_that_was_accepted_and_waits_for_a_place_is_served_although_the_program_ends() {
    let (listener, address) = tcp();
    let (shutdown, served) = start(vec![listener], 1, LONG);
    let _first = busy_at(&address).await;
    let mut second = TcpStream::connect(&address).await.unwrap();
    while !is_accepted(&second) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    shutdown.cancel();
    let mut name = [0; 4];
    second.read_exact(&mut name).await.unwrap();
    assert_eq!(served.await.unwrap(), Served { cut_off: 0 });
}

#[tokio::test]
async fn draining_waits_for_connections_to_end() {
    let (listener, address) = tcp();
    let (shutdown, served) = start(vec![listener], 10, LONG);
    let mut client = served_at(&address).await;
    client.write_all(b"!").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'!');
    shutdown.cancel();
    client.write_all(b"x").await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), b'x');
    drop(client);
    assert_eq!(served.await.unwrap(), Served { cut_off: 0 });
}

#[tokio::test]
async fn tcp_and_unix_are_served_side_by_side() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hold.sock");
    let unix = listeners::bind(&format!("unix:{}", path.display())).unwrap();
    assert_eq!(unix.describe(), path.display().to_string());
    let (listener, address) = tcp();
    let (shutdown, served) = start(vec![listener, unix], 1, LONG);
    for _ in 0..3 {
        drop(served_at(&address).await);
        let mut client = UnixStream::connect(&path).await.unwrap();
        let mut name = [0; 4];
        client.read_exact(&mut name).await.unwrap();
        assert_eq!(&name, b"unix");
    }
    shutdown.cancel();
    served.await.unwrap();
}

#[test]
fn a_socket_file_is_replaced_only_when_nobody_listens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hold.sock");
    let address = path.to_str().unwrap();
    let first = listeners::bind(address).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert_eq!(listeners::bind(address).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
    drop(first);
    assert!(path.exists());
    listeners::bind(address).unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    assert!(listeners::bind(file.to_str().unwrap()).is_err());
    assert_eq!(std::fs::read(&file).unwrap(), b"kept");
}

#[test]
fn addresses_that_make_no_sense_are_refused() {
    for address in ["", ":", ":http", ":65536", "127.0.0.1", "/no/such/directory/hold.sock"] {
        assert!(listeners::bind(address).is_err(), "{address:?}");
    }
}
