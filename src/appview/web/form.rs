//! What a form has, and a query: each field once.

use http::request::Parts;

use super::refusal::WebError;
use server::wire::Request;

/// Of any form here.
const MAX_BYTES: u64 = 16 * 1024;

/// Fields by their names.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Those of a query.
    pub(super) fn of_query(head: &Parts) -> Self {
        Self(pairs(head.uri.query().unwrap_or_default().as_bytes()))
    }

    /// Those of a form.
    pub(super) async fn of_body(request: Request) -> Result<(Parts, Self), WebError> {
        let body = request.body.collect(MAX_BYTES).await.map_err(|fault| WebError::bad_form(fault.to_string()))?;
        Ok((request.head, Self(pairs(&body))))
    }

    /// A field that is there once; `None` also when it is empty. Of two nobody knows which one was meant.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(of, _)| of == name).map(|(_, value)| value.as_str());
        let first = values.next().filter(|value| !value.is_empty());
        first.filter(|_| values.next().is_none())
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}
