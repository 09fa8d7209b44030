//! The credentials of a request: none, a service token, or an access token with a DPoP proof. Invalid credentials are
//! an error, never anonymous.

use super::{AuthError, DpopError, TokenError};

/// Credentials of a request, not checked yet.
#[derive(Clone, Copy)]
pub enum Credentials<'h> {
    /// `Authorization: Bearer`: a service token.
    Bearer(&'h str),
    /// `Authorization: DPoP` and `DPoP`: an OAuth access token, and the proof of possession of its key.
    Dpop {
        /// The access token.
        token: &'h str,
        /// The proof.
        proof: &'h str,
    },
}

impl<'h> Credentials<'h> {
    /// Returns the credentials in these values of the `Authorization` and `DPoP` headers; `None` when there are none.
    ///
    /// # Errors
    /// [`TokenError::Malformed`] for anything but one value of the form `Bearer <token>` or `DPoP <token>`;
    /// [`DpopError::Proof`] unless there is exactly one proof with the latter, and none otherwise.
    pub fn of(
        authorization: impl IntoIterator<Item = &'h [u8]>,
        proofs: impl IntoIterator<Item = &'h [u8]>,
    ) -> Result<Option<Self>, AuthError> {
        let (mut authorization, mut proofs) = (authorization.into_iter(), proofs.into_iter());
        let (value, proof) = (authorization.next(), proofs.next());
        if authorization.next().is_some() {
            return Err(TokenError::Malformed("there is more than one Authorization header").into());
        }
        if proofs.next().is_some() {
            return Err(DpopError::Proof("there is more than one DPoP header").into());
        }
        // The name of a scheme is case-insensitive: RFC 9110, section 11.1.
        let token_after = |scheme: &[u8]| {
            let (name, token) = value?.split_at_checked(scheme.len())?;
            word(token).filter(|_| name.eq_ignore_ascii_case(scheme))
        };
        match (token_after(b"Bearer "), token_after(b"DPoP "), proof) {
            (_, Some(token), Some(proof)) => {
                let proof = word(proof).ok_or(DpopError::Proof("the DPoP header must be one proof"))?;
                Ok(Some(Self::Dpop { token, proof }))
            }
            (_, Some(_), None) => Err(DpopError::Proof("the DPoP header is missing").into()),
            (_, None, Some(_)) => Err(DpopError::Proof("a DPoP header goes with Authorization: DPoP only").into()),
            (Some(token), None, None) => Ok(Some(Self::Bearer(token))),
            (None, None, None) if value.is_none() => Ok(None),
            (None, None, None) => Err(TokenError::Malformed(
                "the Authorization header must be Bearer and a service token, or DPoP and an access token",
            )
            .into()),
        }
    }
}

/// Returns the text of visible ASCII without a space, at least one character.
fn word(bytes: &[u8]) -> Option<&str> {
    let visible = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(bytes).ok().filter(|_| visible)
}

#[cfg(test)]
mod tests {
    use super::{AuthError, Credentials};

    fn name(authorization: &[&[u8]], proofs: &[&[u8]]) -> &'static str {
        match Credentials::of(authorization.iter().copied(), proofs.iter().copied()) {
            Ok(None) => "nothing",
            Ok(Some(Credentials::Bearer("a.b.c"))) => "bearer",
            Ok(Some(Credentials::Dpop { token: "a.b.c", proof: "d.e.f" })) => "dpop",
            Err(AuthError::Token(error)) => error.name(),
            Err(AuthError::Dpop(error)) => error.name(),
            _ => "something else",
        }
    }

    #[test]
    fn one_of_two_forms_or_none() {
        assert_eq!(name(&[], &[]), "nothing");
        for scheme in ["Bearer", "bearer", "BEARER"] {
            assert_eq!(name(&[format!("{scheme} a.b.c").as_bytes()], &[]), "bearer");
        }
        for scheme in ["DPoP", "dpop", "DPOP"] {
            assert_eq!(name(&[format!("{scheme} a.b.c").as_bytes()], &[b"d.e.f"]), "dpop");
        }
    }

    #[test]
    fn anything_else_is_bad_not_anonymous() {
        for value in
            ["", "Bearer", "Bearer ", "Bearer  a.b.c", "Bearer a.b.c ", "Bearer a b", "Basic a", "DPoP", "DPoP  a.b.c"]
        {
            assert_eq!(name(&[value.as_bytes()], &[]), "BadJwt", "{value:?}");
        }
        assert_eq!(name(&[b"Bearer a\xff"], &[]), "BadJwt");
        assert_eq!(name(&[b"Bearer a", b"Bearer a"], &[]), "BadJwt");
        assert_eq!(name(&[b"Bearer a.b.c", b"DPoP a.b.c"], &[b"d.e.f"]), "BadJwt");
    }

    #[test]
    fn a_proof_goes_with_an_access_token_and_there_is_one() {
        let token: &[&[u8]] = &[b"DPoP a.b.c"];
        let no_proofs: [&[&[u8]]; 5] = [&[], &[b""], &[b"d e"], &[b"d\xff"], &[b"d.e.f", b"d.e.f"]];
        for proofs in no_proofs {
            assert_eq!(name(token, proofs), "invalid_dpop_proof", "{proofs:?}");
        }
        assert_eq!(name(&[b"Bearer a.b.c"], &[b"d.e.f"]), "invalid_dpop_proof");
        assert_eq!(name(&[], &[b"d.e.f"]), "invalid_dpop_proof");
    }
}
