//! The secret keys of OAuth clients, on P-256: the only curve that every authorization server of the AT Protocol
//! supports.
//! <https://atproto.com/specs/oauth>

use std::fmt;

use p256::ecdsa::signature::Signer;
use zeroize::Zeroizing;

use super::{KeyError, PublicKey};

/// A secret key on P-256. Wiped from memory when dropped; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct P256Key(p256::ecdsa::SigningKey);

impl P256Key {
    /// Creates the key with these bytes, which come from a file, a database or the system's randomness.
    ///
    /// # Errors
    /// [`KeyError::Invalid`] for zero and for numbers not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = p256::ecdsa::SigningKey::from_slice(bytes);
        key.map(Self).map_err(|_| KeyError::Invalid("it is not a scalar of P-256"))
    }

    /// Returns the 32 bytes of the secret, to be stored.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// Returns the public key, which verifies this key's signatures.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey::P256(*self.0.verifying_key())
    }

    /// Returns the coordinates of the public key, the `x` and `y` of a JSON Web Key.
    #[must_use]
    pub fn coordinates(&self) -> ([u8; 32], [u8; 32]) {
        let point = self.0.verifying_key().to_sec1_point(false);
        let (mut x, mut y) = ([0; 32], [0; 32]);
        // The first byte marks the point as uncompressed.
        x.copy_from_slice(&point.as_bytes()[1..33]);
        y.copy_from_slice(&point.as_bytes()[33..65]);
        (x, y)
    }

    /// Signs the SHA-256 of `message` (ES256): 64 bytes, `r` and a low `s`.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature: p256::ecdsa::Signature = self.0.sign(message);
        signature.normalize_s().to_bytes().into()
    }
}

impl fmt::Debug for P256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P256Key(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::P256Key;
    use crate::keys::{HighS, PublicKey};

    #[test]
    fn what_it_signs_its_coordinates_verify() {
        let key = P256Key::from_bytes(&[0x42; 32]).unwrap();
        let (x, y) = key.coordinates();
        let public = PublicKey::from_p256_coordinates(&x, &y).unwrap();
        assert_eq!(public, key.public());
        assert!(public.verify(b"message", &key.sign(b"message"), HighS::Refuse).is_ok());
        assert!(public.verify(b"massage", &key.sign(b"message"), HighS::Accept).is_err());
        assert_eq!(*key.to_bytes(), [0x42; 32]);
    }

    #[test]
    fn it_shows_nowhere_and_is_below_the_order_of_the_curve() {
        assert!(!format!("{:?}", P256Key::from_bytes(&[0x42; 32])).contains("42"));
        assert!(P256Key::from_bytes(&[0; 32]).is_err());
        assert!(P256Key::from_bytes(&[0xff; 32]).is_err());
    }
}
