//! Look-ups of host names, and the guard over what they find.
//!
//! The system's own resolver is asked (`getaddrinfo`), so that `/etc/hosts`, `nsswitch.conf` and systemd-resolved mean
//! here what they mean to every program of the machine. It blocks its thread, cannot be given up, and with a silent
//! name server takes 10 to 40 s. Therefore it runs on threads of its own, never on those of database and files, and a
//! look-up keeps its permit until its thread is back: a silent name server costs so many threads and no more.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::sync::{Semaphore, oneshot};

use super::address::is_public;
use super::client::Reach;

const RESOLV_CONF: &str = "/etc/resolv.conf";

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Looks a host name up. Tests bring their own; [`system_dns`] asks the system.
pub type Dns = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Returns look-ups by the system's resolver, at most `threads` at once; more wait for their turn. Clones share the
/// threads.
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
            Err(io::Error::other(reason(&error.to_string(), &servers)))
        }
    }
}

/// Runs `question` on a thread of its own, which has a permit until it ends.
async fn look_up(
    permits: Arc<Semaphore>,
    question: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static,
) -> io::Result<Vec<SocketAddr>> {
    let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new().name("dns".into()).spawn(move || {
        // The one who asked may have gone away.
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
#[error("{0}")]
pub(super) struct LookUpFailed(pub(super) String);

/// Answers only those addresses of a name that may be connected to.
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
    /// The addresses of a host that may be connected to.
    pub(super) async fn look_up(&self, host: &str) -> Result<Vec<SocketAddr>, BoxError> {
        let found = (self.dns)(host.to_owned()).await;
        let mut addresses = found.map_err(|error| LookUpFailed(error.to_string()))?;
        addresses.retain(|address| self.reach.allows(host, address.ip()));
        if addresses.is_empty() { Err(NoPublicAddress.into()) } else { Ok(addresses) }
    }
}

/// What the resolver says, without the words that all its errors begin with, and what may stand behind it: a service's
/// sandbox makes a name server silent, which nobody would look for.
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

/// The first name server that is only on this machine's own link.
fn link_local_server(resolv_conf: &str) -> Option<&str> {
    let servers =
        resolv_conf.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.split_whitespace().next());
    servers
        .into_iter()
        .find(|server| server.starts_with("169.254.") || server.to_ascii_lowercase().starts_with("fe80:"))
}

impl Reach {
    /// Whether a host of this name may be connected to at `address`.
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

    use super::{Dns, GuardedDns, Reach, look_up, reason};

    /// What is left of `answers` for `host`.
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
