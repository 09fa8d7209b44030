//! Keys of the tree: record paths, and the layer of each.

use sha2::{Digest as _, Sha256};

use crate::repo::RepoError;

const MAX_BYTES: usize = 1024;

/// Returns the layer of a key: the number of leading zero bits of its SHA-256, in pairs. At most 128.
#[must_use]
pub fn height(key: &str) -> u32 {
    let mut zero_bits = 0;
    for byte in Sha256::digest(key) {
        zero_bits += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    zero_bits / 2
}

/// Returns the length of the common prefix of two keys, in bytes.
#[must_use]
pub fn common_prefix(left: &str, right: &str) -> usize {
    left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count()
}

/// Checks that `key` may be in a tree. As in the reference implementation, it checks only what the tree relies on: two
/// parts of the characters of NSIDs and record keys. The caller that makes the key checks the two grammars.
pub(super) fn check(key: &str) -> Result<(), RepoError> {
    if key.len() > MAX_BYTES {
        return Err(RepoError::InvalidPath("it is longer than 1024 bytes"));
    }
    let allowed = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_~-:.".contains(&b));
    match key.split_once('/') {
        Some((collection, rkey)) if collection.is_empty() || rkey.is_empty() => {
            Err(RepoError::InvalidPath("both of its parts are needed"))
        }
        Some((collection, rkey)) if allowed(collection) && allowed(rkey) => Ok(()),
        _ => Err(RepoError::InvalidPath("it must be a collection, '/' and a record key")),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn keys_have_two_parts_of_plain_characters() {
        assert!(check("com.example.record/3jui7kd54zh2y").is_ok());
        assert!(check("coll/a:b_c~d-e.f").is_ok());
        assert!(check(&format!("coll/{}", "o".repeat(1019))).is_ok());
        for wrong in ["", "/", "coll", "coll/", "/rkey", "coll/a/b", "coll//a", "coll/ä", "coll/a b", "coll/@a"] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
        assert!(check(&format!("coll/{}", "o".repeat(1020))).is_err());
    }
}
