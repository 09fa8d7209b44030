//! `storage migrate` by the real binary: there and back, beside uploads, with a hold that is killed.

use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atcr_hold::objects::{Credentials, S3Settings};
use serde_json::json;

use super::{Site, started_once};
use crate::binary::dice::Dice;
use crate::objects::buckets_here;
use crate::support::blob_hold::{content, digest};
use crate::support::http::blocking::Client;

/// Where the blobs go next.
enum Next {
    Bucket(Box<S3Settings>),
    Directory,
}

impl Next {
    /// The file that describes it.
    fn file(&self, site: &Site) -> String {
        let storage = match self {
            Self::Directory => format!("root_dir = {:?}", site.path("elsewhere")),
            Self::Bucket(settings) => {
                let S3Settings { bucket, region, endpoint, prefix, credentials, .. } = &**settings;
                let Credentials::Keys { id, secret, .. } = credentials else { panic!("no keys") };
                format!(
                    "[storage.s3]\nbucket = {bucket:?}\nregion = {region:?}\nendpoint = {:?}\nprefix = {prefix:?}\n\
                     access_key_id = {:?}\nsecret_access_key = {:?}",
                    endpoint.as_deref().unwrap(),
                    id.as_str(),
                    secret.as_str()
                )
            }
        };
        let path = site.path("new.toml");
        std::fs::write(&path, format!("[storage]\n{storage}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Makes the hold use it, as its operator does.
    fn switch(&self, site: &mut Site) {
        for variable in ["STORAGE_ROOT_DIR", "S3_BUCKET", "S3_ENDPOINT", "S3_PREFIX", "AWS_REGION"] {
            site.unset(variable);
        }
        match self {
            Self::Directory => {
                site.set("STORAGE_DRIVER", "filesystem");
                site.set("STORAGE_ROOT_DIR", site.path("elsewhere"));
            }
            Self::Bucket(settings) => {
                let Credentials::Keys { id, secret, .. } = &settings.credentials else { panic!("no keys") };
                site.set("STORAGE_DRIVER", "s3");
                site.set("S3_BUCKET", &settings.bucket);
                site.set("S3_ENDPOINT", settings.endpoint.as_deref().unwrap());
                site.set("S3_PREFIX", &settings.prefix);
                site.set("AWS_REGION", &settings.region);
                site.set("AWS_ACCESS_KEY_ID", id.as_str());
                site.set("AWS_SECRET_ACCESS_KEY", secret.as_str());
                site.set("DISABLE_PRESIGNED_URLS", "true");
            }
        }
    }
}

/// Pushes one blob after the other until `is_over`; answers those that were acknowledged.
fn push_until(client: &Client, seed: u8, is_over: &AtomicBool) -> Vec<Vec<u8>> {
    let mut pushed = vec![];
    while !is_over.load(Ordering::Relaxed) {
        let whole = [content(seed, 20_000), pushed.len().to_be_bytes().to_vec()].concat();
        let push = || -> std::io::Result<bool> {
            let upload = client.try_initiate()?.field("uploadId");
            let part = client.try_put(&client.part_target(&upload, 1), &whole)?;
            Ok(client.try_complete(&upload, &whole, &[part.field("etag")])?.status == 200)
        };
        // The hold is killed at some time.
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(push)) {
            Ok(Ok(true)) => pushed.push(whole),
            _ => break,
        }
    }
    pushed
}

/// Starts a migration on the running hold, kills the hold in the middle of it with SIGKILL, and starts it again.
fn migrate_and_kill(site: &Site, file: &str, seed: u8, dice: &mut Dice) -> Vec<Vec<u8>> {
    let mut daemon = site.start();
    let client = daemon.client(&site.alice);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pushing = scope.spawn(|| push_until(&client, seed, &is_over));
        let mut command = site.command(&["storage", "migrate", "--to", file]);
        let migration = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(dice.below(400)));
        daemon.kill();
        is_over.store(true, Ordering::Relaxed);
        let ended = migration.wait_with_output().unwrap();
        // It was faster, or it says what became of it.
        let words = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success() || words.lines().count() == 1, "{words}");
        pushing.join().unwrap()
    })
}

#[test]
fn blobs_move_there_and_back_and_all_are_served() {
    let mut site = Site::new();
    std::fs::create_dir(site.path("elsewhere")).unwrap();
    let mut dice = Dice::of_this_run();
    let mut blobs: Vec<_> = (0..24u8).map(|n| content(n, 40_000 * usize::from(n) + 1)).collect();
    blobs.push(content(99, (33 << 20) + 5));
    {
        let daemon = site.start();
        blobs.iter().for_each(|whole| daemon.client(&site.alice).push(whole));
    }
    let buckets = buckets_here().into_iter().map(|bucket| Next::Bucket(Box::new(bucket.settings)));
    for (hop, next) in (100..).zip(buckets.chain([Next::Directory])) {
        let file = next.file(&site);
        for cut in 0..3 {
            blobs.extend(migrate_and_kill(&site, &file, hop * 2 + cut, &mut dice));
        }
        let daemon = site.start();
        let text = site.done(&["storage", "migrate", "--to", &file]);
        assert!(text.contains("To switch: stop it, run this once more"), "{text}");
        let late = [&b"after the first pass"[..], &[hop]].concat();
        daemon.client(&site.alice).push(&late);
        blobs.push(late);
        assert_eq!(daemon.stop(), Some(0));

        let last = site.json_of(&["storage", "migrate", "--to", &file]);
        assert_eq!((&last["whole"], &last["copied"]["count"]), (&json!(true), &json!(1)), "{last}");
        let again = site.done(&["storage", "migrate", "--to", &file]);
        assert!(again.contains(", 0 (0 B) of them copied now\nNothing is missing there."), "{again}");
        next.switch(&mut site);
        assert!(site.done(&["storage", "verify"]).ends_with(", 0 wrong\n"));
        let daemon = site.start();
        for whole in &blobs {
            assert!(daemon.client(&site.alice).pull(whole).as_ref() == Some(whole), "{}", digest(whole));
        }
        assert_eq!(daemon.stop(), Some(0));
    }
}

#[test]
fn targets_that_cannot_be_are_refused_with_a_line() {
    let site = started_once();
    let to = |file: &Path| ["storage".to_owned(), "migrate".into(), "--to".into(), file.display().to_string()];
    let refused = |code, text: &str, words: &[&str]| {
        let file = site.path("target.toml");
        std::fs::write(&file, text).unwrap();
        let arguments = to(&file);
        site.refuses(code, &arguments.each_ref().map(String::as_str), words);
    };
    site.refuses(78, &["storage", "migrate", "--to", "nothing.toml"], &["nothing.toml", "there is no such file"]);
    refused(78, "[storage]\ndriver = \"tape\"\n", &["storage.driver", "filesystem, s3"]);
    refused(78, "[storage]\n", &["storage.root_dir"]);
    refused(1, "[storage]\nroot_dir = \"/nonexistent\"\n", &["/nonexistent cannot be used"]);
    let own = site.path("blobs");
    refused(1, &format!("[storage]\nroot_dir = {own:?}\n"), &["is the one that the hold uses"]);
    let secret = "[storage.s3]\nbucket = \"b\"\nendpoint = \"http://127.0.0.1:1\"\naccess_key_id = \"id\"\n\
                  secret_access_key = \"planted-secret\"\n";
    let file = site.path("target.toml");
    std::fs::write(&file, secret).unwrap();
    let daemon = site.start();
    let arguments = to(&file);
    site.refuses(1, &arguments.each_ref().map(String::as_str), &["cannot be reached"]);
    assert!(!daemon.log().contains("planted-secret"), "{}", daemon.log());
}
