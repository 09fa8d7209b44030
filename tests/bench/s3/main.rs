//! Measures a hold on a bucket beside the same server driven directly: `s3 BINARY WORK ROUNDS SERVER... [requests]`.
//!
//! `SERVER...` is a line of the list that `tests/s3/servers.sh` makes, or the word `directory` for a hold that has its
//! blobs on the file system. Prints a line a row, `label<tab>cell`, of which `tests/bench/s3.sh` makes a table. With
//! `requests` it asks for URLs and measures nothing else.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints its table")]

mod control;
mod hold;
mod memory;
mod transfer;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use atcr_hold::objects::{Bucket, BucketSettings, CopyLimits, Credentials, S3Settings};

use control::Rate;
use hold::{Hold, Place};
use transfer::{Content, PART, SIZE, Times};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const MIB: f64 = 1024.0;

// One thread: what drives the hold leaves it the other processors.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let only_requests = arguments.pop_if(|last| last == "requests").is_some();
    let [binary, work, rounds, server @ ..] = arguments.as_slice() else {
        return Err("s3 BINARY WORK ROUNDS SERVER... [requests]".into());
    };
    let run = Run { binary: PathBuf::from(binary), work: PathBuf::from(work), rounds: rounds.parse()? };
    match server {
        [word] if word == "directory" => run.requests(&Place::Directory, "directory").await?,
        _ => {
            let (name, settings) = settings_of(server)?;
            if !only_requests {
                run.transfers(&settings, &name).await?;
            }
            let settings = below(&settings, "requests");
            run.requests(&Place::Bucket { settings: &settings, presigned: true }, &name).await?;
        }
    }
    Ok(())
}

struct Run {
    binary: PathBuf,
    work: PathBuf,
    rounds: usize,
}

fn row(label: &str, cell: impl std::fmt::Display) {
    println!("{label}\t{cell}");
}

impl Run {
    async fn start(&self, name: &str, place: &Place<'_>) -> Result<Arc<Hold>, Failure> {
        Ok(Arc::new(Hold::start(&self.binary, self.work.join(name), place).await?))
    }

    async fn transfers(&self, settings: &S3Settings, name: &str) -> Result<(), Failure> {
        let s3 = Bucket::open(&BucketSettings::S3(settings.clone()))?;
        let place = Place::Bucket { settings, presigned: true };
        let hold = self.start(&format!("{name}-presigned"), &place).await?;
        eprintln!("{name}: memory, presigned");
        let presigned = memory::measure(Arc::clone(&hold), &s3).await?;
        let mut content = Content::new(PART)?;
        let (mut direct, mut ours) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            eprintln!("{name}: round {} of {}", round + 1, self.rounds);
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
        eprintln!("{name}: memory, through the hold");
        let settings = below(settings, "through");
        let s3 = Bucket::open(&BucketSettings::S3(settings.clone()))?;
        let place = Place::Bucket { settings: &settings, presigned: false };
        let through = memory::measure(self.start(&format!("{name}-through"), &place).await?, &s3).await?;

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
        Ok(())
    }

    /// Requests for URLs, also of what the generator makes by itself: no server can be seen to answer more.
    async fn requests(&self, place: &Place<'_>, name: &str) -> Result<(), Failure> {
        let hold = self.start(&format!("{name}-requests"), place).await?;
        let digest = control::empty_blob(&hold).await?;
        let (mut part_urls, mut blob_urls, mut generator) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..self.rounds {
            eprintln!("{name}: requests, round {} of {}", round + 1, self.rounds);
            part_urls.push(control::part_urls(&hold).await?);
            blob_urls.push(control::blob_urls(&hold, digest).await?);
            generator.push(control::own_limit().await?);
        }
        if let Place::Bucket { settings, .. } = place {
            transfer::remove(&Bucket::open(&BucketSettings::S3((*settings).clone()))?, digest).await?;
        }
        row("getPartUploadUrl, 32 connections", requests(&part_urls));
        row("getPartUploadUrl, processor time of the hold", cost(&part_urls));
        row("getBlob, 32 connections", requests(&blob_urls));
        row("getBlob, processor time of the hold", cost(&blob_urls));
        row("the same client of a server that does nothing", requests(&generator));
        Ok(())
    }
}

/// A line of the list: name, endpoint, region, bucket, file of the key, file of the secret.
fn settings_of(line: &[String]) -> Result<(String, S3Settings), Failure> {
    let [name, endpoint, region, bucket, key, secret] = line else { return Err("a server has six words".into()) };
    let word_in = |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned().into());
    let settings = S3Settings {
        bucket: bucket.into(),
        region: region.into(),
        endpoint: Some(endpoint.into()),
        path_style: true,
        prefix: "bench".into(),
        pull_zone: None,
        public_endpoint: None,
        credentials: Credentials::Keys { id: word_in(key)?, secret: word_in(secret)?, session_token: None },
        copy: CopyLimits::default(),
    };
    Ok((name.clone(), settings))
}

/// Another folder of the same bucket: each hold has one of its own, and refuses what is another's.
fn below(settings: &S3Settings, folder: &str) -> S3Settings {
    S3Settings { prefix: format!("{}-{folder}", settings.prefix), ..settings.clone() }
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

fn requests(rounds: &[Rate]) -> String {
    let mut rates: Vec<_> = rounds.iter().map(|rate| rate.requests).collect();
    rates.sort_by(f64::total_cmp);
    format!("{:.0}/s ({:.0}–{:.0})", rates[rates.len() / 2], rates[0], rates[rates.len() - 1])
}

/// Processor time of the hold for one request.
fn cost(rounds: &[Rate]) -> String {
    let (busy_s, answered) =
        rounds.iter().fold((0.0, 0.0), |(busy_s, answered), rate| (busy_s + rate.processors, answered + rate.requests));
    format!("{:.0} µs", busy_s / answered * 1e6)
}
