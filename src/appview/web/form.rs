//! What a form has, and a query: each field once.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::refusal::WebError;
use server::wire::Request;
use server::xrpc::header;

/// Of any form here.
pub(super) const MAX_BYTES: u64 = 16 * 1024;
/// What a form with a file has besides.
const FIELD_BYTES: u64 = 4096;

/// Fields by their names.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Those of a query.
    pub(super) fn of_query(head: &Parts) -> Self {
        Self(pairs(head.uri.query().unwrap_or_default().as_bytes()))
    }

    /// Those of a form.
    pub(super) async fn of_body(request: Request) -> Result<(Parts, Self), WebError> {
        Self::of_body_within(request, MAX_BYTES).await
    }

    /// Those of a form of so many bytes.
    pub(super) async fn of_body_within(request: Request, max_bytes: u64) -> Result<(Parts, Self), WebError> {
        let body = request.body.collect(max_bytes).await.map_err(|fault| WebError::bad_form(fault.to_string()))?;
        Ok((request.head, Self(pairs(&body))))
    }

    /// A field that is there once; `None` also when it is empty. Of two nobody knows which one was meant.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(of, _)| of == name).map(|(_, value)| value.as_str());
        let first = values.next().filter(|value| !value.is_empty());
        first.filter(|_| values.next().is_none())
    }
}

/// A form with a file. <https://www.rfc-editor.org/rfc/rfc7578>
pub(super) struct Upload {
    pub(super) fields: Fields,
    /// Empty where none was chosen.
    pub(super) file: Bytes,
}

impl Upload {
    /// A form with a file of so many bytes at most.
    pub(super) async fn of_body(request: Request, max_file_bytes: usize) -> Result<(Parts, Self), WebError> {
        let kind = header(&request.head, CONTENT_TYPE.as_str()).unwrap_or_default();
        let boundary = multer::parse_boundary(kind).map_err(|_| WebError::bad_form("this is no form with a file"))?;
        let body = request.body.collect(max_file_bytes as u64 + FIELD_BYTES).await;
        let body = body.map_err(|fault| WebError::bad_form(fault.to_string()))?;
        let whole = futures_util::stream::iter([Ok::<_, std::io::Error>(body)]);
        let mut parts = multer::Multipart::new(whole, boundary);
        let wrong = |error: multer::Error| WebError::bad_form(format!("the form cannot be read: {error}"));
        let (mut fields, mut files) = (Vec::new(), Vec::new());
        while let Some(part) = parts.next_field().await.map_err(wrong)? {
            let name = part.name().unwrap_or_default().to_owned();
            match part.file_name() {
                Some(_) => files.push(part.bytes().await.map_err(wrong)?),
                None => fields.push((name, part.text().await.map_err(wrong)?)),
            }
        }
        match (files.pop(), files.is_empty()) {
            (file, true) => Ok((request.head, Self { fields: Fields(fields), file: file.unwrap_or_default() })),
            (_, false) => Err(WebError::bad_form("one picture at a time")),
        }
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}
