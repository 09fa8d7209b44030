//! getBlob and the signed URLs it gives: bytes, heads, ranges, and what is absent.

use std::fs::OpenOptions;
use std::time::Duration;

use atcr_hold::gate::{ReadMethod, UrlSigner};
use atproto::repo::cid;
use atproto::syntax::Digest;
use server::key_file;

use crate::support::hold::{Answer, Hold, PRIVATE, PUBLIC, digest_of, now_s};

const CONTENT: &[u8] = b"0123456789";
const NO_BLOB: (u16, &str, &str) = (404, "BlobNotFound", "there is no such blob");
const BAD_URL: (u16, &str, &str) = (403, "InvalidSignedUrl", "this URL is not valid for this request");

#[track_caller]
fn refused(answer: &Answer, (status, name, message): (u16, &str, &str)) {
    answer.assert_refused(status, name, message);
}

/// The URL for a blob that one who may read is given; `more` goes on with the query.
async fn url(hold: &Hold, digest: &Digest, more: &str) -> String {
    let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={digest}{more}", hold.did_in_query());
    let output = hold.get(&target).bearer(&hold.token(&hold.reader)).send().await.ok();
    assert_eq!(output.as_object().unwrap().len(), 1);
    let url = output["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("{}/blobs/{digest}?", hold.url())), "{url}");
    url
}

async fn by_cid(hold: &Hold, method: &str, cid: &str) -> Answer {
    let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={cid}", hold.did_in_query());
    hold.call(method, &target).bearer(&hold.token(&hold.reader)).send().await
}

/// The headers that every answer with a blob's bytes, or with its head, has.
#[track_caller]
fn assert_blob_headers(answer: &Answer, digest: &Digest, length: usize) {
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("content-length", &length.to_string()),
        ("accept-ranges", "bytes"),
        ("etag", &format!("\"{digest}\"")),
        ("docker-content-digest", &digest.to_string()),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "attachment"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn a_digest_leads_to_a_url_and_the_url_to_the_bytes() {
    for hold in Hold::everywhere(PRIVATE).await {
        let digest = hold.upload(&hold.writer, CONTENT).await;
        let target = url(&hold, &digest, "").await;
        let whole = hold.get(&target).send().await;
        assert_eq!((whole.status, &whole.body[..]), (200, CONTENT));
        assert_blob_headers(&whole, &digest, CONTENT.len());
        let target = url(&hold, &digest, "&method=HEAD").await;
        let head = hold.call("HEAD", &target).send().await;
        assert_eq!((head.status, head.text()), (200, ""));
        assert_blob_headers(&head, &digest, CONTENT.len());
        let large: Vec<u8> = (0..1_000_003_u32).map(|n| (n % 251) as u8).collect();
        let digest = hold.upload(&hold.writer, &large).await;
        assert!(hold.get(&url(&hold, &digest, "").await).send().await.body == large);
    }
}

#[tokio::test]
async fn a_url_is_for_its_method_and_its_digest_until_it_expires() {
    for hold in Hold::everywhere(PRIVATE).await {
        let (digest, other) = (hold.upload(&hold.writer, CONTENT).await, hold.upload(&hold.writer, b"other").await);
        let (get, head) = (url(&hold, &digest, "&method=GET").await, url(&hold, &digest, "&method=HEAD").await);
        assert_eq!(hold.call("HEAD", &get).send().await.status, 403);
        refused(&hold.get(&head).send().await, BAD_URL);
        refused(&hold.get(&head.replace("method=HEAD", "method=GET")).send().await, BAD_URL);
        refused(&hold.get(&get.replace(&digest.hex(), &other.hex())).send().await, BAD_URL);
        refused(&hold.get(&get.replace("expires=", "expires=9")).send().await, BAD_URL);
        refused(&hold.get(get.rsplit_once('&').unwrap().0).send().await, BAD_URL);
        refused(&hold.get(&format!("{get}&expires=1")).send().await, BAD_URL);
        let absent = get.replace(&digest.hex(), &"0".repeat(64));
        refused(&hold.get(&absent).send().await, BAD_URL);
        let key = key_file::load(&hold.root().join("keys").join(key_file::FILE_NAME)).unwrap().unwrap();
        let signer = UrlSigner::new(key.derive_secret("signed URLs"));
        let old = signer.read_query(&digest, CONTENT.len() as u64, ReadMethod::Get, now_s() - 300);
        let expired = hold.get(&format!("/blobs/{digest}?{old}")).send().await;
        expired.assert_refused(403, "InvalidSignedUrl", "this URL has expired; ask for a new one");
        let target = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={digest}&method=PUT", hold.did_in_query());
        let answer = hold.get(&target).bearer(&hold.token(&hold.reader)).send().await;
        answer.assert_refused(400, "InvalidRequest", "method must be GET or HEAD");
    }
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    for hold in Hold::everywhere(PRIVATE).await {
        let digest = hold.upload(&hold.writer, CONTENT).await;
        let signed = url(&hold, &digest, "").await;
        let by_cid = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={}", hold.did_in_query(), cid::raw(&digest));
        let token = hold.token(&hold.reader);
        for target in [&signed, &by_cid] {
            let get = async |known: &str| {
                hold.get(target).bearer(&token).header("if-none-match", known).header("range", "bytes=0-1").send().await
            };
            for known in [format!("\"{digest}\""), format!("\"other\", W/\"{digest}\""), "*".to_owned()] {
                let answer = get(&known).await;
                assert_eq!((answer.status, answer.text()), (304, ""), "{known}");
                assert_eq!(answer.header("etag"), Some(format!("\"{digest}\"").as_str()));
                assert_eq!(answer.header("docker-content-digest"), Some(digest.to_string().as_str()));
            }
            assert_eq!(get("\"sha256:other\"").await.status, 206);
        }
        // Who may not read learns nothing.
        let stranger = hold.get(&by_cid).bearer(&hold.token(&hold.stranger)).header("if-none-match", "*").send().await;
        assert_eq!(stranger.status, 403);
    }
}

#[tokio::test]
async fn a_digest_in_a_path_may_have_its_colon_escaped() {
    let hold = Hold::start(PRIVATE).await;
    let digest = hold.upload(&hold.writer, CONTENT).await;
    let signed = url(&hold, &digest, "").await;
    for colon in ["%3A", "%3a"] {
        let answer = hold.get(&signed.replacen("sha256:", &format!("sha256{colon}"), 1)).send().await;
        assert_eq!((answer.status, &answer.body[..]), (200, CONTENT), "{colon}");
    }
    for wrong in ["sha256%3A%3A", "sha256%253A", "sha256%3B"] {
        let answer = hold.get(&signed.replacen("sha256:", wrong, 1)).send().await;
        answer.assert_refused(404, "NotFound", "there is nothing at this path");
    }
}

/// More than one read of the store.
#[tokio::test]
async fn large_blobs_and_ranges_of_them() {
    for hold in Hold::everywhere(PRIVATE).await {
        let content: Vec<u8> = (0..4_000_003_u32).map(|n| (n % 251) as u8 + 1).collect();
        let digest = hold.upload(&hold.writer, &content).await;
        let target = url(&hold, &digest, "").await;
        let whole = hold.get(&target).send().await;
        assert!(whole.status == 200 && whole.body == content);
        assert_blob_headers(&whole, &digest, content.len());
        let last = content.len() - 1;
        // Of one read and of a byte more; of one piece that the kernel sends and of a byte more; the end.
        let lengths = [256 * 1024, 256 * 1024 + 1, 2 * 1024 * 1024, 2 * 1024 * 1024 + 1];
        let ranges = lengths.map(|length| (100_001, 100_000 + length));
        for (first, last) in ranges.into_iter().chain([(1, last), (3_000_000, last)]) {
            let answer = hold.get(&target).header("range", &format!("bytes={first}-{last}")).send().await;
            assert!(answer.status == 206 && answer.body == content[first..=last], "{first}-{last}");
            let range = format!("bytes {first}-{last}/{}", content.len());
            assert_eq!(answer.header("content-range"), Some(range.as_str()));
        }
        let target = url(&hold, &digest, "&method=HEAD").await;
        let head = hold.call("HEAD", &target).send().await;
        assert_eq!((head.status, head.text()), (200, ""));
        assert_blob_headers(&head, &digest, content.len());
    }
}

#[tokio::test]
async fn ranges() {
    for hold in Hold::everywhere(PRIVATE).await {
        let digest = hold.upload(&hold.writer, CONTENT).await;
        let cid = cid::raw(&digest).to_string();
        let signed = url(&hold, &digest, "").await;
        let by_cid = format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={cid}", hold.did_in_query());
        let token = hold.token(&hold.reader);
        for target in [&signed, &by_cid] {
            let get = async |range: &str| hold.get(target).bearer(&token).header("range", range).send().await;
            for (range, part, answered) in [
                ("bytes=0-0", &b"0"[..], "bytes 0-0/10"),
                ("bytes=2-4", b"234", "bytes 2-4/10"),
                ("bytes=-3", b"789", "bytes 7-9/10"),
                ("bytes=-30", CONTENT, "bytes 0-9/10"),
                ("bytes=7-", b"789", "bytes 7-9/10"),
                ("bytes=5-500", b"56789", "bytes 5-9/10"),
            ] {
                let answer = get(range).await;
                assert_eq!((answer.status, &answer.body[..]), (206, part), "{range}");
                assert_eq!(answer.header("content-range"), Some(answered));
                assert_blob_headers(&answer, &digest, part.len());
            }
            for range in ["bytes=10-", "bytes=11-12", "bytes=-0"] {
                let answer = get(range).await;
                answer.assert_refused(416, "RangeNotSatisfiable", "the range begins beyond the end of the blob");
                assert_eq!(answer.header("content-range"), Some("bytes */10"));
            }
            for range in ["bytes=0-1,3-4", "bytes=4-2", "bytes=a-b", "lines=0-1", "0-1", "bytes=99999999999999999999-"]
            {
                let answer = get(range).await;
                assert_eq!(
                    (answer.status, &answer.body[..], answer.header("content-range")),
                    (200, CONTENT, None),
                    "{range}"
                );
            }
            for (version, status) in [(format!("\"{digest}\""), 206), ("\"another\"".to_owned(), 200)] {
                let call = hold.get(target).bearer(&token).header("range", "bytes=0-0").header("if-range", &version);
                assert_eq!(call.send().await.status, status, "{version}");
            }
        }
        let head = hold.call("HEAD", &by_cid).bearer(&token).header("range", "bytes=0-0").send().await;
        assert_eq!((head.status, head.header("content-range")), (200, None));
        assert_blob_headers(&head, &digest, CONTENT.len());
    }
}

#[tokio::test]
async fn a_cid_of_raw_bytes_names_the_same_blob() {
    for hold in Hold::everywhere(PRIVATE).await {
        let digest = hold.upload(&hold.writer, CONTENT).await;
        let cid = cid::raw(&digest).to_string();
        let whole = by_cid(&hold, "GET", &cid).await;
        assert_eq!((whole.status, &whole.body[..]), (200, CONTENT));
        assert_blob_headers(&whole, &digest, CONTENT.len());
        let head = by_cid(&hold, "HEAD", &cid).await;
        assert_eq!((head.status, head.text()), (200, ""));
        assert_eq!(head.lasting_headers(), whole.lasting_headers());
        refused(&by_cid(&hold, "GET", &cid::raw(&digest_of(b"absent")).to_string()).await, NO_BLOB);
        // A record's CID names no blob, whatever its hash is.
        refused(&by_cid(&hold, "GET", &cid::dag_cbor(CONTENT).to_string()).await, NO_BLOB);
        for wrong in
            [&cid.to_uppercase(), &cid[1..], "QmbWqxBEKC3P8tqsKc98xmWNzrzDtRLMiMPL8wBuTGsMnR", "sha512:00", "x"]
        {
            by_cid(&hold, "GET", wrong).await.assert_error(400, "InvalidRequest");
        }
    }
}

#[tokio::test]
async fn parameters_of_get_blob() {
    let hold = Hold::start(PUBLIC).await;
    let digest = hold.upload(&hold.writer, CONTENT).await;
    let cid = cid::raw(&digest).to_string();
    let get = async |query: &str| hold.get(&format!("/xrpc/com.atproto.sync.getBlob?{query}")).send().await;
    // The registry's own did, or none: a digest needs no repository.
    for did in ["", "did=did:plc:aaaaaaaaaaaaaaaaaaaaaaaa&", "did=nonsense&"] {
        assert_eq!(get(&format!("{did}cid={digest}")).await.status, 200, "{did}");
    }
    let other = "this server has only the hold's own repository";
    get(&format!("did=did:plc:aaaaaaaaaaaaaaaaaaaaaaaa&cid={cid}")).await.assert_refused(400, "RepoNotFound", other);
    let required = |name| format!("query parameter {name} is required");
    get(&format!("cid={cid}")).await.assert_refused(400, "InvalidRequest", &required("did"));
    get(&format!("did={}", hold.did_in_query())).await.assert_refused(400, "InvalidRequest", &required("cid"));
    get("cid=").await.assert_refused(400, "InvalidRequest", &required("cid"));
    let twice = get(&format!("cid={digest}&cid={digest}")).await;
    twice.assert_refused(400, "InvalidRequest", "query parameter cid is given twice");
    for digest in ["sha256:", "sha256:abc", &digest.to_string().replace("sha256:", "sha256:0"), "sha256:../../hold.db"]
    {
        let message = "digest must be \"sha256:\" and 64 lower-case hexadecimal digits";
        get(&format!("cid={digest}")).await.assert_refused(400, "InvalidDigest", message);
    }
    refused(&get(&format!("cid={}", digest_of(b"absent"))).await, NO_BLOB);
}

#[tokio::test]
async fn a_file_of_another_size_is_absent_and_an_upload_heals_it() {
    let hold = Hold::start(PRIVATE).await;
    let digest = hold.upload(&hold.writer, CONTENT).await;
    let target = url(&hold, &digest, "").await;
    let file = || OpenOptions::new().write(true).open(hold.blob_file(&digest)).unwrap();
    // What was read a moment ago is in memory.
    let is_read_again = || tokio::time::sleep(Duration::from_millis(300));
    for size in [0, 9, 11] {
        file().set_len(size).unwrap();
        is_read_again().await;
        refused(&hold.get(&target).send().await, NO_BLOB);
        refused(&hold.blob_url(Some(&hold.reader), &digest).await, NO_BLOB);
        refused(&by_cid(&hold, "GET", &cid::raw(&digest).to_string()).await, NO_BLOB);
        hold.upload(&hold.writer, CONTENT).await;
        assert_eq!(hold.get(&target).send().await.body, CONTENT, "after {size} bytes");
    }
    std::fs::remove_file(hold.blob_file(&digest)).unwrap();
    is_read_again().await;
    refused(&hold.get(&target).send().await, NO_BLOB);
    hold.upload(&hold.other_writer, CONTENT).await;
    assert_eq!(hold.get(&target).send().await.body, CONTENT);
}
