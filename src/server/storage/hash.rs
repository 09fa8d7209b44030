//! SHA-256 whose state can be saved at the end of a part and restored, also by a later process.

use sha2::digest::common::hazmat::{SerializableState as _, SerializedState};
use sha2::{Digest as _, Sha256};

use super::StorageError;
use atproto::syntax::Digest;

/// The running hash of all bytes up to some offset.
#[derive(Clone, Default)]
pub struct Hash(Sha256);

impl Hash {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(self.0.clone().finalize().into())
    }

    /// Returns an ETag of all bytes so far: bodies that differ have different ones.
    #[must_use]
    pub fn etag(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.digest().as_bytes()[..16])
    }

    /// Returns the state, for [`Hash::restore`].
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.0.serialize().to_vec()
    }

    /// Restores a saved state.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] when `saved` is not such a state.
    pub fn restore(saved: &[u8]) -> Result<Self, StorageError> {
        let damaged = || StorageError::Damaged("a saved hash state cannot be read".into());
        let state = SerializedState::<Sha256>::try_from(saved).map_err(|_| damaged())?;
        Sha256::deserialize(&state).map(Self).map_err(|_| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_state_goes_on_where_it_was_saved() {
        let bytes = (0..1000u32).map(|n| (n % 251) as u8).collect::<Vec<_>>();
        let mut whole = Hash::default();
        whole.update(&bytes);
        for cut in [0, 1, 63, 64, 65, 999, 1000] {
            let mut first = Hash::default();
            first.update(&bytes[..cut]);
            let mut second = Hash::restore(&first.save()).unwrap();
            second.update(&bytes[cut..]);
            assert_eq!(second.digest(), whole.digest(), "cut at {cut}");
        }
        assert!(Hash::restore(b"short").is_err());
    }
}
