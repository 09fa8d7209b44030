//! The names of uploads, parts and their files.

use crate::blobs::tables::UploadKey;
use atproto::syntax::Digest;

use super::BlobError;

/// The folder of staged uploads, below the storage directory or in the bucket.
pub const STAGING: &str = "uploads";
/// The folder of all blobs.
pub const BLOBS: &str = "docker/registry/v2/blobs/sha256";

/// The id of an upload: 128 random bits, as text 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadId(UploadKey);

impl UploadId {
    /// Makes a random id.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub(super) fn random() -> Result<Self, BlobError> {
        Ok(Self(random()?))
    }

    pub(super) fn from_key(key: UploadKey) -> Self {
        Self(key)
    }

    pub(super) fn key(&self) -> &UploadKey {
        &self.0
    }

    /// Parses the text form.
    ///
    /// # Errors
    /// [`BlobError::UnknownUpload`]: the text is no id.
    pub fn parse(text: &str) -> Result<Self, BlobError> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| BlobError::UnknownUpload)?;
        bytes.try_into().map(Self).map_err(|_| BlobError::UnknownUpload)
    }

    /// Returns the path of a file of this upload, below the staging directory.
    pub(super) fn file(&self, name: &str) -> String {
        format!("{self}/{name}")
    }
}

impl std::fmt::Display for UploadId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// The number of a part, 1..=10000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartNumber(u32);

impl PartNumber {
    /// Makes a part number; checks its range.
    ///
    /// # Errors
    /// [`BlobError::InvalidPart`].
    pub fn new(number: u32) -> Result<Self, BlobError> {
        if (1..=10_000).contains(&number) { Ok(Self(number)) } else { Err(BlobError::InvalidPart) }
    }

    /// Returns the number.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }

    /// Returns the number in the type that the store's requests take.
    pub(super) fn to_u16(self) -> u16 {
        // 10,000 at most.
        u16::try_from(self.0).unwrap_or(u16::MAX)
    }
}

/// The ETag by which a completion names a received part. Opaque, without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(pub(super) String);

impl ETag {
    /// Returns the text without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text in quotes, as in an HTTP header.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

/// Longest accepted text of an ETag; stores return 32 to 80 characters.
const MAX_ETAG_CHARS: usize = 128;

/// Returns the text of an ETag without quotes and without the prefix of a weak one. A proxy that compresses a response
/// weakens its ETag, and the part is the same.
pub(super) fn bare(etag: &str) -> &str {
    let etag = etag.strip_prefix("W/").unwrap_or(etag);
    etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(etag)
}

/// Returns a client's list of parts in the order of their numbers, each with its bare ETag.
///
/// # Errors
/// [`BlobError::MissingParts`] unless the numbers are exactly 1..=n, in any order, each with an ETag of printable
/// ASCII.
pub(super) fn in_sequence(mut listed: Vec<(PartNumber, String)>) -> Result<Vec<(PartNumber, String)>, BlobError> {
    listed.sort_unstable_by_key(|(number, _)| *number);
    for (expected, (number, etag)) in (1..).zip(&mut listed) {
        *etag = bare(etag).to_owned();
        let printable = etag.len() <= MAX_ETAG_CHARS && etag.bytes().all(|byte| byte.is_ascii_graphic());
        if number.get() != expected || !printable || etag.trim_matches('"').is_empty() {
            return Err(BlobError::MissingParts);
        }
    }
    Ok(listed)
}

/// Returns the key in a bucket under which the parts of an upload are assembled.
pub(super) fn staged_key(id: &UploadId) -> String {
    format!("{STAGING}/{id}")
}

/// Returns the folder of the blobs whose digest begins with the byte `first`, in the layout of the `distribution`
/// registry.
#[must_use]
pub fn blob_folder(first: u8) -> String {
    format!("{BLOBS}/{first:02x}")
}

/// Returns the key of a blob.
#[must_use]
pub fn blob_key(digest: &Digest) -> String {
    format!("{}/{}/data", blob_folder(digest.as_bytes()[0]), digest.hex())
}

/// Returns the digest of the blob with this key; `None` when it is no key of a blob.
#[must_use]
pub fn blob_digest(key: &str) -> Option<Digest> {
    let hex = key.strip_suffix("/data")?.rsplit('/').next()?;
    Digest::parse(&format!("sha256:{hex}")).ok().filter(|digest| blob_key(digest) == key)
}

/// Returns a name of random bytes, in hexadecimal.
///
/// # Errors
/// When the system gives no random numbers.
pub fn random_hex<const BYTES: usize>() -> Result<String, getrandom::Error> {
    Ok(data_encoding::HEXLOWER.encode(&random::<BYTES>()?))
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_numbers_have_bounds() {
        for (number, valid) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
            assert_eq!(PartNumber::new(number).is_ok(), valid, "{number}");
        }
    }

    #[test]
    fn upload_ids_are_exactly_their_own_text() {
        let id = UploadId::random().unwrap();
        assert_eq!(UploadId::parse(&id.to_string()).unwrap(), id);
        for text in ["", "..", &"A".repeat(32), &"a".repeat(31), &"a".repeat(34), &format!("{id} ")] {
            assert!(UploadId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn blobs_lie_where_the_registry_keeps_them() {
        let digest = Digest::from_bytes([0xab; 32]);
        let hex = "ab".repeat(32);
        let key = format!("docker/registry/v2/blobs/sha256/ab/{hex}/data");
        assert_eq!(blob_key(&digest), key);
        assert_eq!(blob_digest(&key), Some(digest));
        for other in [key.replace("/ab/", "/ac/"), key.replace("/data", "/date"), format!("x/{key}"), hex] {
            assert_eq!(blob_digest(&other), None, "{other}");
        }
    }
}
