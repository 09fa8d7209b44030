//! Output that is long: read in part, cut off by the end of the hold, or finished in spite of it.

use std::io::Read as _;
use std::os::unix::fs::FileTypeExt as _;
use std::process::{Child, Command, Stdio};

use super::{Site, grow};
use crate::binary::skip;

/// A running export to its standard output, of which the first byte was read, and that byte.
fn begun_export(site: &Site) -> (Child, u8) {
    let mut command = site.command(&["repo", "export", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    (child, first[0])
}

/// Reads it to its end: the bytes, the exit code, and what it said.
fn rest(child: Child) -> (Vec<u8>, Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.stdout, output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn an_export_is_the_repository() {
    let site = Site::new();
    let daemon = site.start();
    let car = daemon.anonymous().get("/xrpc/com.atproto.sync.getRepo?did=did:web:localhost%253A8080").body;
    let file = site.path("hold.car");
    let said = format!("written to {}\n", file.display());
    assert!(site.done(&["repo", "export", file.to_str().unwrap()]).ends_with(&said));
    assert!(std::fs::read(&file).unwrap() == car);
    assert_eq!(daemon.stop(), Some(0));
    std::fs::remove_file(&file).unwrap();
    let exported = site.json_of(&["repo", "export", file.to_str().unwrap()]);
    assert_eq!(exported, serde_json::json!({ "file": file, "sizeBytes": car.len() }));
    assert!(std::fs::read(&file).unwrap() == car);
    site.refuses(1, &["repo", "export", "/nonexistent/hold.car"], &["/nonexistent/hold.car cannot be written"]);
}

/// Else a power cut takes it, or leaves what was there before.
#[test]
fn the_name_of_an_export_is_on_disk_at_the_end() {
    let mut site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        return skip("the name of an export on disk", "strace cannot be used");
    }
    let (file, trace) = (site.path("hold.car"), site.path("trace"));
    let calls = "trace=fsync,rename,renameat,renameat2";
    site.wrap(&["strace", "-f", "-qq", "-y", "-o", trace.to_str().unwrap(), "-e", calls]);
    site.done(&["repo", "export", file.to_str().unwrap()]);
    let trace = std::fs::read_to_string(trace).unwrap();
    let directory = site.directory.path().canonicalize().unwrap();
    let (_, after) = trace.split_once("hold.car\")").expect("no rename");
    let synced = format!("<{}>)", directory.display());
    assert!(after.lines().any(|line| line.contains("fsync(") && line.contains(&synced)), "{trace}");
}

#[test]
fn a_pipe_is_written_and_not_replaced() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let pipe = site.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let read = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    let exported = site.json_of(&["repo", "export", pipe.to_str().unwrap()]);
    assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo(), "the pipe is replaced");
    assert_eq!(exported["sizeBytes"].as_u64(), Some(read.join().unwrap().len() as u64));
}

#[test]
fn what_streams_is_finished_before_the_end() {
    let site = Site::new();
    let mut daemon = site.start();
    grow(&daemon, &site, 4);
    let car = daemon.anonymous().get("/xrpc/com.atproto.sync.getRepo?did=did:web:localhost%253A8080").body;
    assert!(car.len() > 4 << 20);
    let (export, first) = begun_export(&site);
    daemon.signal("TERM");
    daemon.wait_for_line("shutting down");
    let (bytes, code, said) = rest(export);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(first == car[0] && bytes == car[1..]);
    assert_eq!(daemon.ended().code(), Some(0));

    // Nobody reads on: that is no failure, without a daemon or with one.
    for running in [false, true] {
        let _daemon = running.then(|| site.start());
        let (mut export, _) = begun_export(&site);
        drop(export.stdout.take());
        let (_, code, said) = rest(export);
        assert_eq!((code, said.as_str()), (Some(0), ""));
    }
}

#[test]
fn what_does_not_finish_is_cut_off_and_said_to_be() {
    let mut site = Site::new();
    site.configure("[limits]\ndrain_s = 1\n");
    let mut daemon = site.start();
    grow(&daemon, &site, 4);
    let (export, _) = begun_export(&site);
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    let (bytes, code, said) = rest(export);
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("went away before this was done"), "{said}");
    assert!(bytes.len() < 4 << 20);
    // A file appears whole or not at all.
    let file = site.path("hold.car");
    let mut daemon = site.start();
    let export = site.command(&["repo", "export", file.to_str().unwrap()]).stdout(Stdio::piped()).spawn().unwrap();
    daemon.kill();
    let (_, code, _) = rest(export);
    assert_eq!(file.exists(), code == Some(0));
    assert!(!site.path("hold.car.part").exists());
}

#[test]
fn what_another_command_is_writing_is_left_to_it() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    for (command, name) in [(&["repo", "export"][..], "hold.car"), (&["backup"][..], "copy.db")] {
        let file = site.path(name);
        let mut arguments = command.to_vec();
        arguments.push(file.to_str().unwrap());
        let part = file.with_added_extension("part");
        let other = std::fs::File::create(&part).unwrap();
        other.lock().unwrap();
        std::fs::write(&part, "half").unwrap();
        let busy = format!("another process is writing {}", part.display());
        site.refuses(1, &arguments, &["cannot be written", &busy]);
        assert_eq!(std::fs::read(&part).unwrap(), b"half");
        assert!(!file.exists());
        // It was killed.
        drop(other);
        site.done(&arguments);
        assert!(file.metadata().unwrap().len() > 4 && !part.exists());
    }
}

#[test]
fn progress_is_drawn_only_where_the_terminal_can_erase_it() {
    let mut site = Site::new();
    let daemon = site.start();
    daemon.client(&site.alice).push(&[7; 1_000_000]);
    if Command::new("script").arg("--version").output().is_err() {
        return skip("progress", "there is no command `script`, which makes a terminal");
    }
    site.wrap(&["sh", "-c", "exec script -qec \"$*\" /dev/null", "sh"]);
    for (terminal, is_drawn) in [("xterm", true), ("dumb", false)] {
        site.set("TERM", terminal);
        let shown = site.done(&["storage", "verify", "--rate", "1"]);
        assert!(shown.contains("1 right (1.0 MB), 0 wrong"), "{shown}");
        assert_eq!(shown.contains('\u{1b}'), is_drawn, "{terminal}: {shown:?}");
    }
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn what_is_wrong_is_told_by_the_exit_code_also_to_who_does_not_read_it() {
    let site = Site::new();
    assert_eq!(site.start().stop(), Some(0));
    let database = rusqlite::Connection::open(site.path("hold.db")).unwrap();
    database.execute("DELETE FROM block WHERE rowid = (SELECT min(rowid) FROM block)", []).unwrap();
    drop(database);
    let mut command = site.command(&["repo", "verify"]);
    let mut verify = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(verify.stdout.take());
    let ended = verify.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{}", String::from_utf8_lossy(&ended.stderr));
}
