//! Checks of sessions at their PDSes, and renewal of their tokens. Both run under the account's lock, and to their end.

use http::StatusCode;
use serde_json::Value;

use super::access::{access_token, is_expired};
use super::error::AccountsError;
use super::sessions::{Sessions, are_of};
use crate::accounts::tables::{self, Binding, SessionRow};
use crate::oauth::{NewTokens, OauthError};
use crate::remote::RemoteError;
use atproto::lexicon::SessionTokens;
use atproto::lexicon::nsid;
use atproto::syntax::Did;
use server::bulkhead::LockGuard;
use server::egress::wait_for;
use server::identity::Account;

/// How long a confirmation of a session by the PDS is good.
const PROVEN_FOR_US: u64 = 10 * 60 * 1_000_000;

impl Sessions {
    /// Locks the sessions of one account before [`Sessions::finish`]: a caller that does not wait for its turn leaves no
    /// work.
    pub(super) async fn lock_in_time(&self, account: &Did) -> Result<LockGuard<Did>, AccountsError> {
        wait_for(self.lock(account)).await.map_err(AccountsError::late)
    }

    /// Checks that a session is good at the PDS, unless it was confirmed a while ago. A session by password is checked
    /// by using up its refresh token, which fails once the password was revoked; one by OAuth by a call that costs
    /// nothing.
    pub(super) async fn prove(&self, account: &Account, row: &SessionRow) -> Result<(), AccountsError> {
        let now_us = (self.settings.clock)();
        // A confirmation that is to come is of a clock that was ahead.
        if now_us.checked_sub(row.proven_us).is_some_and(|elapsed_us| elapsed_us < PROVEN_FOR_US) {
            return Ok(());
        }
        if row.binding.is_none() {
            return self.refresh(account, row).await.map(drop);
        }
        let url = self.resolver.pds_method(account, &nsid::GET_SESSION)?.to_string();
        match self.remote.query::<Value>(&url, &[], &access_token(row)?).await {
            Ok(_) => {
                let id = row.id;
                let noted = self.database.write(move |write| tables::prove(write, id, now_us)).await;
                // Without it the PDS is asked again at the next sign-in.
                if let Err(error) = noted {
                    tracing::warn!(%error, "that a session is good could not be stored");
                }
                Ok(())
            }
            Err(error) if is_expired(&error) => self.refresh(account, row).await.map(drop),
            Err(error) => Err(AccountsError::Pds(error)),
        }
    }

    /// Uses up the refresh token. Returns the session with the new tokens, once they are on disk.
    pub(super) async fn refresh(&self, account: &Account, row: &SessionRow) -> Result<SessionRow, AccountsError> {
        let id = row.id;
        // A full disk must not cost the session: the token is not used up unless a new one can be stored.
        self.database.write(move |write| tables::touch(write, id)).await?;
        let outcome = match &row.binding {
            None => self.refresh_by_password(account, row).await,
            Some(binding) => self.refresh_by_oauth(account, row, binding).await,
        };
        match outcome {
            Ok(tokens) => {
                let NewTokens { access, refresh } = tokens;
                let renewed = SessionRow { access, refresh, ..row.clone() };
                if self.store_renewed(renewed.clone()).await? { Ok(renewed) } else { Err(AccountsError::SessionEnded) }
            }
            Err(AccountsError::SessionEnded) => {
                // The session may be good again when the account is.
                if let Some(why) = self.ended_by(account).await {
                    return Err(why.into());
                }
                tracing::info!(did = %row.account, "the session of {} at its PDS has ended", row.account);
                self.database.write(move |write| tables::delete(write, id)).await?;
                Err(AccountsError::SessionEnded)
            }
            Err(error) => Err(error),
        }
    }

    async fn refresh_by_password(&self, account: &Account, row: &SessionRow) -> Result<NewTokens, AccountsError> {
        let url = self.resolver.pds_method(account, &nsid::REFRESH_SESSION)?.to_string();
        let body = self.remote.bare_procedure(&url, &row.refresh).await.map_err(|error| match error {
            RemoteError::Refused { status: StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED, .. } => {
                AccountsError::SessionEnded
            }
            error => AccountsError::Pds(error),
        })?;
        let tokens = serde_json::from_slice::<SessionTokens>(&body).ok().filter(|tokens| are_of(tokens, &row.account));
        let tokens = tokens.ok_or(AccountsError::Pds(RemoteError::Unintelligible))?;
        Ok(NewTokens { access: tokens.access_jwt, refresh: tokens.refresh_jwt })
    }

    /// Renews a session by OAuth. Fails if the account's PDS has another authorization server than the one that made
    /// the session: an account that moved signs in again.
    async fn refresh_by_oauth(
        &self,
        account: &Account,
        row: &SessionRow,
        binding: &Binding,
    ) -> Result<NewTokens, AccountsError> {
        let server = self.oauth.discover(&self.pds_origin(account)?).await?;
        if server.issuer != binding.issuer {
            return Err(AccountsError::SessionEnded);
        }
        match self.oauth.refresh(&server, &row.refresh, &row.account, &binding.key()?).await {
            Ok(tokens) => Ok(tokens),
            // Tokens with a narrower scope, or of another account, were revoked by `refresh`: the session is over as
            // well.
            Err(error) if error.is_over() || matches!(error, OauthError::Scope(_) | OauthError::OtherAccount) => {
                Err(AccountsError::SessionEnded)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns scheme and host of the account's PDS.
    pub(super) fn pds_origin(&self, account: &Account) -> Result<String, AccountsError> {
        let url = self.resolver.pds_method(account, &nsid::GET_SESSION)?.to_string();
        Ok(url.split_once("/xrpc/").map_or(url.as_str(), |(origin, _)| origin).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use server::egress::{AnswerLimits, ClientPolicy, Dns, HttpClient, Reach, answer_within, empty_body, with_slowest};
    use server::identity::{Resolver, ResolverSettings};
    use tokio::time::sleep;
    use zeroize::Zeroizing;

    use super::*;
    use crate::accounts::SessionSettings;
    use crate::oauth::{Client, Registration};
    use crate::remote::Remote;

    /// A client for which the name `silent.example` is looked up for 8 s, and other names for 1 s, in vain.
    fn client() -> HttpClient {
        let dns: Dns = Arc::new(|host| {
            Box::pin(async move {
                sleep(Duration::from_secs(if host == "silent.example" { 8 } else { 1 })).await;
                Err(std::io::Error::other("no answer"))
            })
        });
        let policy = ClientPolicy {
            reach: Reach::Any,
            plain_http: true,
            connect_limit: Duration::from_secs(60),
            idle_connections: 0,
            idle_limit: Duration::from_secs(1),
            buffer_bytes: 16 * 1024,
        };
        HttpClient::new(&policy, dns).unwrap()
    }

    fn sessions(folder: &std::path::Path) -> Sessions {
        let settings = SessionSettings {
            password_key: Zeroizing::new([1; 32]),
            allow_main_password: false,
            passwords_per_address: 1,
            clock: || 0,
        };
        let remote = Remote::new(true, || 0, || None).unwrap();
        let directory = ResolverSettings { plc_directory: "https://plc.example".into(), test_mode: true };
        let database = crate::schema::open(&folder.join("appview.db")).unwrap();
        let client = Client::new(remote.clone(), Registration::local("http://localhost:5000"), true, || 0, || None);
        Sessions::new(settings, database, remote, Resolver::new(&directory).unwrap(), Arc::new(client))
    }

    async fn ask(client: &HttpClient, url: &str) {
        let request = http::Request::get(url).body(empty_body()).unwrap();
        let limits = AnswerLimits { time: Duration::from_secs(60), body_bytes: 10 };
        client.exchange(request, limits).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn a_pds_that_took_the_time_in_a_task_of_its_own_is_named_and_not_the_server_that_was_asked_last() {
        let (folder, client) = (tempfile::tempdir().unwrap(), client());
        let sessions = sessions(folder.path());
        let said = answer_within(Duration::from_secs(9), async {
            let slow = client.clone();
            let silent = async move {
                ask(&slow, "https://user:secret@silent.example:8443/xrpc/x?token=secret").await;
                Ok::<_, AccountsError>(())
            };
            sessions.finish(silent).await.unwrap();
            ask(&client, "https://quick.example/").await;
            with_slowest("quick.example does not answer".into())
        });
        let expected = "silent.example:8443 took 8 s of the 9 s for an answer: quick.example does not answer";
        assert_eq!(said.await, expected);
    }
}
