//! Vectors of keys and signatures.

use atproto::keys::{HighS, PublicKey, SigningKey};

use super::{base64, json, text};

#[test]
fn signatures() {
    for item in json("crypto/signature-fixtures.json") {
        let key = PublicKey::from_did_key(text(&item, "publicKeyDid")).unwrap();
        let legacy = PublicKey::from_legacy(text(&item, "didDocSuite"), text(&item, "publicKeyMultibase")).unwrap();
        assert_eq!(key, legacy, "{item}");
        assert_eq!(key.algorithm(), text(&item, "algorithm"), "{item}");
        assert_eq!(format!("did:key:{}", key.to_multikey()), text(&item, "publicKeyDid"));
        let (message, signature) = (base64(&item, "messageBase64"), base64(&item, "signatureBase64"));
        let verifies = |high_s| key.verify(&message, &signature, high_s).is_ok();
        let valid = item["validSignature"].as_bool().unwrap();
        // A high S is the one fault that service tokens are allowed.
        let high_s = item["tags"].as_array().unwrap().contains(&"high-s".into());
        assert_eq!(verifies(HighS::Refuse), valid, "{item}");
        assert_eq!(verifies(HighS::Accept), valid || high_s, "{item}");
    }
}

#[test]
fn secret_keys_of_k256() {
    for item in json("crypto/w3c_didkey_K256.json") {
        let bytes = data_encoding::HEXLOWER.decode(text(&item, "privateKeyBytesHex").as_bytes()).unwrap();
        let key = SigningKey::from_bytes(bytes.as_slice().try_into().unwrap()).unwrap();
        assert_eq!(format!("did:key:{}", key.public().to_multikey()), text(&item, "publicDidKey"));
        let signature = key.sign(b"message");
        assert!(key.public().verify(b"message", &signature, HighS::Refuse).is_ok());
    }
}

/// There are no secret keys of P-256 here, so only the public half is read.
#[test]
fn public_keys_of_p256() {
    for item in json("crypto/w3c_didkey_P256.json") {
        let key = PublicKey::from_did_key(text(&item, "publicDidKey")).unwrap();
        assert_eq!(key.algorithm(), "ES256");
        assert_eq!(format!("did:key:{}", key.to_multikey()), text(&item, "publicDidKey"));
    }
}
