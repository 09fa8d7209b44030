//! Reads of acknowledged blobs: whole, in ranges, by digest and by CID. What comes whole must be right.

use atproto::repo::cid;

use super::journey::{Journey, PATIENCE};
use super::run::Way;
use crate::support::hold::digest_of;
use crate::support::http::blocking::{by_url, path_of};

const ATTEMPTS: usize = 40;

/// How a blob is asked for.
enum Name {
    Digest,
    Cid,
}

impl Journey<'_> {
    /// Reads a blob in one of the ways until it has come.
    pub(super) fn read(&mut self, bytes: &[u8]) {
        let digest = digest_of(bytes);
        let name = if self.dice.below(3) == 0 { Name::Cid } else { Name::Digest };
        let cid = match name {
            Name::Digest => digest.to_string(),
            Name::Cid => cid::raw(&digest).to_string(),
        };
        let target = format!("/xrpc/com.atproto.sync.getBlob?did=did:web:localhost%253A8080&cid={cid}");
        let range = match self.dice.below(3) {
            0 if bytes.len() > 2 => {
                let start = usize::try_from(self.dice.below(bytes.len() as u64 - 1)).unwrap();
                let room = (bytes.len() - start) as u64;
                Some(start..start + 1 + usize::try_from(self.dice.below(room)).unwrap())
            }
            _ => None,
        };
        let header = range.as_ref().map(|range| format!("Range: bytes={}-{}\r\n", range.start, range.end - 1));
        let expected = range.map_or(bytes, |range| &bytes[range]);
        for _ in 0..ATTEMPTS {
            let found = match (self.run.way, &name) {
                (Way::ThroughHold, Name::Cid) => self.get_here(&digest.hex(), &target, header.as_deref()),
                _ => self.get_there(&digest.hex(), &target, &name, header.as_deref()),
            };
            match found {
                Some(found) if found == expected => return self.run.note("read"),
                // A client of the store notices by the digest; the hold itself never passes on wrong bytes.
                Some(_) if self.run.way == Way::Presigned && self.run.proxy.lied_about(&digest.hex()) => {}
                Some(found) => panic!("{} bytes of {digest} instead of {}", found.len(), expected.len()),
                None => {}
            }
            self.rest();
        }
        self.run.note("read given up");
    }

    /// Asks the hold where the blob is, and gets it there.
    fn get_there(&mut self, hex: &str, target: &str, name: &Name, header: Option<&str>) -> Option<Vec<u8>> {
        let answer = self.settle(hex, |client| client.try_send("GET", target, "", &[]))?;
        if self.run.way == Way::ThroughHold {
            return self.get_here(hex, &path_of(&answer), header);
        }
        let url = match name {
            Name::Digest => answer.field("url"),
            Name::Cid => answer.header("location").expect("where a CID leads to").to_owned(),
        };
        let found = by_url("GET", &url, header.unwrap_or_default(), &[], PATIENCE).ok()?;
        let wanted = if header.is_some() { 206 } else { 200 };
        (found.status == wanted).then(|| found.body.into())
    }

    fn get_here(&mut self, hex: &str, target: &str, header: Option<&str>) -> Option<Vec<u8>> {
        let wanted = if header.is_some() { 206 } else { 200 };
        let framing = header.unwrap_or_default();
        let answer = self.settle(hex, |client| client.try_send("GET", target, framing, &[]))?;
        assert_eq!(answer.status, wanted);
        Some(answer.body.into())
    }
}
