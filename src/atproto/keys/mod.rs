//! Signatures: the repository's own K-256 key, OAuth clients' P-256 keys, and public keys of both curves in the
//! encodings of DID documents and JSON Web Keys. It reads no files and no randomness.
//! <https://atproto.com/specs/cryptography>

mod p256_key;

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use ipld_core::cid::multibase::{self, Base};
use k256::ecdsa::signature::{Signer, Verifier};
use sha2::Sha256;
use zeroize::Zeroizing;

pub use p256_key::P256Key;

/// Varint of multicodec `secp256k1-pub` (0xe7).
const K256_PREFIX: [u8; 2] = [0xe7, 0x01];
/// Varint of multicodec `p256-pub` (0x1200).
const P256_PREFIX: [u8; 2] = [0x80, 0x24];
/// Limit of an encoded key: an uncompressed point in base58 has 88 characters, and decoding takes quadratic time.
const MAX_MULTIBASE_BYTES: usize = 100;

/// Errors of keys and signatures. Never holds any part of a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key is malformed, or of an unsupported curve.
    #[error("not a valid key: {0}")]
    Invalid(&'static str),
    /// The signature is malformed, not in the required form, or of another key or message.
    #[error("the signature does not match")]
    BadSignature,
}

/// How to verify a signature whose `s` is in the upper half: the same signature as its low-S form, encoded differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HighS {
    /// Accept it, as the reference implementations do for service tokens.
    Accept,
    /// Refuse it, as commits require.
    Refuse,
}

/// The secret key of this repository, on K-256. Wiped from memory when dropped; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct SigningKey(k256::ecdsa::SigningKey);

impl SigningKey {
    /// Creates the key with these bytes, which come from a file or from the system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] for zero and for numbers not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = k256::ecdsa::SigningKey::from_slice(bytes);
        key.map(Self).map_err(|_| KeyError::Invalid("it is not a scalar of K-256"))
    }

    /// Returns the 32 bytes of the secret, to be stored.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// Returns the public key, which verifies this key's signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::K256(*self.0.verifying_key())
    }

    /// Signs the SHA-256 of `message`: 64 bytes, `r` and a low `s`, the same at every call (RFC 6979).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature: k256::ecdsa::Signature = self.0.sign(message);
        signature.normalize_s().to_bytes().into()
    }

    /// Derives a secret for one purpose, which reveals neither this key nor the secret of another purpose: HMAC-SHA256
    /// of the purpose under the key.
    #[must_use]
    pub fn derive_secret(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.to_bytes()) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(purpose.as_bytes());
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(secret)")
    }
}

/// A public key on one of the two curves of the AT Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// secp256k1
    K256(k256::ecdsa::VerifyingKey),
    /// secp256r1
    P256(p256::ecdsa::VerifyingKey),
}

/// Verifies on one curve; the two libraries' types share no trait with these methods.
macro_rules! verify_on {
    ($curve:ident, $key:expr, $message:expr, $signature:expr, $high_s:expr) => {{
        let signature = $curve::ecdsa::Signature::from_slice($signature).map_err(|_| KeyError::BadSignature)?;
        let low = signature.normalize_s();
        if $high_s == HighS::Refuse && low != signature {
            return Err(KeyError::BadSignature);
        }
        $key.verify($message, &low).map_err(|_| KeyError::BadSignature)
    }};
}

impl PublicKey {
    /// Parses a Multikey: `z`, then base58 of the multicodec prefix and the compressed point.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] for another encoding, curve or length, and for bytes that are not a point of the curve.
    pub fn from_multikey(text: &str) -> Result<Self, KeyError> {
        let bytes = base58(text)?;
        match bytes.split_first_chunk() {
            Some((&K256_PREFIX, point)) if point.len() == 33 => Self::k256(point),
            Some((&P256_PREFIX, point)) if point.len() == 33 => Self::p256(point),
            _ => Err(KeyError::Invalid("it must be a compressed K-256 or P-256 key")),
        }
    }

    /// Parses a `did:key`.
    ///
    /// # Errors
    /// As [`Self::from_multikey`].
    pub fn from_did_key(text: &str) -> Result<Self, KeyError> {
        let multikey = text.strip_prefix("did:key:").ok_or(KeyError::Invalid("it must begin with \"did:key:\""))?;
        Self::from_multikey(multikey)
    }

    /// Parses the `publicKeyMultibase` of an older verification method, whose type `kind` names the curve: base58 of
    /// the point alone, compressed or not.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] as for [`Self::from_multikey`], and for other kinds.
    pub fn from_legacy(kind: &str, multibase: &str) -> Result<Self, KeyError> {
        let point = base58(multibase)?;
        if !matches!((point.len(), point.first()), (33, Some(2 | 3)) | (65, Some(4))) {
            return Err(KeyError::Invalid("it must be a point of 33 or 65 bytes"));
        }
        match kind {
            "EcdsaSecp256k1VerificationKey2019" => Self::k256(&point),
            "EcdsaSecp256r1VerificationKey2019" => Self::p256(&point),
            _ => Err(KeyError::Invalid("it is of an unknown type")),
        }
    }

    /// Creates the P-256 key with these coordinates, the `x` and `y` of a JSON Web Key.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] when they are not a point of the curve.
    pub fn from_p256_coordinates(x: &[u8; 32], y: &[u8; 32]) -> Result<Self, KeyError> {
        Self::p256(&[&[4], x.as_slice(), y.as_slice()].concat())
    }

    /// Returns the Multikey form, as in a DID document; after `did:key:` it is the key's DID.
    #[must_use]
    pub fn to_multikey(&self) -> String {
        let bytes = match self {
            Self::K256(key) => [&K256_PREFIX, key.to_sec1_point(true).as_bytes()].concat(),
            Self::P256(key) => [&P256_PREFIX, key.to_sec1_point(true).as_bytes()].concat(),
        };
        multibase::encode(Base::Base58Btc, bytes)
    }

    /// Returns the did:key form.
    #[must_use]
    pub fn to_did_key(&self) -> String {
        format!("did:key:{}", self.to_multikey())
    }

    /// Returns the name of the algorithm in a JWT.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::K256(_) => "ES256K",
            Self::P256(_) => "ES256",
        }
    }

    /// Verifies a signature over the SHA-256 of `message`.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`] unless `signature` is 64 bytes (`r`, then `s`) made by this key, with a low `s`
    /// where `high_s` refuses others.
    pub fn verify(&self, message: &[u8], signature: &[u8], high_s: HighS) -> Result<(), KeyError> {
        match self {
            Self::K256(key) => verify_on!(k256, key, message, signature, high_s),
            Self::P256(key) => verify_on!(p256, key, message, signature, high_s),
        }
    }

    fn k256(point: &[u8]) -> Result<Self, KeyError> {
        let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(point);
        key.map(Self::K256).map_err(|_| KeyError::Invalid("it is not a point of K-256"))
    }

    fn p256(point: &[u8]) -> Result<Self, KeyError> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point);
        key.map(Self::P256).map_err(|_| KeyError::Invalid("it is not a point of P-256"))
    }
}

fn base58(text: &str) -> Result<Vec<u8>, KeyError> {
    if text.len() > MAX_MULTIBASE_BYTES {
        return Err(KeyError::Invalid("it is too long"));
    }
    match multibase::decode(text) {
        Ok((Base::Base58Btc, bytes)) => Ok(bytes),
        _ => Err(KeyError::Invalid("it must be \"z\" and base58")),
    }
}

#[cfg(test)]
mod tests {
    use super::{HighS, PublicKey, SigningKey};

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[0x42; 32]).unwrap()
    }

    #[test]
    fn a_signature_is_of_its_key_and_message() {
        let signature = key().sign(b"message");
        let other = SigningKey::from_bytes(&[0x43; 32]).unwrap();
        assert_eq!(signature, key().sign(b"message"));
        assert!(key().public().verify(b"message", &signature, HighS::Refuse).is_ok());
        assert!(key().public().verify(b"massage", &signature, HighS::Accept).is_err());
        assert!(other.public().verify(b"message", &signature, HighS::Accept).is_err());
        assert!(key().public().verify(b"message", &signature[..63], HighS::Accept).is_err());
        assert!(key().public().verify(b"message", &[0; 64], HighS::Accept).is_err());
    }

    #[test]
    fn a_public_key_survives_text() {
        let public = key().public();
        assert_eq!(PublicKey::from_multikey(&public.to_multikey()).unwrap(), public);
        assert_eq!(PublicKey::from_did_key(&public.to_did_key()).unwrap(), public);
        assert!(PublicKey::from_did_key(&public.to_multikey()).is_err());
        assert!(PublicKey::from_multikey(&format!("z{}", "1".repeat(1_000_000))).is_err());
        assert!(PublicKey::from_multikey("").is_err());
        assert!(PublicKey::from_multikey("é").is_err());
    }

    #[test]
    fn a_legacy_key_may_be_uncompressed() {
        let PublicKey::K256(point) = key().public() else { panic!("the signing key is on K-256") };
        let text = |compress| {
            let bytes = point.to_sec1_point(compress);
            super::multibase::encode(super::Base::Base58Btc, bytes.as_bytes())
        };
        for compress in [true, false] {
            let read = PublicKey::from_legacy("EcdsaSecp256k1VerificationKey2019", &text(compress)).unwrap();
            assert_eq!(read, key().public());
            assert!(PublicKey::from_legacy("Ed25519VerificationKey2018", &text(compress)).is_err());
        }
        assert!(PublicKey::from_legacy("EcdsaSecp256r1VerificationKey2019", &text(false)).is_err());
    }

    #[test]
    fn a_secret_shows_nowhere_and_is_one_for_a_purpose() {
        assert!(!format!("{:?}", key()).contains("42"));
        assert_ne!(*key().derive_secret("a"), *key().derive_secret("b"));
        assert_ne!(*key().derive_secret("a"), *key().to_bytes());
        assert!(SigningKey::from_bytes(&[0; 32]).is_err());
        assert!(SigningKey::from_bytes(&[0xff; 32]).is_err());
    }
}
