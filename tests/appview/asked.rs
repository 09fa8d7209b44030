//! What the servers of others were asked.

use crate::support::did_server::DidServer;

/// What a server was asked.
pub(crate) trait Asked {
    /// How often a path was asked for; one that ends with `?` stands for all its queries.
    fn requests_of(&self, path: &str) -> usize;

    /// The body that a path was asked with last.
    fn last_body(&self, path: &str) -> Vec<u8>;
}

impl Asked for DidServer {
    fn requests_of(&self, path: &str) -> usize {
        let asked = self.shared.asked.lock().unwrap();
        let of = asked.iter().filter(|(of, _)| *of == path || (path.ends_with('?') && of.starts_with(path)));
        of.map(|(_, (count, _))| count).sum()
    }

    fn last_body(&self, path: &str) -> Vec<u8> {
        self.shared.asked.lock().unwrap().get(path).map(|(_, body)| body.clone()).unwrap_or_default()
    }
}
