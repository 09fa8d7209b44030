//! Look-ups of host names, and the guard that filters their addresses.
//!
//! The system's resolver is used (`getaddrinfo`), so that `/etc/hosts`, `nsswitch.conf` and systemd-resolved apply as
//! they do to every program of the machine. It blocks its thread, cannot be cancelled, and with a silent name server
//! takes 10 to 40 s. Therefore it runs on threads of its own, never on those of database and files, and a look-up keeps
//! its permit until its thread has ended: a silent name server blocks a bounded number of threads.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::{Semaphore, oneshot};

use super::address::is_public;

pub(super) const RESOLV_CONF: &str = "/etc/resolv.conf";

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A function that looks up a host name. Its error is of the kind `NotFound` for a name that does not exist, or has no
/// address, by an answer of the DNS. Tests pass their own; [`system_dns`] uses the system's resolver.
pub type Dns = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Returns look-ups by the system's resolver, at most `threads` at once; more wait for a permit. Clones share the
/// permits.
#[must_use]
pub fn system_dns(threads: usize) -> Dns {
    let permits = Arc::new(Semaphore::new(threads));
    Arc::new(move |host| {
        let permits = Arc::clone(&permits);
        Box::pin(async move { look_up(permits, move || ask_system(&host)).await })
    })
}

fn ask_system(host: &str) -> io::Result<Vec<SocketAddr>> {
    match (host, 0).to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => {
            let servers = std::fs::read_to_string(RESOLV_CONF).unwrap_or_default();
            let error = error.to_string();
            let kind = if is_absence(&error) { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
            Err(io::Error::new(kind, reason(&error, &servers)))
        }
    }
}

/// Whether the resolver's message is about the name, and not about name servers that do not answer: the standard library
/// hands on the text alone, of glibc or of musl.
fn is_absence(error: &str) -> bool {
    let absences = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
    ];
    absences.iter().any(|absence| error.ends_with(absence))
}

/// Runs `question` on a thread of its own, which holds a permit until it ends.
async fn look_up(
    permits: Arc<Semaphore>,
    question: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<Vec<SocketAddr>> {
    let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new().name("dns".into()).spawn(move || {
        // The caller may have been dropped.
        let _ = answer.send(question());
        drop(permit);
    })?;
    answered.await.map_err(io::Error::other)?
}

/// The name has addresses, but none that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("no public address")]
pub(super) struct NoPublicAddress;

/// The system's reason why a name has no address.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct LookUpFailed {
    pub(super) reason: String,
    /// Whether the DNS answered that there is none.
    pub(super) is_absent: bool,
}

/// A resolver that returns only those addresses of a name that may be connected to.
#[derive(Clone)]
pub(super) struct GuardedDns {
    pub(super) dns: Dns,
    pub(super) reach: Reach,
}

impl tower_service::Service<Name> for GuardedDns {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guarded = self.clone();
        Box::pin(async move { Ok(guarded.look_up(name.as_str()).await?.into_iter()) })
    }
}

impl GuardedDns {
    /// Returns the addresses of a host that may be connected to.
    pub(super) async fn look_up(&self, host: &str) -> Result<Vec<SocketAddr>, BoxError> {
        let found = (self.dns)(host.to_owned()).await;
        let mut addresses = found.map_err(|error| LookUpFailed {
            reason: error.to_string(),
            is_absent: error.kind() == io::ErrorKind::NotFound,
        })?;
        addresses.retain(|address| self.reach.allows(host, address.ip()));
        if addresses.is_empty() { Err(NoPublicAddress.into()) } else { Ok(addresses) }
    }
}

/// Returns the resolver's message without its constant prefix, with a hint at a likely cause: a service's sandbox may
/// block a link-local name server.
fn reason(error: &str, resolv_conf: &str) -> String {
    let error = error.strip_prefix("failed to lookup address information: ").unwrap_or(error);
    let is_silence = error.starts_with("Temporary failure");
    match link_local_server(resolv_conf).filter(|_| is_silence) {
        Some(server) => {
            format!(
                "{error}; the name server {server} is link-local: does the service's sandbox let it through (IPAddressAllow=)?"
            )
        }
        None => error.to_owned(),
    }
}

/// Returns the first name server that is link-local.
fn link_local_server(resolv_conf: &str) -> Option<&str> {
    name_servers(resolv_conf)
        .find(|server| server.starts_with("169.254.") || server.to_ascii_lowercase().starts_with("fe80:"))
}

/// Returns the name servers in a `resolv.conf`, as they are written.
pub(super) fn name_servers(resolv_conf: &str) -> impl Iterator<Item = &str> {
    resolv_conf.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.split_whitespace().next())
}

/// The hosts that a client may connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Any host: the operator configured it.
    Any,
    /// Hosts of the public internet only: a stranger named the host.
    Public {
        /// Whether the name `localhost` is allowed too, at this machine's own addresses: in test mode.
        localhost: bool,
    },
}

impl Reach {
    /// Whether the host named `host` may be connected to at `address`.
    pub(super) fn allows(self, host: &str, address: std::net::IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Public { localhost } if host == "localhost" => localhost && address.is_loopback(),
            Self::Public { .. } => is_public(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use tokio::sync::Semaphore;
    use tower_service::Service as _;

    use super::{Dns, GuardedDns, Reach, is_absence, look_up, reason};

    /// Returns the addresses among `answers` that are permitted for `host`.
    async fn checked(reach: Reach, host: &str, answers: &[&str]) -> Vec<String> {
        let answers: Vec<SocketAddr> = answers.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
        let dns: Dns = Arc::new(move |_| {
            let answers = answers.clone();
            Box::pin(async move { Ok(answers) })
        });
        let left = GuardedDns { dns, reach }.call(host.parse().unwrap()).await;
        left.map(|addresses| addresses.map(|address| address.ip().to_string()).collect()).unwrap_or_default()
    }

    #[tokio::test]
    async fn only_addresses_that_may_be_connected_to_are_left() {
        let mixed = ["10.0.0.1", "1.1.1.1", "127.0.0.1", "2606:4700::1111", "::1"];
        let public = Reach::Public { localhost: false };
        let test_mode = Reach::Public { localhost: true };
        assert_eq!(checked(public, "a.example", &mixed).await, ["1.1.1.1", "2606:4700::1111"]);
        assert_eq!(checked(test_mode, "a.example", &mixed).await, ["1.1.1.1", "2606:4700::1111"]);
        assert_eq!(checked(test_mode, "localhost", &mixed).await, ["127.0.0.1", "::1"]);
        assert!(checked(public, "localhost", &mixed).await.is_empty());
        assert_eq!(checked(Reach::Any, "plc.internal", &["10.0.0.1"]).await, ["10.0.0.1"]);
    }

    #[test]
    fn a_silent_name_server_that_the_sandbox_may_cut_off_is_named() {
        let silent = "failed to lookup address information: Temporary failure in name resolution";
        assert_eq!(reason(silent, "nameserver 127.0.0.53\n"), "Temporary failure in name resolution");
        for server in ["169.254.169.254", "fe80::1%eth0"] {
            let servers = format!("# by the network\nnameserver 1.1.1.1\nnameserver {server}\n");
            assert!(reason(silent, &servers).contains(server), "{server}");
            assert_eq!(reason("Name or service not known", &servers), "Name or service not known");
        }
    }

    #[test]
    fn a_name_that_is_none_is_told_from_a_name_server_that_is_away() {
        let prefix = "failed to lookup address information: ";
        for absence in ["Name or service not known", "No address associated with hostname", "Name does not resolve"] {
            assert!(is_absence(&format!("{prefix}{absence}")), "{absence}");
        }
        for fault in ["Temporary failure in name resolution", "Non-recoverable failure in name resolution", "Try again"]
        {
            assert!(!is_absence(&format!("{prefix}{fault}")), "{fault}");
        }
    }

    #[tokio::test]
    async fn a_look_up_that_was_given_up_keeps_its_permit_until_its_thread_is_back() {
        let permits = Arc::new(Semaphore::new(1));
        let (end, ended) = mpsc::channel::<()>();
        let silent = look_up(permits.clone(), move || {
            let _ = ended.recv();
            Ok(Vec::new())
        });
        assert!(tokio::time::timeout(Duration::from_millis(50), silent).await.is_err(), "it does not answer");
        let next = tokio::spawn(look_up(permits.clone(), || Ok(vec!["1.1.1.1:0".parse().unwrap()])));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!next.is_finished() && permits.available_permits() == 0, "the thread still waits");
        end.send(()).unwrap();
        assert_eq!(next.await.unwrap().unwrap().len(), 1);
    }
}
