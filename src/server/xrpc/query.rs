//! Query parameters.

use http::request::Parts;

use super::error::Error;
use atproto::syntax::{Nsid, RecordKey};

/// Query parameters, decoded, in order.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Parses the query of a request.
    #[must_use]
    pub fn of(head: &Parts) -> Self {
        let text = head.uri.query().unwrap_or_default();
        Self(url::form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// Returns a parameter that may be absent. An empty one counts as absent, as at the reference server: clients send
    /// `cursor=` for the first page.
    ///
    /// # Errors
    /// 400 when it is repeated, so that no two parsers pick different values.
    pub fn get(&self, name: &str) -> Result<Option<&str>, Error> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() {
            return Err(Error::invalid(format!("query parameter {name} is given twice")));
        }
        Ok(first.filter(|value| !value.is_empty()))
    }

    /// Returns every value of a parameter.
    pub fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns a parameter that must be present and not empty.
    ///
    /// # Errors
    /// 400.
    pub fn required(&self, name: &str) -> Result<&str, Error> {
        self.get(name)?.ok_or_else(|| Error::invalid(format!("query parameter {name} is required")))
    }

    /// Returns the parameter `collection`.
    ///
    /// # Errors
    /// 400 when it is absent or not an NSID.
    pub fn collection(&self) -> Result<Nsid, Error> {
        Nsid::parse(self.required("collection")?).map_err(|e| Error::invalid(format!("collection is {e}")))
    }

    /// Returns the parameter `rkey`.
    ///
    /// # Errors
    /// 400 when it is absent or not a record key.
    pub fn rkey(&self) -> Result<RecordKey, Error> {
        RecordKey::parse(self.required("rkey")?).map_err(|e| Error::invalid(format!("rkey is {e}")))
    }

    /// Returns the parameter `limit`: a number from 1 to `max`, or `default` when absent.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn limit(&self, default: u32, max: u32) -> Result<u32, Error> {
        let Some(text) = self.get("limit")? else { return Ok(default) };
        let number = text.parse().ok().filter(|number| (1..=max).contains(number));
        number.ok_or_else(|| Error::invalid(format!("limit must be a number from 1 to {max}")))
    }

    /// Returns a parameter that is `true` or `false`; false when absent.
    ///
    /// # Errors
    /// 400 for anything else.
    pub fn flag(&self, name: &str) -> Result<bool, Error> {
        match self.get(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Error::invalid(format!("{name} must be true or false"))),
        }
    }
}
