//! Whether a handle is really an account's. A DID document only claims one; the claim holds when the handle's own
//! domain names the DID in return.
//!
//! The domain is asked over HTTPS. The other way, a TXT record in the DNS, is not taken: the system's resolver looks up
//! addresses only. So a handle that is proven that way only stays a claim here.
//! <https://atproto.com/specs/handle#handle-resolution>

use super::{Pool, ResolveError, Resolver};
use atproto::syntax::{Did, Handle};

impl Resolver {
    /// The handle of `did`, in lower case: `None` when it claims none, or one whose domain says otherwise. Keeps the
    /// document, but not what the domain said.
    ///
    /// # Errors
    /// As [`Resolver::resolve`]; [`ResolveError::Unreachable`] when the handle's domain does not answer.
    pub async fn proven_handle(&self, did: &Did, pool: Pool) -> Result<Option<Handle>, ResolveError> {
        let account = self.resolve(did, pool).await?;
        let claimed = account.handle.as_ref().map(|handle| Handle::parse(&handle.as_str().to_ascii_lowercase()));
        let Some(Ok(handle)) = claimed else { return Ok(None) };
        let location = self.locator.locate_handle(&handle, account.pds.as_deref())?;
        match self.fetcher.get(location, pool).await {
            Ok(body) => Ok((body.trim_ascii() == did.as_str().as_bytes()).then_some(handle)),
            Err(error) => match ResolveError::from(error) {
                ResolveError::NotFound
                | ResolveError::Invalid(_)
                | ResolveError::Unsupported(_)
                | ResolveError::Refused(_) => Ok(None),
                error @ (ResolveError::Unreachable | ResolveError::Busy(_)) => Err(error),
            },
        }
    }
}
