//! Requests to one relay: repeated until it agrees, then again at each wish for a crawl.

use std::time::Duration;

use tokio::sync::watch;

use super::RetryPolicy;
use super::client::Refusal;

pub(super) type CrawlAnswer = Result<(), Refusal>;

/// Sends a request now and at each of `wishes`; a refused one is repeated after waits that double. A response is logged
/// and passed to `heard` when it is an agreement, or differs from the one before.
pub(super) async fn keep_asking<A>(
    relay: &str,
    policy: RetryPolicy,
    mut wishes: watch::Receiver<()>,
    ask: impl Fn() -> A,
    heard: impl Fn(&CrawlAnswer),
) where
    A: Future<Output = CrawlAnswer>,
{
    let mut agreed = false;
    loop {
        let (mut wait, mut last) = (policy.first_retry, None);
        loop {
            // The agreement to this request fulfils all wishes so far.
            wishes.mark_unchanged();
            let answer = ask().await;
            if last.as_ref() != Some(&answer) {
                log(relay, &answer, agreed, wait);
                heard(&answer);
            }
            agreed = answer.is_ok();
            if agreed {
                break;
            }
            last = Some(answer);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(policy.longest_retry);
        }
        if wishes.changed().await.is_err() {
            return;
        }
    }
}

/// Logs an answer; an agreement after another one is for a debugger.
fn log(relay: &str, answer: &CrawlAnswer, agreed: bool, wait: Duration) {
    match answer {
        Ok(()) if agreed => tracing::debug!(relay, "the relay was asked again to crawl this hold"),
        Ok(()) => tracing::info!(relay, "the relay was asked to crawl this hold"),
        Err(refusal) => {
            let retry_s = wait.as_secs();
            tracing::warn!(relay, retry_s, "the relay was asked to crawl this hold, but {refusal}; will retry");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::time::{Instant, sleep};

    use super::keep_asking;
    use crate::relays::RetryPolicy;
    use crate::relays::client::Refusal;

    /// Simulates a relay that refuses `refusals` times. Returns the seconds at which it got a request, until `end_s`.
    /// There is a wish at each of `wishes_s`.
    async fn asked_at(refusals: usize, wishes_s: &[u64], end_s: u64) -> Vec<u64> {
        let (wish, wishes) = watch::channel(());
        let (start, asked) = (Instant::now(), RefCell::new(Vec::new()));
        let ask = || {
            asked.borrow_mut().push(start.elapsed().as_secs());
            let refused = asked.borrow().len() <= refusals;
            std::future::ready(if refused { Err(Refusal::Silent) } else { Ok(()) })
        };
        let wishing = async {
            for at in wishes_s {
                tokio::time::sleep_until(start + Duration::from_secs(*at)).await;
                wish.send_replace(());
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = keep_asking("https://relay.example", RetryPolicy::default(), wishes, ask, |_| {}) => {}
            () = wishing => {}
            () = sleep(Duration::from_secs(end_s)) => {}
        }
        asked.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_relay_that_agrees_is_asked_once_and_at_each_wish() {
        assert_eq!(asked_at(0, &[], 1_000_000).await, [0]);
        assert_eq!(asked_at(0, &[700, 5_000], 1_000_000).await, [0, 700, 5_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_an_hour() {
        let expected = [0, 30, 90, 210, 450, 930, 1_890, 3_810, 7_410, 11_010];
        assert_eq!(asked_at(usize::MAX, &[], 14_609).await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn wishes_do_not_hasten_attempts_and_one_agreement_is_enough() {
        assert_eq!(asked_at(2, &[10, 20, 80], 1_000_000).await, [0, 30, 90]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_told_when_it_is_another_one_or_an_agreement() {
        let (wish, wishes) = watch::channel(());
        let no = |status: u16| {
            Err(Refusal::Status { status: http::StatusCode::from_u16(status).unwrap(), reason: String::new() })
        };
        let answers = RefCell::new(vec![Ok(()), Ok(()), no(400), no(500), no(500), Err(Refusal::Silent), no(500)]);
        let heard = RefCell::new(Vec::new());
        let ask = || std::future::ready(answers.borrow_mut().pop().unwrap());
        let wishing = async {
            sleep(Duration::from_secs(10_000)).await;
            wish.send_replace(());
            sleep(Duration::from_secs(10_000)).await;
        };
        tokio::select! {
            () = keep_asking("https://relay.example", RetryPolicy::default(), wishes, ask, |a| heard.borrow_mut().push(a.clone())) => {}
            () = wishing => {}
        }
        assert_eq!(heard.into_inner(), [no(500), Err(Refusal::Silent), no(500), no(400), Ok(()), Ok(())]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_an_agreement_waits_begin_anew() {
        let (wish, wishes) = watch::channel(());
        let (start, asked) = (Instant::now(), RefCell::new(Vec::new()));
        let ask = || {
            asked.borrow_mut().push(start.elapsed().as_secs());
            // Agrees to the third attempt only.
            let agreed = asked.borrow().len() == 3;
            std::future::ready(if agreed { Ok(()) } else { Err(Refusal::Silent) })
        };
        let wishing = async {
            sleep(Duration::from_secs(1_000)).await;
            wish.send_replace(());
            sleep(Duration::from_secs(100)).await;
        };
        tokio::select! {
            () = keep_asking("https://relay.example", RetryPolicy::default(), wishes, ask, |_| {}) => {}
            () = wishing => {}
        }
        assert_eq!(asked.into_inner(), [0, 30, 90, 1_000, 1_030, 1_090]);
    }
}
