//! Parsing of forms and queries, in which each field may be there once.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use percent_encoding::percent_decode;

use super::refusal::WebError;
use server::wire::{BodyFault, Request};
use server::xrpc::header;

const NOT_UTF8: &str = "the form is not in UTF-8";
/// Media type of forms without a file.
const FORM: &str = "application/x-www-form-urlencoded";
/// Longest form without a file, unless an endpoint allows more.
const MAX_BYTES: u64 = 16 * 1024;
/// Bytes that a form with a file may have besides the file.
const FIELD_BYTES: u64 = 4096;

/// Fields with their names.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Parses the query of a request.
    pub(super) fn of_query(head: &Parts) -> Self {
        Self(pairs(head.uri.query().unwrap_or_default().as_bytes()))
    }

    /// Reads and parses a form of [`MAX_BYTES`] at most.
    pub(super) async fn of_body(request: Request) -> Result<(Parts, Self), WebError> {
        Self::of_body_within(request, MAX_BYTES).await
    }

    /// Reads and parses a form of `max_bytes` at most. A body without a `Content-Type` is taken for a form.
    pub(super) async fn of_body_within(request: Request, max_bytes: u64) -> Result<(Parts, Self), WebError> {
        let kind = request.head.headers.get(CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.to_str().is_ok_and(|kind| essence(kind) != FORM)) {
            return Err(WebError::other_type(format!("a form is sent as {FORM}")));
        }
        let body = request.body.collect(max_bytes).await.map_err(|fault| match fault {
            BodyFault::TooLarge => {
                let message =
                    format!("the form has more than {max_bytes} bytes: go back, where your browser may still have it");
                WebError::bad_form(message)
            }
            fault => WebError::bad_form(fault.to_string()),
        })?;
        if percent_decode(&body).decode_utf8().is_err() {
            return Err(WebError::bad_form(NOT_UTF8));
        }
        Ok((request.head, Self(pairs(&body))))
    }

    /// Returns the value of a field; `None` also when it is empty, or there are two fields with this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(of, _)| of == name).map(|(_, value)| value.as_str());
        let first = values.next().filter(|value| !value.is_empty());
        first.filter(|_| values.next().is_none())
    }
}

/// A form with a file. <https://www.rfc-editor.org/rfc/rfc7578>
pub(super) struct Upload {
    pub(super) fields: Fields,
    /// The file; empty if none was chosen.
    pub(super) file: Bytes,
}

impl Upload {
    /// Reads and parses a form with one file of `max_file_bytes` at most.
    pub(super) async fn of_body(request: Request, max_file_bytes: usize) -> Result<(Parts, Self), WebError> {
        let kind = header(&request.head, CONTENT_TYPE.as_str()).unwrap_or_default();
        let boundary = multer::parse_boundary(kind).map_err(|_| WebError::other_type("this is no form with a file"))?;
        let body = request.body.collect(max_file_bytes as u64 + FIELD_BYTES).await;
        let body = body.map_err(|fault| WebError::bad_form(fault.to_string()))?;
        let whole = futures_util::stream::iter([Ok::<_, std::io::Error>(body)]);
        let mut parts = multer::Multipart::new(whole, boundary);
        let wrong = |error: multer::Error| WebError::bad_form(format!("the form cannot be read: {error}"));
        let (mut fields, mut files) = (Vec::new(), Vec::new());
        while let Some(part) = parts.next_field().await.map_err(wrong)? {
            let name = part.name().unwrap_or_default().to_owned();
            let is_file = part.file_name().is_some();
            let bytes = part.bytes().await.map_err(wrong)?;
            if is_file {
                files.push(bytes);
            } else {
                fields.push((name, String::from_utf8(bytes.into()).map_err(|_| WebError::bad_form(NOT_UTF8))?));
            }
        }
        match (files.pop(), files.is_empty()) {
            (Some(file), true) => Ok((request.head, Self { fields: Fields(fields), file })),
            // Browsers send an empty file for a field without a chosen file, so this form has no such field.
            (None, _) => Err(WebError::bad_form("the picture is missing")),
            (_, false) => Err(WebError::bad_form("one picture at a time")),
        }
    }
}

/// Returns a media type without its parameters, in lower case.
fn essence(kind: &str) -> String {
    kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text).into_owned().collect()
}
