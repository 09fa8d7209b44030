//! Removing many objects: what a scripted server is asked for, and what is made of its answers.

use atcr_hold::objects::Objects;
use server::storage::StorageError;

use super::scripted::{Script, answer, busy, lost, missing};

fn two_keys() -> Vec<String> {
    vec!["a".into(), "b".into()]
}

#[tokio::test]
async fn a_removal_is_asked_for_once_and_each_key_has_an_outcome() {
    for silence in [busy(), lost()] {
        let script = Script::new([silence]).await;
        let removed = Objects::in_bucket(script.s3.clone()).remove_all(two_keys()).await;
        assert!(matches!(removed.failure, Some(StorageError::Unavailable(_))), "{removed:?}");
        assert!(removed.gone.is_empty());
        assert_eq!(script.requests(), ["POST /bucket"]);
    }
    let body = "<DeleteResult><Error><Key>folder/b</Key><Code>InternalError</Code></Error></DeleteResult>";
    let script = Script::new([answer("200 OK", "", body)]).await;
    let removed = Objects::in_bucket(script.s3.clone()).remove_all(two_keys()).await;
    assert_eq!((removed.gone, removed.failure.is_some()), (vec!["a".to_owned()], true));
    let request = script.request(0);
    assert!(request.starts_with("POST /bucket?delete= HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-md5: ") && request.contains("content-md5;"), "{request}");
    assert!(request.contains("<Object><Key>folder/a</Key></Object>"), "{request}");
}

#[tokio::test]
async fn a_store_that_removes_one_by_one_is_asked_so_from_then_on() {
    let refusal = || answer("501 Not Implemented", "", "<Error><Code>NotImplemented</Code></Error>");
    let done = || answer("204 No Content", "", "");
    let script = Script::new([refusal(), done(), missing(), busy(), done()]).await;
    let removed = Objects::in_bucket(script.s3.clone()).remove_all(two_keys()).await;
    assert_eq!((removed.gone.len(), removed.failure.is_none()), (2, true));
    let removed = Objects::in_bucket(script.s3.clone()).remove_all(two_keys()).await;
    assert_eq!((removed.gone.len(), removed.failure.is_some()), (1, true), "nothing is asked for twice");
    let mut requests = script.requests();
    requests.sort_unstable();
    let (a, b) = ("DELETE /bucket/folder/a", "DELETE /bucket/folder/b");
    assert_eq!(requests, [a, a, b, b, "POST /bucket"]);
}
