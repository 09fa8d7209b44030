//! A hold whose bucket has a host name of its own, behind TLS with a certificate of a private authority, and whose keys
//! come from the machine's role. The bucket is Garage's; the metadata service of a cloud cannot be had, and is played.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::site::Site;
use super::skip;
use crate::objects::{Bucket, buckets_here, pattern};

const TLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/s3/tls.py");
/// Gives the command a hosts file of its own: no resolver need know the bucket's name.
const WITH_HOSTS: &str = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";

/// What ends a child that nobody waits for.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// TLS before the server; answers its port.
fn tls_before(bucket: &Bucket, site: &Site, names: [&str; 2]) -> (Ending, u16) {
    let server = bucket.settings.endpoint.as_deref().unwrap().strip_prefix("http://").unwrap();
    let folder = site.path("tls");
    std::fs::create_dir(&folder).unwrap();
    let mut command = Command::new("python3");
    command.args([TLS, server]).arg(&folder).args(names).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Ending(child), line.trim().parse().expect("python3 and openssl are needed"))
}

/// The metadata service of a machine, which gives the keys to whoever has fetched a token before: IMDSv2.
struct Metadata {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Metadata {
    fn start(bucket: &Bucket) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = json!({
            "Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": bucket.key_id(), "SecretAccessKey": bucket.secret(),
            "Token": "", "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": "2999-01-01T00:00:00Z",
        });
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let requests = Arc::clone(&seen);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let _ = answer(stream, &keys.to_string(), &requests);
            }
        });
        Self { url, seen }
    }
}

/// One request, one answer.
fn answer(mut stream: TcpStream, keys: &str, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let head: Vec<String> = BufReader::new(stream.try_clone()?)
        .lines()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .map(|line| line.to_lowercase())
        .collect();
    let has = |header: &str| head.iter().any(|line| line.starts_with(header));
    let start = head.first().map(String::as_str).unwrap_or_default();
    let path = start.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path {
        "/latest/api/token" if start.starts_with("put ") && has("x-aws-ec2-metadata-token-ttl-seconds:") => {
            (200, "t0ken")
        }
        _ if !has("x-aws-ec2-metadata-token: t0ken") => (401, ""),
        "/latest/meta-data/iam/security-credentials/" => (200, "hold"),
        "/latest/meta-data/iam/security-credentials/hold" => (200, keys),
        _ => (404, ""),
    };
    seen.lock().unwrap().push(format!("{status} {path}"));
    let length = body.len();
    write!(stream, "HTTP/1.1 {status} OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

#[test]
fn a_bucket_by_its_own_name_over_private_tls_with_the_keys_of_a_role() {
    let Some(bucket) = buckets_here().into_iter().find(|bucket| bucket.name == "garage") else { return };
    let may_mount = Command::new("unshare").args(["--mount", "mount", "--bind", "/etc/hosts", "/etc/hosts"]).output();
    if !may_mount.is_ok_and(|tried| tried.status.success()) {
        return skip("a bucket by its own name", "a name for it cannot be given: not root");
    }
    let mut site = Site::new();
    let name = format!("{}.localhost", bucket.settings.bucket);
    let (_tls, port) = tls_before(&bucket, &site, ["localhost", &name]);
    let metadata = Metadata::start(&bucket);
    let hosts = site.path("hosts");
    std::fs::write(&hosts, format!("127.0.0.1 localhost {name}\n")).unwrap();
    site.wrap(&["unshare", "--mount", "sh", "-c", WITH_HOSTS, hosts.to_str().unwrap()]);
    site.set("STORAGE_DRIVER", "s3");
    site.unset("STORAGE_ROOT_DIR");
    site.set("S3_BUCKET", &bucket.settings.bucket);
    site.set("S3_PREFIX", &bucket.settings.prefix);
    site.set("S3_ENDPOINT", format!("https://localhost:{port}"));
    site.set("S3_FORCE_PATH_STYLE", "false");
    site.set("AWS_REGION", &bucket.settings.region);
    site.set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url);
    let untrusting = site.run(&[]);
    assert_eq!(untrusting.code, Some(1), "{}", untrusting.stderr);
    assert!(untrusting.stderr.contains("certificate"), "{}", untrusting.stderr);

    site.set("SSL_CERT_FILE", site.path("tls/authority.pem"));
    // Starting tries all there is, a part by a presigned URL as well.
    let hold = site.start();
    let client = hold.client(&site.alice);
    let target = client.try_part_target(&client.initiate(), 1).unwrap();
    let (wanted, url) = (format!("https://{name}:{port}/{}/uploads/", bucket.settings.prefix), target.field("url"));
    assert!(url.starts_with(&wanted), "{url}");
    assert_eq!(hold.stop(), Some(0));

    site.set("DISABLE_PRESIGNED_URLS", "true");
    let hold = site.start();
    let (client, whole) = (hold.client(&site.alice), pattern(300_000));
    client.push(&whole);
    assert!(client.pull(&whole).unwrap() == whole);
    let seen = metadata.seen.lock().unwrap().clone();
    let base = "/latest/meta-data/iam/security-credentials/";
    assert_eq!(seen[..3], ["200 /latest/api/token".to_owned(), format!("200 {base}"), format!("200 {base}hold")]);
}
