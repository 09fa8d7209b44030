//! The address of a client, directly or behind a reverse proxy.

use std::net::{IpAddr, SocketAddr};

use crate::wire::{Peer, Request};

/// Returns the client's address, for rate limits and the log; `None` behind a local proxy that does not name one.
///
/// `X-Forwarded-For` is trusted from Unix socket peers and from `trusted` addresses. The nearest proxy appends the
/// address that it saw: the last element of the last `X-Forwarded-For` line. Anyone could have written the elements
/// before it.
#[must_use]
pub fn client_address(request: &Request, trusted: &[IpAddr]) -> Option<IpAddr> {
    let direct = match request.peer {
        Peer::Unix => None,
        Peer::Ip(address) => Some(address.ip().to_canonical()),
    };
    if direct.is_some_and(|address| !trusted.contains(&address)) {
        return direct;
    }
    let lines = request.head.headers.get_all("x-forwarded-for");
    let last = lines.iter().next_back().and_then(|line| line.to_str().ok()?.rsplit(',').next());
    last.and_then(parse).or(direct)
}

/// Parses an address as proxies write it: alone, with a port, in brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_address_may_have_a_port_and_brackets() {
        let cases = [
            (" 192.0.2.1 ", Some("192.0.2.1")),
            ("192.0.2.1:4711", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("", None),
            ("unknown", None),
            ("192.0.2.1:port", None),
            ("192.0.2.256", None),
            ("[192.0.2.1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).map(|address| address.to_string()).as_deref(), expected, "{text:?}");
        }
    }
}
