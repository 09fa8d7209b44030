//! Signed URLs: query parameters with an expiry and an HMAC-SHA-256 that permit a request.
//!
//! Anyone who has such a URL may use it until it expires, as with S3's presigned URLs, but only for the one part or
//! blob and the one HTTP method that it names.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use atproto::syntax::Digest;

/// Lifetime of a part's URL in seconds: the request must begin within it.
const PART_LIFETIME_S: i64 = 900;
/// Lifetime of a read URL in seconds: the request must begin within it.
const READ_LIFETIME_S: i64 = 300;

/// Seconds by which a URL may be valid for longer than its lifetime, for a clock that is corrected. One that was made while
/// the clock was ahead by more is refused: it would be valid for as long as that, and nobody could recall it.
const AHEAD_S: i64 = 60;

/// Makes and checks signed queries with one secret.
pub struct UrlSigner {
    secret: Zeroizing<[u8; 32]>,
}

/// The HTTP method of a read URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadMethod {
    /// GET: the bytes.
    Get,
    /// HEAD: only the head.
    Head,
}

/// A verified part URL: the part that it is for.
#[derive(Debug, PartialEq, Eq)]
pub struct SignedPart {
    /// The id of the upload, as text.
    pub upload_id: String,
    /// The part's number, as text.
    pub part_number: String,
}

/// A verified read URL: the blob that it is for.
#[derive(Debug, PartialEq, Eq)]
pub struct SignedRead {
    digest: Digest,
    size_bytes: Option<u64>,
}

impl SignedRead {
    /// Returns the digest of the blob.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the size of the blob in bytes, as looked up when the URL was made; a digest has only one size. `None`
    /// for a URL of an earlier version.
    #[must_use]
    pub fn size_bytes(&self) -> Option<u64> {
        self.size_bytes
    }
}

/// Errors of a signed URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignedUrlError {
    /// The URL has expired, or was made by a clock that was ahead.
    #[error("this URL has expired; ask for a new one")]
    Expired,
    /// The URL was not signed by this hold, was changed, or is used with another method.
    #[error("this URL is not valid for this request")]
    Invalid,
}

impl ReadMethod {
    /// Returns the name of the HTTP method.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

impl UrlSigner {
    /// Makes a signer. Its URLs stay valid over restarts with the same secret.
    #[must_use]
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        Self { secret }
    }

    /// Returns the query of a URL for one part.
    #[must_use]
    pub fn part_query(&self, upload_id: &str, part_number: u32, now_s: i64) -> String {
        let expires = (now_s + PART_LIFETIME_S).to_string();
        let signature = self.sign(&["part", upload_id, &part_number.to_string(), &expires]);
        format!("uploadId={upload_id}&partNumber={part_number}&expires={expires}&signature={signature}")
    }

    /// Checks the query of a part URL. `get` returns the value of a query parameter that is there exactly once.
    ///
    /// # Errors
    /// [`SignedUrlError`]
    pub fn check_part<'q>(
        &self,
        get: impl Fn(&str) -> Option<&'q str>,
        now_s: i64,
    ) -> Result<SignedPart, SignedUrlError> {
        let (upload_id, part_number) = get("uploadId").zip(get("partNumber")).ok_or(SignedUrlError::Invalid)?;
        self.check(&["part", upload_id, part_number], get, now_s, PART_LIFETIME_S)?;
        Ok(SignedPart { upload_id: upload_id.to_owned(), part_number: part_number.to_owned() })
    }

    /// Returns the query of a URL that reads one blob of `size_bytes`.
    #[must_use]
    pub fn read_query(&self, digest: &Digest, size_bytes: u64, method: ReadMethod, now_s: i64) -> String {
        let (method, size, expires) = (method.as_str(), size_bytes.to_string(), (now_s + READ_LIFETIME_S).to_string());
        let signature = self.sign(&["read", method, &digest.to_string(), &size, &expires]);
        format!("method={method}&size={size}&expires={expires}&signature={signature}")
    }

    /// Checks the query of a read URL that was requested with `method`. `get` is as for [`UrlSigner::check_part`].
    ///
    /// # Errors
    /// [`SignedUrlError`]
    pub fn check_read<'q>(
        &self,
        digest: &Digest,
        method: ReadMethod,
        get: impl Fn(&str) -> Option<&'q str>,
        now_s: i64,
    ) -> Result<SignedRead, SignedUrlError> {
        let (text, size) = (digest.to_string(), get("size"));
        let mut fields = vec!["read", method.as_str(), &text];
        fields.extend(size);
        self.check(&fields, get, now_s, READ_LIFETIME_S)?;
        // The size is parsed only after its signature was verified.
        let size_bytes = size.map(str::parse).transpose().map_err(|_| SignedUrlError::Invalid)?;
        Ok(SignedRead { digest: *digest, size_bytes })
    }

    fn check<'q>(
        &self,
        fields: &[&str],
        get: impl Fn(&str) -> Option<&'q str>,
        now_s: i64,
        lifetime_s: i64,
    ) -> Result<(), SignedUrlError> {
        let (expires, signature) = get("expires").zip(get("signature")).ok_or(SignedUrlError::Invalid)?;
        let signature =
            data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| SignedUrlError::Invalid)?;
        let mut all = fields.to_vec();
        all.push(expires);
        self.mac(&all).verify_slice(&signature).map_err(|_| SignedUrlError::Invalid)?;
        // The expiry is parsed only after its signature was verified.
        let expires: i64 = expires.parse().map_err(|_| SignedUrlError::Invalid)?;
        let is_valid = now_s < expires && expires <= now_s.saturating_add(lifetime_s + AHEAD_S);
        if is_valid { Ok(()) } else { Err(SignedUrlError::Expired) }
    }

    fn sign(&self, fields: &[&str]) -> String {
        data_encoding::BASE64URL_NOPAD.encode(&self.mac(fields).finalize().into_bytes())
    }

    fn mac(&self, fields: &[&str]) -> Hmac<Sha256> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.secret.as_ref()) else {
            unreachable!("HMAC takes keys of any length")
        };
        for field in fields {
            // The lengths distinguish ["a", "bc"] and ["ab", "c"].
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field.as_bytes());
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn signer() -> UrlSigner {
        UrlSigner::new(Zeroizing::new([7; 32]))
    }

    fn pairs(query: &str) -> Vec<(String, String)> {
        query.split('&').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
    }

    fn get<'q>(pairs: &'q [(String, String)]) -> impl Fn(&str) -> Option<&'q str> {
        move |name| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    #[test]
    fn a_part_url_is_for_its_part_until_it_expires() {
        let query = pairs(&signer().part_query("0a1b", 7, NOW));
        let part = SignedPart { upload_id: "0a1b".into(), part_number: "7".into() };
        assert_eq!(signer().check_part(get(&query), NOW + 899), Ok(part));
        assert_eq!(signer().check_part(get(&query), NOW + 900), Err(SignedUrlError::Expired));
        for (at, forged) in [(0, "0a1c"), (1, "8"), (2, "9999999999"), (3, "AAAA"), (3, "not base64!")] {
            let mut changed = query.clone();
            changed[at].1 = forged.into();
            assert_eq!(signer().check_part(get(&changed), NOW), Err(SignedUrlError::Invalid), "{forged}");
        }
        // Made while the clock was ahead: it would be valid for so much longer.
        assert!(signer().check_part(get(&query), NOW - 60).is_ok());
        assert_eq!(signer().check_part(get(&query), NOW - 61), Err(SignedUrlError::Expired));
        let other = UrlSigner::new(Zeroizing::new([8; 32]));
        assert_eq!(other.check_part(get(&query), NOW), Err(SignedUrlError::Invalid));
    }

    #[test]
    fn a_read_url_is_for_its_blob_and_method() {
        let digest = Digest::from_bytes([1; 32]);
        let query = pairs(&signer().read_query(&digest, 4096, ReadMethod::Get, NOW));
        let check = |digest: &Digest, method, now| signer().check_read(digest, method, get(&query), now);
        assert_eq!(check(&digest, ReadMethod::Get, NOW), Ok(SignedRead { digest, size_bytes: Some(4096) }));
        assert_eq!(check(&digest, ReadMethod::Head, NOW), Err(SignedUrlError::Invalid));
        assert_eq!(check(&Digest::from_bytes([2; 32]), ReadMethod::Get, NOW), Err(SignedUrlError::Invalid));
        for now_s in [NOW + 300, NOW - 61] {
            assert_eq!(check(&digest, ReadMethod::Get, now_s), Err(SignedUrlError::Expired));
        }
        // A part's signature is not valid for a read.
        let part = pairs(&signer().part_query("x", 1, NOW));
        assert_eq!(signer().check_read(&digest, ReadMethod::Get, get(&part), NOW), Err(SignedUrlError::Invalid));
        // The size is signed with the rest.
        for size in [None, Some("4095"), Some("")] {
            let mut changed = query.clone();
            changed.retain(|(name, _)| name != "size");
            changed.extend(size.map(|size| ("size".to_owned(), size.to_owned())));
            let checked = signer().check_read(&digest, ReadMethod::Get, get(&changed), NOW);
            assert_eq!(checked, Err(SignedUrlError::Invalid), "{size:?}");
        }
    }

    #[test]
    fn a_read_url_of_an_earlier_version_has_no_size() {
        let digest = Digest::from_bytes([1; 32]);
        let expires = (NOW + 300).to_string();
        let signature = signer().sign(&["read", "GET", &digest.to_string(), &expires]);
        let query = pairs(&format!("method=GET&expires={expires}&signature={signature}"));
        let checked = signer().check_read(&digest, ReadMethod::Get, get(&query), NOW);
        assert_eq!(checked, Ok(SignedRead { digest, size_bytes: None }));
    }
}
