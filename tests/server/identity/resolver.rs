//! The resolver: what it reads, what it refuses to ask or to believe, and what it remembers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atproto::keys::PublicKey;
use atproto::syntax::{Did, Handle};
use ipld_core::cid::multibase::{Base, encode};
use serde_json::json;
use server::egress::{Dns, Txt, answer_within, with_slowest};
use server::identity::{Pool, ResolveError, Resolver, ResolverSettings, SetupError};

use crate::support::did_server::{DidServer, Reply, document, document_with, key, plc};

fn web(server: &DidServer) -> Did {
    Did::web("localhost", Some(server.port)).unwrap()
}

const WEB_PATH: &str = "/.well-known/did.json";

#[tokio::test]
async fn documents_of_plc_and_web_are_read() {
    let server = DidServer::start().await;
    let did = plc(1);
    server.publish(&did, &document(&did, 1));
    let account = server.resolver().resolve(&did, Pool::Members).await.unwrap();
    assert_eq!((account.did.clone(), account.key), (did, key(1).public()));
    assert_eq!(account.handle.as_ref().unwrap().as_str(), "alice.test");
    assert_eq!(account.pds.as_deref(), Some("https://pds.example"));

    let did = web(&server);
    server.set(WEB_PATH, Reply::Body(document(&did, 2).to_string()));
    let account = server.resolver().resolve(&did, Pool::Strangers).await.unwrap();
    assert_eq!(account.key, key(2).public());
}

#[tokio::test]
async fn both_curves_are_read_in_every_form_of_a_key() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let PublicKey::K256(k256) = key(3).public() else { panic!("our keys are K-256") };
    let p256 = *p256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap().verifying_key();
    let legacy = |point: &[u8]| encode(Base::Base58Btc, point);
    let (k256_type, p256_type) = ("EcdsaSecp256k1VerificationKey2019", "EcdsaSecp256r1VerificationKey2019");
    let (k256_key, p256_key) = (PublicKey::K256(k256), PublicKey::P256(p256));
    let forms = [
        ("Multikey", k256_key.to_multikey(), k256_key),
        ("Multikey", p256_key.to_multikey(), p256_key),
        (k256_type, legacy(k256.to_sec1_point(false).as_bytes()), k256_key),
        (p256_type, legacy(p256.to_sec1_point(false).as_bytes()), p256_key),
        (k256_type, legacy(k256.to_sec1_point(true).as_bytes()), k256_key),
    ];
    for (number, (kind, multibase, expected)) in (0..).zip(forms) {
        for (offset, id) in [(0, "#atproto".to_owned()), (50, format!("{}#atproto", plc(number + 50)))] {
            let did = plc(number + offset);
            server.publish(&did, &document_with(&did, &id, kind, &multibase));
            assert_eq!(resolver.resolve(&did, Pool::Members).await.unwrap().key, expected, "{kind} {id}");
        }
    }
}

#[tokio::test]
async fn addresses_and_ports_in_a_did_web_are_refused_before_any_look_up() {
    let server = DidServer::start().await;
    let port = server.port;
    let names_asked = Arc::new(AtomicUsize::new(0));
    let asked = names_asked.clone();
    let dns: Dns = Arc::new(move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
    });
    let resolver = Resolver::with_dns(&server.settings(), dns, no_txt()).unwrap();
    for host in
        ["127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f000001", "0x7f.0.0.0x1", "%5B%3A%3A1%5D", "1.1.1.1"]
    {
        for id in [host.to_owned(), format!("{host}%3A{port}")] {
            let did = Did::parse(&format!("did:web:{id}")).unwrap();
            let error = resolver.resolve(&did, Pool::Strangers).await.unwrap_err();
            assert!(matches!(error, ResolveError::Unsupported(_)), "{id}");
        }
    }
    for did in [&format!("did:web:a.example%3A{port}"), "did:web:a.example:u:alice", "did:key:zQ3shabc", "did:plc:.."] {
        let error = resolver.resolve(&Did::parse(did).unwrap(), Pool::Strangers).await.unwrap_err();
        assert!(matches!(error, ResolveError::Unsupported(_)), "{did}");
    }
    assert_eq!((names_asked.load(Ordering::SeqCst), server.connections()), (0, 0));
}

#[tokio::test]
async fn names_that_lead_to_private_addresses_are_refused_without_a_connection() {
    let server = DidServer::start().await;
    // As an attacker's name server would: each of these reaches, or would reach, a machine of ours.
    for address in [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "64:ff9b::7f00:1",
    ] {
        let answers = vec![
            SocketAddr::new(address.parse().unwrap(), server.port),
            SocketAddr::from(([127, 0, 0, 1], server.port)),
        ];
        let dns: Dns = Arc::new(move |_| {
            let answers = answers.clone();
            Box::pin(async move { Ok(answers) })
        });
        let resolver = Resolver::with_dns(&server.settings(), dns, no_txt()).unwrap();
        let error = resolver.resolve(&Did::web("a.example", None).unwrap(), Pool::Strangers).await.unwrap_err();
        assert_eq!(error, ResolveError::Invalid("its host has no public address"), "{address}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_handle_whose_domain_is_not_in_the_dns_is_nobodys_and_a_name_server_that_is_away_says_nothing() {
    let server = DidServer::start().await;
    let port = server.port;
    let dns: Dns = Arc::new(move |host| {
        let answer = match host.as_str() {
            "localhost" => Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]),
            "gone.example" => Err(io::ErrorKind::NotFound.into()),
            _ => Err(io::ErrorKind::Other.into()),
        };
        Box::pin(async move { answer })
    });
    let resolver = Resolver::with_dns(&server.settings(), dns, no_txt()).unwrap();
    let account = plc(1);
    for (host, expected) in [("gone.example", ResolveError::NotFound), ("away.example", ResolveError::Unreachable)] {
        let handle = Handle::parse(host).unwrap();
        let found = resolver.account_of_handle(&handle, None, Pool::Strangers).await;
        assert_eq!(found.unwrap_err(), expected, "{host}");
        // A did:web that was there before may come back.
        let did = Did::web(host, None).unwrap();
        assert_eq!(resolver.resolve(&did, Pool::Strangers).await.unwrap_err(), ResolveError::Unreachable, "{host}");
    }
    let mut claiming = document(&account, 1);
    claiming["alsoKnownAs"] = json!(["at://gone.example"]);
    server.publish(&account, &claiming);
    assert_eq!(resolver.proven_handle(&account, Pool::Strangers).await, Ok(None));
    let mut claiming = document(&plc(2), 2);
    claiming["alsoKnownAs"] = json!(["at://away.example"]);
    server.publish(&plc(2), &claiming);
    assert_eq!(resolver.proven_handle(&plc(2), Pool::Strangers).await, Err(ResolveError::Unreachable));
}

/// No name has TXT records.
fn no_txt() -> Txt {
    Arc::new(|_| Box::pin(async { Ok(Vec::new()) }))
}

#[tokio::test]
async fn a_txt_record_confirms_a_handle_whose_domain_serves_nothing() {
    let server = DidServer::start().await;
    let (port, other) = (server.port, plc(1));
    let no_answer = || Err::<&[&str], _>(ResolveError::Unreachable);
    // The TXT records of each handle, with OWN for its account's DID; and what they prove.
    let cases: [(_, Result<&[&str], _>, _); 9] = [
        ("alice.example", Ok(&["did=OWN"]), Ok(true)),
        ("among-others.example", Ok(&["v=spf1 -all", "did=OWN", " did=OWN "]), Ok(true)),
        ("no-address-yet.example", Ok(&["did=OWN"]), Ok(true)),
        ("of-another.example", Ok(&["did=OTHER"]), Ok(false)),
        ("of-two.example", Ok(&["did=OWN", "did=OTHER"]), Ok(false)),
        ("garbled.example", Ok(&["did:OWN", "did=alice"]), Ok(false)),
        ("without.example", Ok(&[]), Ok(false)),
        // The record may be there.
        ("silent.example", no_answer(), Err(ResolveError::Unreachable)),
        ("no-dns.example", no_answer(), Err(ResolveError::Unreachable)),
    ];
    let own = |number: usize| plc(10 + u32::try_from(number).unwrap());
    let dns: Dns = Arc::new(move |host| {
        let answer = match host.as_str() {
            "localhost" => Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]),
            "no-address-yet.example" | "no-dns.example" => Err(io::ErrorKind::Other.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        Box::pin(async move { answer })
    });
    let records = cases;
    let txt: Txt = Arc::new(move |name| {
        let position = records.iter().position(|(handle, ..)| name == format!("_atproto.{handle}")).unwrap();
        let filled = |text: &&str| text.replace("OWN", own(position).as_str()).replace("OTHER", plc(1).as_str());
        let answer = records[position].1.map(|texts| texts.iter().map(filled).collect());
        Box::pin(async move { answer.map_err(io::Error::other) })
    });
    let resolver = Resolver::with_dns(&server.settings(), dns, txt).unwrap();
    server.publish(&other, &document(&other, 1));
    for (number, (handle, _, expected)) in cases.into_iter().enumerate() {
        let (did, handle) = (own(number), Handle::parse(handle).unwrap());
        let mut claiming = document(&did, 2);
        claiming["alsoKnownAs"] = json!([format!("at://{handle}")]);
        server.publish(&did, &claiming);
        let proven = resolver.proven_handle(&did, Pool::Strangers).await;
        assert_eq!(proven, expected.map(|is_proven| is_proven.then(|| handle.clone())), "{handle}");
        let found = resolver.account_of_handle(&handle, None, Pool::Strangers).await;
        let expected = expected.and_then(|is_proven| is_proven.then_some(did).ok_or(ResolveError::NotFound));
        assert_eq!(found.map(|account| account.did.clone()), expected, "{handle}");
    }
}

#[tokio::test]
async fn localhost_is_followed_in_test_mode_only() {
    let server = DidServer::start().await;
    let did = web(&server);
    server.set(WEB_PATH, Reply::Body(document(&did, 1).to_string()));
    let settings = ResolverSettings { plc_directory: "https://plc.example".into(), test_mode: false };
    for did in [&did, &Did::web("localhost", None).unwrap()] {
        let error = Resolver::new(&settings).unwrap().resolve(did, Pool::Members).await.unwrap_err();
        assert!(matches!(error, ResolveError::Unsupported(_)));
    }
    assert_eq!(server.connections(), 0);
    let plain = ResolverSettings { test_mode: false, ..server.settings() };
    assert!(matches!(Resolver::new(&plain), Err(SetupError::PlcDirectory)));
    assert!(server.resolver().resolve(&did, Pool::Members).await.is_ok());
}

#[tokio::test]
async fn answers_that_are_no_document_of_the_did_are_refused() {
    let server = DidServer::start().await;
    let resolver = server.resolver();
    let raw = |head: &str| Reply::Raw(format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n"));
    let with_padding = |did: &Did, size: usize| {
        let mut body = document(did, 1);
        body["padding"] = json!("x".repeat(size));
        body.to_string()
    };
    let endless = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "[".repeat(10_000_000));
    let no_key = json!({ "id": plc(8), "verificationMethod": [] }).to_string();
    let bad_key = document_with(&plc(9), "#atproto", "Multikey", "zabc").to_string();
    let cases = [
        (Reply::Body(with_padding(&plc(2), 65_536)), "it is larger than 64 KiB"),
        (Reply::Raw(endless), "it is larger than 64 KiB"),
        (Reply::Body("<html>".into()), "it is not a DID document in JSON"),
        (Reply::Body("[]".into()), "it is not a DID document in JSON"),
        (Reply::Body("[".repeat(60_000)), "it is not a DID document in JSON"),
        (Reply::Body(document(&plc(99), 1).to_string()), "its id is another DID"),
        (Reply::Body(no_key), "it has no verification method #atproto"),
        (Reply::Body(bad_key), "its key #atproto is neither a K-256 nor a P-256 key"),
    ];
    let refused = [
        (raw("302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0"), "redirects are not followed"),
        (raw("401 Unauthorized\r\nContent-Length: 0"), "its host refuses it"),
    ];
    server.set("/elsewhere", Reply::Body(document(&plc(0), 1).to_string()));
    let count = cases.len() + refused.len();
    for (number, (reply, reason)) in (0..).zip(refused) {
        let did = plc(number);
        server.set(&format!("/{did}"), reply);
        assert_eq!(
            resolver.resolve(&did, Pool::Strangers).await.unwrap_err(),
            ResolveError::Refused(reason),
            "case {number}"
        );
    }
    for (number, (reply, reason)) in (2..).zip(cases) {
        let did = plc(number);
        server.set(&format!("/{did}"), reply);
        assert_eq!(
            resolver.resolve(&did, Pool::Strangers).await.unwrap_err(),
            ResolveError::Invalid(reason),
            "case {number}"
        );
    }
    assert_eq!(server.requests(), count, "no redirect was followed");
    let did = plc(100);
    server.set(&format!("/{did}"), Reply::Body(with_padding(&did, 60_000)));
    assert!(resolver.resolve(&did, Pool::Strangers).await.is_ok());
    server.set(&format!("/{}", plc(101)), raw("410 Gone\r\nContent-Length: 0"));
    assert_eq!(resolver.resolve(&plc(101), Pool::Strangers).await.unwrap_err(), ResolveError::NotFound);
    server.set(&format!("/{}", plc(102)), raw("503 Service Unavailable\r\nContent-Length: 0"));
    assert_eq!(resolver.resolve(&plc(102), Pool::Strangers).await.unwrap_err(), ResolveError::Unreachable);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_did_not_answer_a_look_up_is_named_when_the_time_of_an_answer_is_used_up() {
    let server = DidServer::start().await;
    let dns: Dns = Arc::new(|host| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(if host == "silent.example" { 4 } else { 1 })).await;
            Err(io::Error::other("no answer"))
        })
    });
    let resolver = Resolver::with_dns(&server.settings(), dns, no_txt()).unwrap();
    let answer = || {
        answer_within(Duration::from_secs(5), async {
            for host in ["silent.example", "quick.example"] {
                let did = Did::web(host, None).unwrap();
                resolver.resolve(&did, Pool::Strangers).await.unwrap_err();
            }
            with_slowest("quick.example is away".into())
        })
    };
    // One of them leads the look-up, and the other one waits for it.
    let said = tokio::join!(answer(), answer());
    let expected = "silent.example took 4 s of the 5 s for an answer: quick.example is away".to_owned();
    assert_eq!(said, (expected.clone(), expected));
}
