//! The scope of a PDS's access token, which tells an app password from the account's main password.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

/// Returns the `scope` claim of an access token, without a check of the signature: the PDS has just issued it.
pub(super) fn scope(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        scope: String,
    }
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1)?.as_bytes()).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.scope)
}

#[cfg(test)]
mod tests {
    use super::{BASE64URL_NOPAD, scope};

    #[test]
    fn a_token_says_what_its_scope_is() {
        let token = |claims: &str| format!("e30.{}.sig", BASE64URL_NOPAD.encode(claims.as_bytes()));
        assert_eq!(scope(&token(r#"{"scope":"com.atproto.appPass"}"#)).as_deref(), Some("com.atproto.appPass"));
        for other in ["", "a.b.c", &token("{}"), &token("[]")] {
            assert_eq!(scope(other), None, "{other}");
        }
    }
}
