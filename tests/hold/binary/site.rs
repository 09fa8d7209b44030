//! A hold's state on disk, its configuration, and the accounts that know it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::runtime::Runtime;

use crate::support::did_server::DidServer;
use crate::support::hold::{Account, now_s};
use crate::support::program::Program;

pub(super) const BINARY: &str = env!("CARGO_BIN_EXE_atcr-hold");

/// A directory with everything a hold keeps, and its variables.
pub(super) struct Site {
    program: Program,
    /// The owner.
    pub(super) alice: Account,
    /// Somebody else.
    pub(super) bob: Account,
    // The directory of accounts lives as long as its runtime.
    accounts: DidServer,
    _runtime: Runtime,
}

impl Deref for Site {
    type Target = Program;

    fn deref(&self) -> &Program {
        &self.program
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Program {
        &mut self.program
    }
}

impl Site {
    /// The five variables that a hold needs, and those that keep the test on this machine.
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let accounts = runtime.block_on(DidServer::start());
        let (alice, bob) = (Account::plc(1, &accounts), Account::plc(2, &accounts));
        // They have a PDS, without records: garbage collection asks there.
        let pds = format!("http://localhost:{}", accounts.port);
        [&alice, &bob].into_iter().for_each(|account| account.publish_with_pds(&accounts, &pds));
        let mut program = Program::new(BINARY);
        std::fs::create_dir(program.path("blobs")).unwrap();
        program.set("HOLD_PUBLIC_URL", "http://localhost:8080");
        program.set("HOLD_OWNER", alice.did.as_str());
        program.set("STORAGE_DRIVER", "filesystem");
        program.set("STORAGE_ROOT_DIR", program.path("blobs"));
        program.set("HOLD_DATABASE_PATH", program.path("hold.db"));
        program.set("HOLD_SERVER_ADDR", "127.0.0.1:0");
        program.set("HOLD_PLC_DIRECTORY_URL", format!("http://localhost:{}", accounts.port));
        program.set("TEST_MODE", "true");
        Self { program, alice, bob, accounts, _runtime: runtime }
    }

    /// As [`Program::set`], with a value that may be made of the site.
    pub(super) fn set(&mut self, variable: &'static str, value: impl Into<OsString>) {
        self.program.set(variable, value);
    }

    /// As [`Program::configure`], with a value that may be made of the site.
    pub(super) fn configure(&mut self, toml: &str) {
        self.program.configure(toml);
    }

    /// One more account; 1 and 2 are taken.
    pub(super) fn account(&self, number: u8) -> Account {
        let account = Account::plc(number, &self.accounts);
        account.publish_with_pds(&self.accounts, &format!("http://localhost:{}", self.accounts.port));
        account
    }

    /// Everything below the directory: mode and content, but not the lock's own file, which means nothing.
    pub(super) fn snapshot(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        collect(self.directory.path(), &mut found);
        found.remove(&self.path("hold.db.lock"));
        found
    }
}

fn collect(path: &Path, found: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    let metadata = std::fs::symlink_metadata(path).unwrap();
    if metadata.is_dir() {
        found.insert(path.to_owned(), (metadata.mode(), vec![]));
        for entry in std::fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), found);
        }
    } else {
        found.insert(path.to_owned(), (metadata.mode(), std::fs::read(path).unwrap()));
    }
}

/// A service token of the account for this hold, good for an hour: longer than any test takes on a busy machine.
pub(super) fn token(account: &Account) -> String {
    let exp = now_s() + 3600;
    account.sign(&json!({ "iss": account.did, "aud": "did:web:localhost%3A8080", "exp": exp }))
}
