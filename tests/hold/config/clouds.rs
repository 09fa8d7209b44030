//! The options of Google's and Azure's buckets, in builds that have them and in those that have not.

use super::load;

#[cfg(not(feature = "gcs"))]
#[test]
fn a_build_without_google_says_how_to_get_one() {
    let error = load([("STORAGE_DRIVER", "gcs"), ("GCS_BUCKET", "layers")]).unwrap_err();
    assert!(error.contains("STORAGE_DRIVER") && error.contains("--features gcs") && !error.contains('\n'), "{error}");
}

#[cfg(not(feature = "azure"))]
#[test]
fn a_build_without_azure_says_how_to_get_one() {
    let error = load([("STORAGE_DRIVER", "azure"), ("AZURE_STORAGE_ACCOUNT_NAME", "mystorage")]).unwrap_err();
    assert!(error.contains("STORAGE_DRIVER") && error.contains("--features azure") && !error.contains('\n'), "{error}");
}

#[cfg(feature = "gcs")]
mod google {
    use atcr_hold::objects::{BucketSettings, Location, Presigned};

    use super::load;

    #[test]
    fn the_key_is_read_from_the_file_that_the_usual_variable_names() {
        let key = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(key.path(), "{\"private_key\": \"p\"}\n").unwrap();
        let path = key.path().to_str().unwrap();
        let driver = ("STORAGE_DRIVER", "gcs");
        let config = load([driver, ("GCS_BUCKET", "layers"), ("GOOGLE_APPLICATION_CREDENTIALS", path)]).unwrap();
        let Location::Bucket(settings) = config.storage else { panic!("the blobs are in a directory") };
        let BucketSettings::Google(gcs) = *settings else { panic!("it is not Google's") };
        assert_eq!((gcs.bucket.as_str(), gcs.service_account.as_str()), ("layers", "{\"private_key\": \"p\"}"));
        assert!(config.presigned == Presigned::All && gcs.prefix.is_empty() && gcs.endpoint.is_none());

        let missing = load([driver, ("GCS_BUCKET", "layers")]).unwrap_err();
        assert!(missing.contains("GOOGLE_APPLICATION_CREDENTIALS"), "{missing}");
        let gone = load([driver, ("GCS_BUCKET", "layers"), ("GOOGLE_APPLICATION_CREDENTIALS", "/none")]).unwrap_err();
        assert!(gone.contains("GOOGLE_APPLICATION_CREDENTIALS") && gone.contains("cannot be read"), "{gone}");
    }
}

#[cfg(feature = "azure")]
mod azure {
    use atcr_hold::objects::{BucketSettings, Location, Presigned};

    use super::load;

    #[test]
    fn an_account_a_container_and_a_key_are_needed() {
        let driver = ("STORAGE_DRIVER", "azure");
        let account = ("AZURE_STORAGE_ACCOUNT_NAME", "mystorage");
        let container = ("AZURE_STORAGE_CONTAINER_NAME", "layers");
        let key = ("AZURE_STORAGE_ACCOUNT_KEY", "a2V5");
        let config = load([driver, account, container, key, ("DISABLE_PRESIGNED_URLS", "true")]).unwrap();
        let Location::Bucket(settings) = config.storage else { panic!("the blobs are in a directory") };
        let BucketSettings::Azure(azure) = *settings else { panic!("it is not Azure's") };
        assert_eq!((azure.account.as_str(), azure.container.as_str()), ("mystorage", "layers"));
        assert!(config.presigned == Presigned::None && azure.access_key.as_str() == "a2V5" && azure.endpoint.is_none());
        for (given, missing) in [
            ([driver, account, container], "AZURE_STORAGE_ACCOUNT_KEY"),
            ([driver, account, key], "AZURE_STORAGE_CONTAINER_NAME"),
            ([driver, container, key], "AZURE_STORAGE_ACCOUNT_NAME"),
        ] {
            let error = load(given).unwrap_err();
            assert!(error.contains(missing) && !error.contains("a2V5"), "{error}");
        }
    }
}
