//! Uploads step by step, as the registry makes them.

use atproto::syntax::Digest;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::{Account, Answer, Hold};

pub(crate) fn digest_of(content: &[u8]) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(content).into())
}

impl Hold {
    /// Begins an upload and answers its identity.
    pub(crate) async fn initiate(&self, account: &Account) -> String {
        let input = json!({ "digest": "uploads/temp-0d6c" });
        let output = self.post(account, "io.atcr.hold.initiateUpload", &input).await.ok();
        output["uploadId"].as_str().unwrap().to_owned()
    }

    /// The signed URL of a part; one on this hold without the scheme and host.
    pub(crate) async fn part_url(&self, account: &Account, upload_id: &str, number: u32) -> String {
        let input = json!({ "uploadId": upload_id, "partNumber": number });
        let output = self.post(account, "io.atcr.hold.getPartUploadUrl", &input).await.ok();
        let url = output["url"].as_str().unwrap();
        url.strip_prefix(&self.url()).unwrap_or(url).to_owned()
    }

    /// Sends a part by its signed URL and answers its ETag.
    pub(crate) async fn part(
        &self,
        account: &Account,
        upload_id: &str,
        number: u32,
        bytes: impl Into<Bytes>,
    ) -> String {
        let url = self.part_url(account, upload_id, number).await;
        let output = self.call("PUT", &url).body(bytes).send().await.ok();
        output["etag"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn complete(
        &self,
        account: &Account,
        upload_id: &str,
        digest: &str,
        parts: &[(u32, &str)],
    ) -> Answer {
        let parts: Vec<Value> = parts.iter().map(|(n, etag)| json!({ "partNumber": n, "etag": etag })).collect();
        let input = json!({ "uploadId": upload_id, "digest": digest, "parts": parts });
        self.post(account, "io.atcr.hold.completeUpload", &input).await
    }

    /// Makes `content` a blob by an upload of one part.
    pub(crate) async fn upload(&self, account: &Account, content: &[u8]) -> Digest {
        let (digest, id) = (digest_of(content), self.initiate(account).await);
        let etag = self.part(account, &id, 1, content.to_vec()).await;
        let output = self.complete(account, &id, &digest.to_string(), &[(1, &etag)]).await.ok();
        assert_eq!(output, json!({ "status": "completed", "digest": digest }));
        digest
    }

    /// What the registry asks for before it sends a client to a blob.
    pub(crate) async fn blob_url(&self, account: Option<&Account>, digest: &Digest) -> Answer {
        let call = self.get(&format!("/xrpc/com.atproto.sync.getBlob?did={}&cid={digest}", self.did_in_query()));
        match account {
            Some(account) => call.bearer(&self.token(account)).send().await,
            None => call.send().await,
        }
    }

    /// Whether the blob is there, for one who may read it.
    pub(crate) async fn has_blob(&self, digest: &Digest) -> bool {
        let answer = self.blob_url(Some(&self.captain), digest).await;
        match answer.status {
            200 => true,
            404 => false,
            status => panic!("{status} {}", answer.text()),
        }
    }

    /// The bytes of a blob, by the URL that the hold gives the captain.
    pub(crate) async fn read_blob(&self, digest: &Digest) -> Bytes {
        let output = self.blob_url(Some(&self.captain), digest).await.ok();
        let answer = self.get(output["url"].as_str().unwrap()).send().await;
        assert_eq!(answer.status, 200);
        answer.body
    }
}
