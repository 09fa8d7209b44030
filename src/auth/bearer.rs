//! The `Authorization` header: absent, a bearer token, or an error. Never "bad, so anonymous".

use super::TokenError;

/// The token of a request whose `Authorization` headers have the given `values`; `None` when there are none.
///
/// # Errors
/// [`TokenError::Malformed`] for anything but one value of the form `Bearer <token>`.
pub fn token<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<&'a str>, TokenError> {
    let mut values = values.into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(TokenError::Malformed("there is more than one Authorization header"));
    }
    value
        .strip_prefix(b"Bearer ")
        .filter(|token| !token.is_empty() && token.iter().all(u8::is_ascii_graphic))
        .and_then(|token| std::str::from_utf8(token).ok())
        .map(Some)
        .ok_or(TokenError::Malformed("the Authorization header must be Bearer and a service token"))
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn one_bearer_value_or_none() {
        assert_eq!(token([]), Ok(None));
        assert_eq!(token([b"Bearer a.b.c".as_slice()]), Ok(Some("a.b.c")));
    }

    #[test]
    fn anything_else_is_bad_not_anonymous() {
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "bearer a.b.c",
            "Bearer  a.b.c",
            "Bearer a.b.c ",
            "Bearer a b",
            "Basic a",
            "DPoP a",
        ] {
            assert_eq!(token([value.as_bytes()]).unwrap_err().name(), "BadJwt", "{value:?}");
        }
        assert_eq!(token([b"Bearer a\xff".as_slice()]).unwrap_err().name(), "BadJwt");
        assert_eq!(token([b"Bearer a".as_slice(), b"Bearer a".as_slice()]).unwrap_err().name(), "BadJwt");
    }
}
