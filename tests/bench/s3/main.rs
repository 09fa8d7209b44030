//! Measures a hold on a bucket beside the same server driven directly: `s3 BINARY SERVERS WORK ROUNDS`.
//!
//! `SERVERS` is the list that `tests/s3/servers.sh` makes. Prints one Markdown table. See `tests/bench/s3.sh`.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod control;
mod hold;
mod memory;
mod transfer;
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atcr_hold::storage::objects::{CopyLimits, Credentials, S3, S3Settings};

use control::Rate;
use hold::Hold;
use transfer::{Content, PART, SIZE, Times};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const MIB: f64 = 1024.0;

// One thread: what drives the hold leaves it the other processors.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [binary, servers, work, rounds] = arguments.as_slice() else {
        return Err("s3 BINARY SERVERS WORK ROUNDS".into());
    };
    let (binary, work, rounds) = (PathBuf::from(binary), PathBuf::from(work), rounds.parse()?);
    let before = load()?;
    let servers: Vec<_> = std::fs::read_to_string(servers)?.lines().map(str::to_owned).collect();
    let mut columns = Vec::new();
    for line in &servers {
        columns.push(measure(&binary, &work, line, rounds).await?);
    }
    eprintln!("the generator");
    let limit = control::own_limit().await?;
    println!("Machine: {}. Load before {before}, after {}.", machine(&work)?, load()?);
    println!(
        "Medians of {rounds} rounds, slowest and fastest in brackets; parts of {} MiB, {} at once. The generator has one thread \
         and makes {:.0} requests/s of a server that does nothing.\n",
        PART >> 20,
        transfer::AT_ONCE,
        limit.requests
    );
    let names: Vec<_> = columns.iter().map(|column| column.name.as_str()).collect();
    println!("| | {} |\n|---|{}", names.join(" | "), "---|".repeat(names.len()));
    for (index, (label, _)) in columns[0].rows.iter().enumerate() {
        let cells: Vec<_> = columns.iter().map(|column| column.rows[index].1.as_str()).collect();
        println!("| {label} | {} |", cells.join(" | "));
    }
    Ok(())
}

/// What was measured on one server.
struct Column {
    name: String,
    rows: Vec<(String, String)>,
}

async fn measure(binary: &Path, work: &Path, line: &str, rounds: usize) -> Result<Column, Failure> {
    let (name, settings) = server(line)?;
    let s3 = S3::open(&settings)?;
    let mut rows = Vec::new();

    let hold = Arc::new(Hold::start(binary, work.join(format!("{name}-presigned")), &settings, true).await?);
    eprintln!("{name}: memory, presigned");
    let presigned = memory::measure(Arc::clone(&hold), &s3).await?;
    eprintln!("{name}: control requests");
    let (part_urls, blob_urls) = control_rates(&hold, &s3).await?;
    let mut content = Content::new(PART)?;
    let (mut direct, mut ours) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        eprintln!("{name}: round {} of {rounds}", round + 1);
        let (first, second) = (content.next(SIZE / PART), content.next(SIZE / PART));
        // Nobody always goes first.
        if round % 2 == 0 {
            direct.push(transfer::direct(&s3, &first).await?);
            ours.push(transfer::by_hold(&hold, &s3, &second).await?);
        } else {
            ours.push(transfer::by_hold(&hold, &s3, &first).await?);
            direct.push(transfer::direct(&s3, &second).await?);
        }
    }
    let hashing = transfer::hashing(&content.next(SIZE / PART));
    drop(hold);
    let hold = Arc::new(Hold::start(binary, work.join(format!("{name}-through")), &settings, false).await?);
    eprintln!("{name}: memory, through the hold");
    let through = memory::measure(hold, &s3).await?;

    let mut row = |label: &str, cell: String| rows.push((label.to_owned(), cell));
    row("push 1 GiB, server alone", rate(&direct, |times| times.push));
    row("push 1 GiB, by the hold without completing", rate(&ours, |times| times.push - times.complete));
    row("push 1 GiB, by the hold with the proof of digest", rate(&ours, |times| times.push));
    row("completing, server alone", seconds(&direct, |times| times.complete));
    row("completeUpload of 1 GiB: read back, hashed, copied", seconds(&ours, |times| times.complete));
    row("hashing 1 GiB in memory", format!("{hashing:.2} s"));
    row("pull 1 GiB, server alone", rate(&direct, |times| times.pull));
    row("pull 1 GiB, by the hold", rate(&ours, |times| times.pull));
    let mib = |kib: u64| format!("{:.1} MiB", f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / MIB);
    row("memory, idle", mib(presigned.idle));
    row("peak with 64 uploads in flight, presigned", mib(presigned.in_flight));
    row("peak while 64 are completed at once, presigned", mib(presigned.completing));
    row(
        "peak with 64 uploads in flight, through the hold",
        format!("{} ({} parts told to come later)", mib(through.in_flight), through.later),
    );
    row("peak while 64 are completed at once, through the hold", mib(through.completing));
    let control = |rate: Rate| format!("{:.0}/s with {:.2} processors", rate.requests, rate.processors);
    row("getPartUploadUrl, 32 connections", control(part_urls));
    row("getBlob, 32 connections", control(blob_urls));
    Ok(Column { name, rows })
}

async fn control_rates(hold: &Hold, s3: &S3) -> Result<(Rate, Rate), Failure> {
    let part_urls = control::part_urls(hold).await?;
    let mut control = hold.connect().await?;
    let input = serde_json::json!({ "digest": "uploads/temp-1" });
    let begun = hold.post(&mut control, "io.atcr.hold.initiateUpload", &input).await?;
    let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    transfer::complete(hold, &mut control, begun["uploadId"].as_str().ok_or("no upload")?, empty, &[]).await?;
    let blob_urls = control::blob_urls(hold, empty).await?;
    transfer::remove(s3, empty).await?;
    Ok((part_urls, blob_urls))
}

/// A line of the list: name, endpoint, region, bucket, file of the key, file of the secret.
fn server(line: &str) -> Result<(String, S3Settings), Failure> {
    let words: Vec<_> = line.split(' ').collect();
    let [name, endpoint, region, bucket, key, secret] = words[..] else { return Err("a server has six words".into()) };
    let word_in = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned().into());
    let settings = S3Settings {
        bucket: bucket.into(),
        region: region.into(),
        endpoint: Some(endpoint.into()),
        path_style: true,
        prefix: "bench".into(),
        pull_zone: None,
        credentials: Credentials::Keys { id: word_in(key)?, secret: word_in(secret)?, session_token: None },
        copy: CopyLimits::default(),
    };
    Ok((name.to_owned(), settings))
}

fn sorted(rounds: &[Times], of: impl Fn(&Times) -> f64) -> (f64, f64, f64) {
    let mut values: Vec<_> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn rate(rounds: &[Times], of: impl Fn(&Times) -> f64) -> String {
    let (middle, fastest, slowest) = sorted(rounds, of);
    let mega = |seconds: f64| f64::from(1 << 30) / seconds / 1e6;
    format!("{:.0} MB/s ({:.0}–{:.0})", mega(middle), mega(slowest), mega(fastest))
}

fn seconds(rounds: &[Times], of: impl Fn(&Times) -> f64) -> String {
    let (middle, fastest, slowest) = sorted(rounds, of);
    format!("{middle:.2} s ({fastest:.2}–{slowest:.2})")
}

fn machine(work: &Path) -> Result<String, Failure> {
    let processors = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let count = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let model = model.trim_start_matches(['\t', ':', ' ']);
    Ok(format!("{count} × {model}, {}, Linux {}", transfer::file_system(work), kernel.trim()))
}

fn load() -> Result<String, Failure> {
    Ok(std::fs::read_to_string("/proc/loadavg")?.split(' ').take(3).collect::<Vec<_>>().join(" "))
}
