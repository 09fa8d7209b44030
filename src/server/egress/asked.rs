//! The time that each host took of one answer, so that an answer whose time is used up names the host that used it, and
//! not the one that was asked last.
//!
//! A request counts for the answer of its task. A spawned task has none of its own: [`carried`] gives it that of the task
//! that waits for it, and [`Asked`] lets several answers wait for the same look-up.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::nonpoison::Mutex;

tokio::task_local! {
    static ASKED: Asked;
}

fn current() -> Option<Asked> {
    ASKED.try_with(Clone::clone).ok()
}

/// The times of hosts for one answer, or for a look-up that several answers share. Clones are the same.
#[derive(Clone, Default)]
pub struct Asked(Arc<Recorded>);

#[derive(Default)]
struct Recorded {
    /// The answer that this one is a part of.
    whole: Option<Asked>,
    hosts: Mutex<Vec<HostTime>>,
}

/// The time with at least one request to a host.
struct HostTime {
    host: String,
    took: Duration,
    under_way: usize,
    /// Begin of the oldest request under way.
    since: Instant,
}

impl HostTime {
    fn took(&self) -> Duration {
        self.took + if self.under_way > 0 { self.since.elapsed() } else { Duration::ZERO }
    }
}

impl Asked {
    /// Returns the times of a part of the current answer: what it asks for counts for both.
    pub(super) fn part() -> Self {
        Self(Arc::new(Recorded { whole: current(), hosts: Mutex::default() }))
    }

    /// Runs `work`, whose requests are counted here.
    pub fn count<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        ASKED.scope(self.clone(), work)
    }

    /// Waits for a look-up that is counted here; the wait counts for the current answer, as the time of the host that the
    /// look-up spent most of its time with.
    pub async fn wait_for<T>(&self, answer: impl Future<Output = T>) -> T {
        let _wait = Wait { shared: self, since: Instant::now() };
        answer.await
    }

    /// Returns the host that took most of the time, and its time.
    pub(super) fn slowest(&self) -> Option<(String, Duration)> {
        let hosts = self.0.hosts.lock();
        hosts.iter().map(|host| (host.host.clone(), host.took())).max_by_key(|(_, took)| *took)
    }

    fn change(&self, host: &str, change: &impl Fn(&mut HostTime)) {
        let mut hosts = self.0.hosts.lock();
        match hosts.iter_mut().find(|known| known.host == host) {
            Some(known) => change(known),
            None => {
                let mut new =
                    HostTime { host: host.to_owned(), took: Duration::ZERO, under_way: 0, since: Instant::now() };
                change(&mut new);
                hosts.push(new);
            }
        }
        drop(hosts);
        if let Some(whole) = &self.0.whole {
            whole.change(host, change);
        }
    }
}

/// A request to a host, until it is dropped.
pub(super) struct Asking {
    asked: Option<Asked>,
    host: String,
}

/// Begins a request to `host`, or a look-up of it, for the current answer.
pub(super) fn asking(host: &str) -> Asking {
    let asking = Asking { asked: current(), host: host.to_owned() };
    if let Some(asked) = &asking.asked {
        asked.change(host, &|host| {
            if host.under_way == 0 {
                host.since = Instant::now();
            }
            host.under_way += 1;
        });
    }
    asking
}

impl Drop for Asking {
    fn drop(&mut self) {
        let Some(asked) = &self.asked else { return };
        asked.change(&self.host, &|host| {
            host.took = if host.under_way == 1 { host.took() } else { host.took };
            host.under_way = host.under_way.saturating_sub(1);
        });
    }
}

/// A wait for a shared look-up, until it is dropped.
struct Wait<'a> {
    shared: &'a Asked,
    since: Instant,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let (Some(asked), Some((host, _))) = (current(), self.shared.slowest()) {
            let took = self.since.elapsed();
            asked.change(&host, &|host| host.took += took);
        }
    }
}

/// Has the requests of `work`, which is to run in a task of its own, counted for the current answer.
pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> + use<F> {
    current().unwrap_or_default().count(work)
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    async fn ask(host: &str, takes_s: u64) {
        let _asking = asking(host);
        sleep(seconds(takes_s)).await;
    }

    fn is(host: &str, took_s: u64) -> Option<(String, Duration)> {
        Some((host.to_owned(), seconds(took_s)))
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_host_is_that_of_all_its_requests_and_of_those_at_once_only_once() {
        let answer = Asked::default();
        answer
            .count(async {
                tokio::join!(ask("a", 4), ask("a", 6), ask("b", 9));
                ask("a", 2).await;
                assert_eq!(answer.slowest(), is("b", 9));
                tokio::time::timeout(seconds(2), ask("a", 60)).await.unwrap_err();
                assert_eq!(answer.slowest(), is("a", 10), "also of a request that was given up");
                tokio::spawn(ask("c", 60)).await.unwrap();
                assert_eq!(answer.slowest(), is("a", 10), "a task of its own");
                tokio::spawn(carried(ask("c", 60))).await.unwrap();
                assert_eq!(answer.slowest(), is("c", 60));
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_counts_for_the_whole_as_well() {
        let whole = Asked::default();
        whole
            .count(async {
                ask("a", 5).await;
                let part = Asked::part();
                part.count(ask("b", 3)).await;
                assert_eq!((part.slowest(), whole.slowest()), (is("b", 3), is("a", 5)));
                part.count(ask("b", 3)).await;
                assert_eq!(whole.slowest(), is("b", 6));
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_up_that_answers_share_counts_for_each_with_its_own_wait() {
        let shared = Asked::default();
        let look_up = tokio::spawn({
            let shared = shared.clone();
            async move { shared.count(async { tokio::join!(ask("a", 9), ask("b", 2)) }).await }
        });
        sleep(seconds(5)).await;
        let answer = Asked::default();
        answer.count(shared.wait_for(look_up)).await.unwrap();
        assert_eq!(answer.slowest(), is("a", 4));
    }
}
