//! A hold as its own process on a bucket, and its owner, whose key the measurement has.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use atcr_hold::objects::{Credentials, S3Settings};
use atproto::keys::SigningKey;
use atproto::syntax::Did;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::Failure;
use crate::wire::Connection;

const OWNER: &str = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
/// A token may be good for an hour.
const TOKEN_S: i64 = 3_500;

/// Where a hold has its blobs.
pub(crate) enum Place<'s> {
    Bucket {
        settings: &'s S3Settings,
        presigned: bool,
    },
    /// A folder beside its state.
    Directory,
}

type Variables = Vec<(&'static str, String)>;

impl Place<'_> {
    /// Lines of the configuration, and variables.
    fn describe(&self, folder: &Path) -> Result<(String, Variables), Failure> {
        let Self::Bucket { settings, presigned } = self else {
            let root = folder.join("blobs");
            std::fs::create_dir_all(&root)?;
            return Ok((String::new(), vec![("STORAGE_ROOT_DIR", root.display().to_string())]));
        };
        let Credentials::Keys { id, secret, .. } = &settings.credentials else { return Err("keys are needed".into()) };
        let lines =
            format!("[storage.s3]\nprefix = \"{}\"\ndisable_presigned_urls = {}\n", settings.prefix, !presigned);
        let variables = vec![
            ("STORAGE_DRIVER", "s3".to_owned()),
            ("S3_BUCKET", settings.bucket.clone()),
            ("S3_ENDPOINT", settings.endpoint.clone().unwrap_or_default()),
            ("AWS_REGION", settings.region.clone()),
            ("AWS_ACCESS_KEY_ID", id.to_string()),
            ("AWS_SECRET_ACCESS_KEY", secret.to_string()),
        ];
        Ok((lines, variables))
    }
}

pub(crate) struct Hold {
    child: Child,
    pub(crate) port: u16,
    key: SigningKey,
}

impl Hold {
    /// Starts `binary` with its state in `folder`.
    pub(crate) async fn start(binary: &Path, folder: PathBuf, place: &Place<'_>) -> Result<Self, Failure> {
        std::fs::create_dir_all(&folder)?;
        let key = SigningKey::from_bytes(&[7; 32])?;
        let directory = serve_document(&key).await?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let (lines, variables) = place.describe(&folder)?;
        let config = folder.join("hold.toml");
        // The limits on requests would be what is measured.
        std::fs::write(
            &config,
            format!(
                "[limits]\nrequests_per_address = 0\nrequests_per_account = 0\nuploads_per_account = 1000\n{lines}"
            ),
        )?;
        let child = Command::new(binary)
            .arg("--config")
            .arg(&config)
            .env_clear()
            .current_dir(&folder)
            .envs([
                ("HOLD_PUBLIC_URL", format!("http://localhost:{port}")),
                ("HOLD_OWNER", OWNER.to_owned()),
                ("HOLD_PLC_DIRECTORY_URL", format!("http://localhost:{directory}")),
                ("HOLD_SERVER_ADDR", format!("127.0.0.1:{port}")),
                ("HOLD_DATABASE_PATH", folder.join("hold.db").display().to_string()),
                ("TEST_MODE", "true".to_owned()),
            ])
            .envs(variables)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log"))?)
            .spawn()?;
        let mut hold = Self { child, port, key };
        for _ in 0..300 {
            // It listens before it has looked at its storage, and may refuse that.
            if hold.answers().await {
                return Ok(hold);
            }
            if hold.child.try_wait()?.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("the hold does not answer: {}", std::fs::read_to_string(folder.join("log"))?).into())
    }

    async fn answers(&self) -> bool {
        let Ok(mut connection) = self.connect().await else { return false };
        connection.call("GET", "/xrpc/_health", "", b"").await.is_ok_and(|answer| answer.status == 200)
    }

    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        Connection::open(&format!("localhost:{}", self.port)).await
    }

    /// The header with a token of the owner.
    pub(crate) fn bearer(&self) -> String {
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let now_s = chrono::Utc::now().timestamp();
        let aud = format!("did:web:localhost%3A{}", self.port);
        let claims = json!({ "iss": OWNER, "aud": aud, "iat": now_s, "exp": now_s + TOKEN_S });
        let text = format!("{}.{}", encode(&json!({ "alg": "ES256K", "typ": "JWT" })), encode(&claims));
        let signature: [u8; 64] = self.key.sign(text.as_bytes());
        format!("Authorization: Bearer {text}.{}\r\n", BASE64URL_NOPAD.encode(&signature))
    }

    /// Calls a method with JSON.
    pub(crate) async fn post(
        &self,
        connection: &mut Connection,
        method: &str,
        input: &Value,
    ) -> Result<Value, Failure> {
        let headers = format!("{}Content-Type: application/json\r\n", self.bearer());
        let answer =
            connection.call("POST", &format!("/xrpc/{method}"), &headers, input.to_string().as_bytes()).await?;
        let text = String::from_utf8_lossy(&answer.body);
        if answer.status != 200 {
            return Err(format!("{method}: {} {text}", answer.status).into());
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// The path by which a blob is asked for.
    pub(crate) fn blob_target(&self, digest: &str) -> String {
        format!("/xrpc/com.atproto.sync.getBlob?did=did:web:localhost%253A{}&cid={digest}", self.port)
    }

    /// A line of `/proc/<id>/status` in KiB.
    pub(crate) fn memory_kib(&self, name: &str) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(name)).ok_or("no such line")?;
        Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
    }

    /// Processor time so far, in seconds.
    pub(crate) fn processor_s(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        // User and system time, in hundredths of a second on every Linux there is.
        Ok((ticks(11) + ticks(12)) / 100.0)
    }

    /// The peak begins anew.
    pub(crate) fn forget_peak(&self) -> Result<(), Failure> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays the PLC directory, which knows one account; answers its port.
async fn serve_document(key: &SigningKey) -> Result<u16, Failure> {
    let did = Did::parse(OWNER)?;
    let document = json!({
        "@context": ["https://www.w3.org/ns/did/v1"],
        "id": did,
        "alsoKnownAs": ["at://owner.test"],
        "verificationMethod": [{
            "id": format!("{did}#atproto"), "type": "Multikey", "controller": did,
            "publicKeyMultibase": key.public().to_multikey(),
        }],
        "service": [],
    })
    .to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{document}",
        document.len()
    );
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Ok(port)
}
