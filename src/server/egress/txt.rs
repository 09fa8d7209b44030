//! Look-ups of TXT records, which the system's resolver (`getaddrinfo`) cannot be asked for.
//!
//! A stub resolver: it asks the name servers of `/etc/resolv.conf`, which do the rest, by UDP, and by TCP for an answer
//! that UDP cuts off. The file is read at each look-up: a machine's network may come late, and change.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, SimpleDnsError, TYPE, header_buffer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::dns::{RESOLV_CONF, name_servers};

const PORT: u16 = 53;
/// How many of the name servers are asked, as by glibc.
const MAX_SERVERS: usize = 3;
/// How often each of them is asked: a datagram may be lost.
const ROUNDS: usize = 2;
/// How long one of them may take for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest answer by UDP to a question without EDNS, in bytes. RFC 1035, section 4.2.1.
const MAX_DATAGRAM: usize = 512;

/// A function that looks up the TXT records of a name, each with its strings joined; none for a name that does not
/// exist. Tests pass their own; [`system_txt`] asks the system's name servers.
pub type Txt = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<String>>> + Send + Sync>;

/// Returns look-ups at the system's name servers. One takes 12 s at most: when there are three and all are silent.
#[must_use]
pub fn system_txt() -> Txt {
    Arc::new(|name| {
        Box::pin(async move {
            let configuration = tokio::fs::read_to_string(RESOLV_CONF).await.unwrap_or_default();
            look_up(&servers(&configuration), &name).await
        })
    })
}

/// Returns the addresses of the name servers in a `resolv.conf`. Without one it is this machine, as for `getaddrinfo`.
fn servers(configuration: &str) -> Vec<SocketAddr> {
    let found: Vec<_> = name_servers(configuration).filter_map(address).take(MAX_SERVERS).collect();
    if found.is_empty() { vec![SocketAddr::from((Ipv4Addr::LOCALHOST, PORT))] } else { found }
}

/// Reads the address of a name server; a link-local one has its interface's name behind it.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, _) = text.split_once('%').unwrap_or((text, ""));
    // Only an address is handed on: a name would be looked up.
    ip.parse::<IpAddr>().ok()?;
    (text, PORT).to_socket_addrs().ok()?.next()
}

/// Asks the servers in turn until one answers.
async fn look_up(servers: &[SocketAddr], name: &str) -> io::Result<Vec<String>> {
    // One that is too long for the DNS has none.
    let Ok(name) = Name::new(name) else { return Ok(Vec::new()) };
    let mut failure = io::Error::other("there is no name server");
    for server in std::iter::repeat_n(servers, ROUNDS).flatten() {
        match timeout(PATIENCE, ask(*server, &name)).await {
            Ok(Ok(texts)) => return Ok(texts),
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::Error::new(io::ErrorKind::TimedOut, format!("the name server {server} is silent")),
        }
    }
    Err(failure)
}

async fn ask(server: SocketAddr, name: &Name<'_>) -> io::Result<Vec<String>> {
    let query = Query::new(name)?;
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // The system chooses the port, at random, and hands on only what comes from the server.
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(&query.message).await?;
    let mut datagram = [0; MAX_DATAGRAM];
    loop {
        let length = socket.recv(&mut datagram).await?;
        match query.answer(&datagram[..length]) {
            Answer::Foreign => {}
            Answer::CutOff => return ask_by_tcp(server, &query).await,
            Answer::Texts(texts) => return texts,
        }
    }
}

async fn ask_by_tcp(server: SocketAddr, query: &Query<'_>) -> io::Result<Vec<String>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(query.message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], &query.message].concat()).await?;
    let mut message = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut message).await?;
    match query.answer(&message) {
        Answer::Texts(texts) => texts,
        Answer::Foreign | Answer::CutOff => Err(io::Error::new(io::ErrorKind::InvalidData, "it is no answer")),
    }
}

/// A question for the TXT records of a name, with a random identifier: who cannot see it cannot answer it.
struct Query<'a> {
    id: u16,
    question: Question<'a>,
    message: Vec<u8>,
}

/// What a message from a name server is.
enum Answer {
    /// None to this question.
    Foreign,
    /// The answer is longer than the message.
    CutOff,
    Texts(io::Result<Vec<String>>),
}

impl<'a> Query<'a> {
    fn new(name: &Name<'a>) -> io::Result<Self> {
        let mut id = [0; 2];
        getrandom::fill(&mut id).map_err(io::Error::other)?;
        let id = u16::from_ne_bytes(id);
        let question = Question::new(name.clone(), TYPE::TXT.into(), CLASS::IN.into(), false);
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet.questions.push(question.clone());
        let message = packet.build_bytes_vec().map_err(unusable)?;
        Ok(Self { id, question, message })
    }

    fn answer(&self, message: &[u8]) -> Answer {
        let has = |flag| header_buffer::has_flags(message, flag) == Ok(true);
        if header_buffer::id(message) != Ok(self.id) || !has(PacketFlag::RESPONSE) {
            return Answer::Foreign;
        }
        if has(PacketFlag::TRUNCATION) {
            return Answer::CutOff;
        }
        match Packet::parse(message) {
            // A server that refuses may leave the question out.
            Ok(packet) if packet.questions.iter().all(|asked| self.is_of(asked)) => Answer::Texts(texts(packet)),
            Ok(_) => Answer::Foreign,
            Err(error) => Answer::Texts(Err(unusable(error))),
        }
    }

    fn is_of(&self, asked: &Question<'_>) -> bool {
        (&asked.qname, asked.qtype) == (&self.question.qname, self.question.qtype)
    }
}

/// Returns the TXT records of an answer. They may stand behind an alias, under another name.
fn texts(packet: Packet<'_>) -> io::Result<Vec<String>> {
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Ok(Vec::new()),
        other => return Err(io::Error::other(format!("the name server answers {other:?}"))),
    }
    let texts = packet.answers.into_iter().filter_map(|record| match record.rdata {
        // A text that is not UTF-8 is none that anybody looks for.
        RData::TXT(text) => String::try_from(text).ok(),
        _ => None,
    });
    Ok(texts.collect())
}

fn unusable(error: SimpleDnsError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;

    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, UdpSocket};

    use super::{Name, Query, look_up, servers};

    const NAME: &str = "_atproto.alice.example";
    const DID: &str = "did=did:plc:ewvi7nxzyoun6zhxrhs64oiz";
    // Responses to questions that want recursion, where it is available.
    const FOUND: u16 = 0x8180;
    const CUT_OFF: u16 = 0x8380;
    const SERVER_FAILURE: u16 = 0x8182;
    const NO_SUCH_NAME: u16 = 0x8183;

    /// A message that answers `query` with TXT records, each of these strings. RFC 1035, section 4.
    fn message(query: &[u8], flags: u16, records: &[&[&str]]) -> Vec<u8> {
        let mut message = query.to_vec();
        message[2..4].copy_from_slice(&flags.to_be_bytes());
        for strings in records {
            let data = strings.iter().flat_map(|text| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat());
            push(&mut message, 16, &data.collect::<Vec<_>>());
        }
        message
    }

    /// Appends a record of the name that is asked for.
    fn push(message: &mut Vec<u8>, kind: u8, data: &[u8]) {
        message[7] += 1;
        message.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60]);
        message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        message.extend(data);
    }

    /// Starts a name server that answers each datagram with those of `by_udp`, and a connection with `by_tcp`.
    async fn name_server(
        mut by_udp: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static,
        by_tcp: impl Fn(&[u8]) -> Vec<u8> + Send + 'static,
    ) -> SocketAddr {
        let (socket, listener) = loop {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if let Ok(socket) = UdpSocket::bind(listener.local_addr().unwrap()).await {
                break (socket, listener);
            }
        };
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut query = [0; 512];
            loop {
                let (length, asker) = socket.recv_from(&mut query).await.unwrap();
                for answer in by_udp(&query[..length]) {
                    socket.send_to(&answer, asker).await.unwrap();
                }
            }
        });
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
                stream.read_exact(&mut query).await.unwrap();
                let answer = by_tcp(&query);
                stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                stream.write_all(&answer).await.unwrap();
            }
        });
        address
    }

    /// Looks `NAME` up at a name server that knows UDP only.
    async fn answered(by_udp: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> io::Result<Vec<String>> {
        look_up(&[name_server(by_udp, |_| Vec::new()).await], NAME).await
    }

    #[tokio::test]
    async fn the_strings_of_a_record_are_one_text_also_behind_an_alias() {
        let found = answered(|query| vec![message(query, FOUND, &[&[&DID[..10], &DID[10..]], &["v=spf1 -all"]])]).await;
        assert_eq!(found.unwrap(), [DID, "v=spf1 -all"]);
        let behind_an_alias = |query: &[u8]| {
            let mut answer = message(query, FOUND, &[]);
            push(&mut answer, 5, b"\x05other\x07example\0");
            answer[7] += 1;
            answer.extend(b"\x05other\x07example\0\0\x10\0\x01\0\0\0\x3c\0\x02\x01x");
            vec![answer]
        };
        assert_eq!(answered(behind_an_alias).await.unwrap(), ["x"]);
    }

    #[tokio::test]
    async fn a_name_without_records_or_that_does_not_exist_has_none() {
        for flags in [FOUND, NO_SUCH_NAME] {
            assert_eq!(answered(move |query| vec![message(query, flags, &[])]).await.unwrap(), [""; 0], "{flags:x}");
        }
        let longest_handle = format!("{}example", "a.".repeat(123));
        assert_eq!(look_up(&[], &format!("_atproto.{longest_handle}")).await.unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn what_does_not_answer_the_question_is_passed_over() {
        let forged = |query: &[u8]| {
            let mut forgeries = vec![message(query, FOUND, &[&["forged"]]); 3];
            forgeries[0][0] ^= 1; // another identifier
            forgeries[1][14] ^= 1; // another name
            forgeries[2][2] &= 0x7f; // a question
            [forgeries, vec![query[..5].to_vec(), message(query, FOUND, &[&[DID]])]].concat()
        };
        assert_eq!(answered(forged).await.unwrap(), [DID]);
    }

    #[tokio::test]
    async fn an_answer_that_a_datagram_cuts_off_is_asked_for_by_tcp() {
        let long: &'static str = &*"x".repeat(250).leak();
        let by_udp = |query: &[u8]| vec![message(query, CUT_OFF, &[])];
        let server = name_server(by_udp, |query| message(query, FOUND, &[&[long], &[long], &[DID]])).await;
        assert_eq!(look_up(&[server], NAME).await.unwrap(), [long, long, DID]);
    }

    #[tokio::test]
    async fn the_next_server_is_asked_when_one_fails_and_a_lost_question_is_asked_again() {
        let failing = name_server(|query| vec![message(query, SERVER_FAILURE, &[])], |_| Vec::new()).await;
        // Its bytes after the header are no question and no record.
        let garbled =
            name_server(|query| vec![[&message(query, FOUND, &[])[..12], &[0xc0; 9]].concat()], |_| Vec::new()).await;
        // Nothing listens there.
        let away = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut has_lost = false;
        let loses_one = move |query: &[u8]| {
            let answer = message(query, FOUND, &[&[DID]]);
            if std::mem::replace(&mut has_lost, true) { vec![answer] } else { Vec::new() }
        };
        let losing = name_server(loses_one, |_| Vec::new()).await;
        assert_eq!(look_up(&[away, garbled, failing, losing], NAME).await.unwrap(), [DID]);
        let failure = look_up(&[failing], NAME).await.unwrap_err();
        assert_eq!(failure.to_string(), "the name server answers ServerFailure");
        assert!(look_up(&[garbled], NAME).await.is_err() && look_up(&[away], NAME).await.is_err());
    }

    proptest! {
        #[test]
        fn no_message_breaks_it(flags: u16, mut bytes in vec(any::<u8>(), 2..600)) {
            let query = Query::new(&Name::new(NAME).unwrap()).unwrap();
            bytes.splice(..2, query.id.to_be_bytes());
            query.answer(&bytes);
            query.answer(&[message(&query.message, flags, &[&[DID]]), bytes].concat());
        }
    }

    #[test]
    fn name_servers_are_those_of_resolv_conf() {
        let found = |text| servers(text).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found("# none\nsearch example.org\n"), ["127.0.0.1:53"]);
        let listed = "nameserver 1.1.1.1\nnameserver ns.example.org\n  nameserver\t2606:4700::1111 # second\n";
        assert_eq!(found(listed), ["1.1.1.1:53", "[2606:4700::1111]:53"]);
        assert_eq!(found(&"nameserver 9.9.9.9\n".repeat(5)).len(), 3);
        let interface = servers("nameserver ::1%lo\nnameserver fe80::1%no-such-interface\n");
        assert_eq!(interface.len(), 1, "{interface:?}");
    }
}
