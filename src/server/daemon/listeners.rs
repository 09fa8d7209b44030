//! Listening sockets: passed on by the service manager, or bound here.

use std::fs::DirBuilder;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use listenfd::ListenFd;
use tokio_util::either::Either;

/// An accepted connection.
pub type Stream = Either<tokio::net::TcpStream, tokio::net::UnixStream>;

/// The address of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP peer.
    Tcp(SocketAddr),
    /// A local process that connected to a socket file.
    Unix,
}

/// A listening socket in non-blocking mode. It needs no runtime yet.
#[derive(Debug)]
pub enum Listener {
    /// IPv4 or IPv6.
    Tcp(TcpListener),
    /// A socket file.
    Unix(UnixListener),
}

impl Listener {
    /// Returns the address or path listened on, for the log.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().map_or_else(|_| "tcp".into(), |address| address.to_string()),
            Self::Unix(listener) => match listener.local_addr() {
                Ok(address) => address.as_pathname().map_or_else(|| "unix".into(), |path| path.display().to_string()),
                Err(_) => "unix".into(),
            },
        }
    }

    /// Returns the addresses of several listeners, for the log.
    #[must_use]
    pub fn describe_all(listeners: &[Self]) -> String {
        listeners.iter().map(Self::describe).collect::<Vec<_>>().join(", ")
    }

    fn tcp(listener: TcpListener) -> io::Result<Self> {
        // tokio panics on a blocking socket.
        listener.set_nonblocking(true)?;
        Ok(Self::Tcp(listener))
    }

    fn unix(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::Unix(listener))
    }
}

/// The sockets that the service manager passed on, in its order.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The sockets named `metrics` (`FileDescriptorName=`), for metrics only.
    pub metrics: Vec<Listener>,
    /// All others, whatever their names, for requests.
    pub public: Vec<Listener>,
}

/// The name of the sockets for metrics.
const METRICS: &str = "metrics";

/// Takes the sockets that the service manager passed on; none when there is no service manager.
///
/// To be called once, before the runtime and any thread starts: it removes the `LISTEN_*` variables, so that a child
/// process does not mistake them for its own.
///
/// # Errors
/// When something other than a listening stream socket was passed on.
pub fn inherited() -> io::Result<Inherited> {
    #[expect(clippy::disallowed_methods, reason = "systemd names the sockets in it, not a person")]
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut passed = ListenFd::from_env();
    let mut inherited = Inherited::default();
    for index in 0..passed.len() {
        let (listener, is_connected) = match passed.take_tcp_listener(index) {
            Ok(Some(listener)) => {
                let is_connected = TcpStream::from(OwnedFd::from(listener.try_clone()?)).peer_addr().is_ok();
                (Listener::tcp(listener)?, is_connected)
            }
            // Not TCP, so it is still there.
            _ => match passed.take_unix_listener(index)? {
                Some(listener) => {
                    let is_connected = UnixStream::from(OwnedFd::from(listener.try_clone()?)).peer_addr().is_ok();
                    (Listener::unix(listener)?, is_connected)
                }
                None => return Err(io::Error::other("an inherited socket was taken twice")),
            },
        };
        if is_connected {
            return Err(io::Error::other("one is a connection, and no listening socket"));
        }
        let is_for_metrics = names.next() == Some(METRICS);
        if is_for_metrics { inherited.metrics.push(listener) } else { inherited.public.push(listener) }
    }
    Ok(inherited)
}

/// The longest path of a socket file, in bytes: `sun_path` has one more, for its end.
pub const MAX_PATH: usize = 107;

/// The longest path for [`bind_private`], which makes the file under a longer name.
pub const MAX_PRIVATE_PATH: usize = MAX_PATH - ".new/s".len();

/// Whether `addr` has the form of an address for [`bind`]: a path, or a port with an address, a host name or nothing
/// before it.
#[must_use]
pub fn is_address(addr: &str) -> bool {
    if socket_path(addr).is_some() {
        return true;
    }
    let Some((host, port)) = addr.rsplit_once(':') else { return false };
    let is_address = addr.parse::<SocketAddr>().is_ok();
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    is_address || (is_name && port.parse::<u16>().is_ok())
}

/// Returns the path of a socket file, if `addr` is one: `/path/to.sock` or `unix:/path/to.sock`.
#[must_use]
pub fn socket_path(addr: &str) -> Option<&Path> {
    Some(addr.strip_prefix("unix:").unwrap_or(addr)).filter(|path| path.starts_with('/')).map(Path::new)
}

/// Listens on `address`: `:8080` (every interface, IPv6 and IPv4), `host:port`, `/path/to.sock` or
/// `unix:/path/to.sock`. A socket file has mode 0660; a stale one is replaced.
///
/// # Errors
/// When the address is invalid or cannot be bound; [`io::ErrorKind::AddrInUse`] when another process listens there.
pub fn bind(address: &str) -> io::Result<Listener> {
    if let Some(path) = socket_path(address) {
        return bind_unix(path);
    }
    match address.strip_prefix(':') {
        Some(port) => {
            let port: u16 = port.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a port"))?;
            Listener::tcp(bind_everywhere(port)?)
        }
        None => Listener::tcp(TcpListener::bind(address)?),
    }
}

/// Returns what to set the address to, after [`bind`] failed with `error`.
#[must_use]
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "a free address",
        io::ErrorKind::PermissionDenied => "a port above 1023, or a path in a directory that this user can write",
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "a path in a directory that exists",
        io::ErrorKind::AlreadyExists | io::ErrorKind::InvalidInput => "another path",
        // An address of another machine, or a name that has none.
        _ => "an address of this machine",
    }
}

/// The IPv6 wildcard accepts IPv4 too, where IPv6 exists.
fn bind_everywhere(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind(("::", port)).or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
        _ => TcpListener::bind(("0.0.0.0", port)),
    })
}

/// Listens on a socket file of mode 0600, which no other user can open even for a moment. A stale one is replaced.
///
/// # Errors
/// As [`bind`].
pub fn bind_private(path: &Path) -> io::Result<Listener> {
    clear(path)?;
    // Created in a private directory, and moved once its mode is right: a umask would affect all threads.
    let private = path.with_added_extension("new");
    let made = private.join("s");
    if private.exists() {
        remove(&private, &made)?;
    }
    DirBuilder::new().mode(0o700).create(&private)?;
    let bound = UnixListener::bind(&made).and_then(|listener| {
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&made, path)?;
        Listener::unix(listener)
    });
    remove(&private, &made)?;
    bound
}

/// Removes `directory`, which has at most `file` in it.
fn remove(directory: &Path, file: &Path) -> io::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => std::fs::remove_dir(directory),
    }
}

fn bind_unix(path: &Path) -> io::Result<Listener> {
    clear(path)?;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Listener::unix(listener)
}

/// Removes a stale socket file.
fn clear(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
            _ => Err(io::ErrorKind::AddrInUse.into()),
        },
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path is not a socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
