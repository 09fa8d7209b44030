//! The log of a test.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};

use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

thread_local! {
    static OF_THIS_THREAD: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// Everything this thread logs; a test and its hold share one.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

/// Ends the capture when it goes.
pub(crate) struct Capture;

/// The log of the thread that logs.
struct Writer;

impl Log {
    /// Captures what is logged from now on, until the guard is dropped.
    pub(crate) fn capture() -> (Self, Capture) {
        // One for all threads: with a subscriber of its own, a thread misses what another one without a subscriber was the
        // first to come to, as tracing remembers that nobody wants that line.
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let subscriber =
                tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(Writer).finish();
            let is_captured = dynamic_filter_fn(|_, _| OF_THIS_THREAD.with_borrow(Option::is_some));
            tracing::subscriber::set_global_default(subscriber.with(is_captured)).unwrap();
        });
        let log = Self::default();
        OF_THIS_THREAD.set(Some(log.clone()));
        (log, Capture)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        OF_THIS_THREAD.set(None);
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Writer {
    type Writer = Log;

    fn make_writer(&'w self) -> Log {
        OF_THIS_THREAD.with_borrow(|log| log.clone().unwrap_or_default())
    }
}
