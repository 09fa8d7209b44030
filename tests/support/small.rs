//! Helpers of a few lines that tests of several crates share.

use std::time::Duration;

use serde_json::Value;

/// `value` with `changes`; a null takes a name out.
pub(crate) fn with(mut value: Value, changes: &Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => drop(value.as_object_mut().unwrap().remove(name)),
            _ => value[name] = change.clone(),
        }
    }
    value
}

/// Moves the clock without waiting.
pub(crate) async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}
