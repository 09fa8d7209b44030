//! Webhooks in a database of their own: how many there may be, what waits and for how long, and what receivers that fail
//! come to. What real clients push to real receivers is in `tests/registry/webhooks.mjs`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use atcr_appview::schema;
use atcr_appview::webhooks::{Delivery, PushedImage, Webhook, WebhookEvent, WebhookSettings, Webhooks, WebhooksError};
use atproto::keys::SigningKey;
use atproto::syntax::ImageName;
use server::daemon::now_us;
use server::identity::Account;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::did_server::plc as did;

const KEPT: usize = 50;

fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

fn settings(per_account: u64, total: u64) -> WebhookSettings {
    let registry = "registry.example.org".to_owned();
    WebhookSettings { registry, test_mode: true, per_account, total, clock: now_us, random }
}

fn opened(folder: &TempDir, per_account: u64, total: u64) -> Arc<Webhooks> {
    let database = schema::open(&folder.path().join("appview.db")).unwrap();
    Arc::new(Webhooks::new(database, settings(per_account, total)).unwrap())
}

fn account(number: u32) -> Account {
    let key = SigningKey::from_bytes(&[7; 32]).unwrap().public();
    Account { did: did(number), key, handle: None, pds: None }
}

fn name(text: &str) -> ImageName {
    ImageName::parse(text).unwrap()
}

fn image(tag: &str) -> PushedImage {
    PushedImage {
        tag: tag.to_owned(),
        image: format!("alice.test/app:{tag}"),
        digest: format!("sha256:{}", "7".repeat(64)),
        media_type: "application/vnd.oci.image.manifest.v1+json".into(),
        size: 7,
        artifact_type: None,
        platforms: Vec::new(),
        pushed_by: did(1),
    }
}

/// A receiver that answers with these statuses, one after the other, then 204. Answers its address.
async fn receiver(statuses: &[u16]) -> String {
    receiver_with(statuses.iter().map(|status| format!("{status} X")).collect()).await
}

/// The same with whole heads of answers: a status, its reason, and headers.
async fn receiver_with(heads: VecDeque<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heads = Arc::new(Mutex::new(heads));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let heads = Arc::clone(&heads);
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 8192]).await;
                let head = heads.lock().unwrap().pop_front().unwrap_or_else(|| "204 X".into());
                let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    format!("http://localhost:{port}/")
}

async fn only(webhooks: &Webhooks, owner: &Account) -> Webhook {
    webhooks.of_account(&owner.did).await.unwrap().pop().unwrap()
}

/// Waits until what is logged of a webhook is as expected.
async fn logged(webhooks: &Webhooks, webhook: &Webhook, expected: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
    for _ in 0..400 {
        let log = webhooks.deliveries(webhook).await.unwrap();
        if expected(&log) {
            return log;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{:?}", webhooks.deliveries(webhook).await.unwrap());
}

#[tokio::test]
async fn an_account_a_repository_and_the_registry_have_so_many() {
    let folder = TempDir::new().unwrap();
    let (webhooks, alice) = (opened(&folder, 12, 13), account(1));
    let url = |number: usize| format!("http://localhost:{number}/");
    let mut ids = Vec::new();
    for number in 1..=10 {
        ids.push(webhooks.add(&alice.did, &name("app"), &url(number), None).await.unwrap().id);
    }
    let eleventh = webhooks.add(&alice.did, &name("app"), &url(11), None).await;
    assert!(matches!(eleventh, Err(WebhooksError::TooMany)), "of one repository");
    for number in 1..=2 {
        webhooks.add(&alice.did, &name("other"), &url(number), None).await.unwrap();
    }
    assert!(matches!(webhooks.add(&alice.did, &name("third"), &url(1), None).await, Err(WebhooksError::TooMany)));
    webhooks.add(&did(2), &name("app"), &url(1), None).await.unwrap();
    assert!(matches!(webhooks.add(&did(3), &name("app"), &url(1), None).await, Err(WebhooksError::Full)), "of all");
    assert!(!webhooks.delete(&did(2), ids[0]).await.unwrap(), "another account's");
    assert!(webhooks.find(&did(2), ids[0]).await.unwrap().is_none());
    assert!(webhooks.delete(&alice.did, ids[0]).await.unwrap());
    webhooks.add(&alice.did, &name("app"), &url(11), Some("0123456789abcdef")).await.unwrap();
    for secret in ["0123456789abcde", &"x".repeat(257), "0123456789abcde f", "0123456789abcdé"] {
        let refused = webhooks.add(&did(2), &name("b"), &url(1), Some(secret)).await;
        assert!(matches!(refused, Err(WebhooksError::Secret)), "{secret}");
    }
}

#[tokio::test]
async fn a_registry_without_webhooks_queues_nothing() {
    let folder = TempDir::new().unwrap();
    let (webhooks, alice) = (opened(&folder, 5, 5), account(1));
    webhooks.add(&alice.did, &name("app"), "http://localhost:1/", None).await.unwrap();
    let off = Webhooks::new(schema::open(&folder.path().join("other.db")).unwrap(), settings(0, 5)).unwrap();
    assert!(matches!(off.add(&alice.did, &name("app"), "http://localhost:1/", None).await, Err(WebhooksError::Off)));
    off.pushed(&alice, &name("app"), image("v1")).await.unwrap();
    off.keep_delivering().await;
    assert_eq!(off.totals().await.unwrap().waiting, 0);
    webhooks.pushed(&alice, &name("other"), image("v1")).await.unwrap();
    assert_eq!(webhooks.totals().await.unwrap().waiting, 0, "another repository");
}

#[tokio::test]
async fn what_waits_is_bounded_and_given_up_when_the_webhook_is_off() {
    let folder = TempDir::new().unwrap();
    let (webhooks, alice) = (opened(&folder, 5, 5), account(1));
    let added = webhooks.add(&alice.did, &name("app"), "http://localhost:1/", None).await.unwrap();
    for number in 0..KEPT + 10 {
        webhooks.pushed(&alice, &name("app"), image(&format!("v{number}"))).await.unwrap();
    }
    let webhook = only(&webhooks, &alice).await;
    let log = webhooks.deliveries(&webhook).await.unwrap();
    assert_eq!((log.len(), log[0].tag.as_str(), log[KEPT - 1].tag.as_str()), (KEPT, "v59", "v10"), "the oldest went");
    assert_eq!(webhooks.totals().await.unwrap().waiting, KEPT as u64);
    webhooks.add(&did(2), &name("app"), "http://localhost:1/", None).await.unwrap();
    let all = webhooks.all().await.unwrap();
    let of_each: Vec<_> = all.iter().map(|listed| (&listed.webhook.account, listed.waiting)).collect();
    assert_eq!(of_each, [(&alice.did, KEPT as u64), (&did(2), 0)]);
    assert!(webhooks.switch_off(added.id, None).await.unwrap() && !webhooks.switch_off(added.id, None).await.unwrap());
    webhooks.pushed(&alice, &name("app"), image("unheard")).await.unwrap();
    let log = webhooks.deliveries(&webhook).await.unwrap();
    assert!(log.iter().all(|one| one.due_us.is_none() && one.problem.is_some() && !one.is_delivered()), "{log:?}");
    assert_eq!((log[0].tag.as_str(), webhooks.totals().await.unwrap().waiting), ("v59", 0));
    assert!(webhooks.deliver_again(&webhook, log[3].id).await.unwrap());
    assert!(!webhooks.deliver_again(&webhook, log[3].id).await.unwrap(), "it waits");
    webhooks.forget(&alice.did).await.unwrap();
    webhooks.forget(&did(2)).await.unwrap();
    assert_eq!(webhooks.totals().await.unwrap(), Default::default());
}

#[tokio::test]
async fn a_webhook_that_fails_holds_up_no_other_and_its_own_wait_with_it() {
    let folder = TempDir::new().unwrap();
    let (webhooks, alice, bob) = (opened(&folder, 5, 5), account(1), account(2));
    let (failing, fine) = (receiver(&[500]).await, receiver(&[400]).await);
    for (owner, url) in [(&alice, &failing), (&bob, &fine)] {
        webhooks.add(&owner.did, &name("app"), url, None).await.unwrap();
        for tag in ["one", "two"] {
            webhooks.pushed(owner, &name("app"), image(tag)).await.unwrap();
        }
    }
    let serving = Arc::clone(&webhooks);
    tokio::spawn(async move { serving.keep_delivering().await });
    let (of_alice, of_bob) = (only(&webhooks, &alice).await, only(&webhooks, &bob).await);
    // What a receiver does not want of one event says nothing of the next one.
    let log = logged(&webhooks, &of_bob, |log| log[0].is_delivered()).await;
    assert_eq!((log[1].status, log[1].attempts), (Some(400), 1));
    let log = logged(&webhooks, &of_alice, |log| log[1].attempts > 0).await;
    assert_eq!((log[1].status, log[1].attempts, log[0].attempts, log[0].status), (Some(500), 1, 0, None));
    assert_eq!(log[0].due_us, log[1].due_us, "the second waits as long");
    assert!(log[1].problem.as_deref() == Some("it answered 500") && log[1].due_us > log[1].tried_us);
    let ping = webhooks.test(&alice, &of_alice).await.unwrap().unwrap();
    assert!(ping.is_delivered() && ping.kind == WebhookEvent::Ping && ping.status == Some(204), "{ping:?}");
    assert!(only(&webhooks, &alice).await.failing_us.is_none(), "it is there after all");
}

#[tokio::test]
async fn a_test_waits_neither_for_what_is_put_off_nor_puts_that_off() {
    let folder = TempDir::new().unwrap();
    let (webhooks, alice) = (opened(&folder, 5, 5), account(1));
    webhooks.add(&alice.did, &name("app"), &receiver(&[503, 503]).await, None).await.unwrap();
    webhooks.pushed(&alice, &name("app"), image("one")).await.unwrap();
    let webhook = only(&webhooks, &alice).await;
    // It is due behind the push that fails first.
    let (testing, of) = (Arc::clone(&webhooks), webhook.clone());
    let test = tokio::spawn(async move { testing.test(&account(1), &of).await });
    logged(&webhooks, &webhook, |log| log.len() == 2).await;
    let serving = Arc::clone(&webhooks);
    tokio::spawn(async move { serving.keep_delivering().await });
    let ping = test.await.unwrap().unwrap().unwrap();
    assert_eq!((ping.status, ping.attempts, ping.due_us), (Some(503), 1, None), "a ping is not tried again");
    let log = webhooks.deliveries(&webhook).await.unwrap();
    assert_eq!((log[1].status, log[1].attempts), (Some(503), 1));
    let pause_us = log[1].due_us.unwrap() - log[1].tried_us.unwrap();
    assert!((10_000_000..=12_500_000).contains(&pause_us), "{pause_us}");
}

#[tokio::test]
async fn a_receiver_is_not_tried_again_earlier_than_it_asks() {
    let in_an_hour = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_micros(now_us()) + Duration::from_hours(1));
    for (head, range_s) in [
        ("429 X\r\nretry-after: 600".to_owned(), 600..=750),
        (format!("503 X\r\nretry-after: {in_an_hour}"), 3_590..=4_500),
        ("503 X\r\nretry-after: 99999999".to_owned(), 7_200..=9_000),
        // Shorter than a first pause is, of another status, and no time.
        ("503 X\r\nretry-after: 1".to_owned(), 10..=12),
        ("500 X\r\nretry-after: 600".to_owned(), 10..=12),
        ("503 X\r\nretry-after: soon".to_owned(), 10..=12),
    ] {
        let folder = TempDir::new().unwrap();
        let (webhooks, alice) = (opened(&folder, 5, 5), account(1));
        webhooks.add(&alice.did, &name("app"), &receiver_with([head.clone()].into()).await, None).await.unwrap();
        for tag in ["one", "two"] {
            webhooks.pushed(&alice, &name("app"), image(tag)).await.unwrap();
        }
        let serving = Arc::clone(&webhooks);
        tokio::spawn(async move { serving.keep_delivering().await });
        let webhook = only(&webhooks, &alice).await;
        let log = logged(&webhooks, &webhook, |log| log[1].attempts > 0).await;
        let pause_s = (log[1].due_us.unwrap() - log[1].tried_us.unwrap()) / 1_000_000;
        assert!(range_s.contains(&pause_s), "{head}: {pause_s} s");
        assert_eq!((log[0].due_us, log[0].attempts), (log[1].due_us, 0), "{head}: what waits with it");
    }
}

#[tokio::test]
async fn what_is_pushed_while_a_receiver_takes_nothing_waits_too() {
    let folder = TempDir::new().unwrap();
    let (webhooks, alice) = (opened(&folder, 5, 5), account(1));
    let head = "429 X\r\nretry-after: 600".to_owned();
    webhooks.add(&alice.did, &name("app"), &receiver_with([head].into()).await, None).await.unwrap();
    webhooks.pushed(&alice, &name("app"), image("one")).await.unwrap();
    let serving = Arc::clone(&webhooks);
    tokio::spawn(async move { serving.keep_delivering().await });
    let webhook = only(&webhooks, &alice).await;
    let first = logged(&webhooks, &webhook, |log| log[0].attempts > 0).await.remove(0);
    webhooks.pushed(&alice, &name("app"), image("two")).await.unwrap();
    let log = webhooks.deliveries(&webhook).await.unwrap();
    let quiet_us = log[0].due_us.unwrap() - first.tried_us.unwrap();
    assert_eq!((quiet_us, log[0].attempts), (600_000_000, 0));
    // Its owner has it asked, and it takes that: so it does what comes from now on.
    assert!(webhooks.test(&alice, &webhook).await.unwrap().unwrap().is_delivered());
    webhooks.pushed(&alice, &name("app"), image("three")).await.unwrap();
    let log = logged(&webhooks, &webhook, |log| log[0].is_delivered()).await;
    assert_eq!((log[0].tag.as_str(), log[2].tag.as_str(), log[2].attempts), ("three", "two", 0));
}
