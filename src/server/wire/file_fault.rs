//! A callback for errors of reading a file whose length was announced to the client.

use std::fmt;
use std::io;
use std::sync::Arc;

/// A callback for errors of a file that the kernel sends: it cannot be read, or is shorter than it was.
#[derive(Clone)]
pub struct FileFault(Arc<dyn Fn(io::Error) + Send + Sync>);

impl FileFault {
    /// Creates a callback; `tell` must not wait.
    pub fn new(tell: impl Fn(io::Error) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Reports an error of a call that reads the file and writes to a socket, unless the error is the peer's.
    pub(super) fn tell(&self, error: &io::Error) {
        if !is_of_peer(error) {
            (self.0)(error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error));
        }
    }
}

impl fmt::Debug for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileFault")
    }
}

fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::BrokenPipe
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::NotConnected
            | Kind::TimedOut
            | Kind::HostUnreachable
            | Kind::NetworkUnreachable
            | Kind::NetworkDown
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn the_error_of_a_file_is_told_and_that_of_a_peer_is_not() {
        let (told, tells) = std::sync::mpsc::channel();
        let fault = FileFault::new(move |error| told.send(error.to_string()).unwrap());
        for error in [Errno::PIPE, Errno::CONNRESET, Errno::TIMEDOUT, Errno::HOSTUNREACH] {
            fault.tell(&error.into());
        }
        assert!(tells.try_recv().is_err());
        fault.tell(&Errno::IO.into());
        assert_eq!(tells.try_recv().unwrap(), "Input/output error (os error 5)");
        fault.tell(&io::ErrorKind::UnexpectedEof.into());
        assert_eq!(tells.try_recv().unwrap(), "unexpected end of file");
    }
}
