//! Measures how fast foreign bytes become records, with the corpus in `STARLING_CORPUS`.
//!
//! `cargo bench -p starling-feeds --bench ingest [NAME…]` prints a row per source:
//! * **read**: one thread, documents in memory: parse, canonicalise, hash, check;
//! * **again**: the same with the canonical bytes, as if a site re-reads its own;
//! * **json**: only parse, canonicalise and hash, without the check of the record;
//! * **check**: only the check that canonical bytes are canonical;
//! * **archive**: the complete pipeline from the `.tar.zst`, with as many workers as cores.
//!
//! MB/s are of unpacked input bytes (10^6), the best of five runs: of CPU time for one thread (so Linux only), of
//! elapsed time for the archive.
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and its environment"
)]
#![expect(clippy::expect_used, reason = "a benchmark may stop at once")]

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use starling_feeds::input::{self, Found, Limits, Source};
use starling_feeds::osv::{self, Outcome};
use starling_feeds::pipeline;
use starling_protocol::{ContentHash, json};

/// The OSV sources, JSON first; for YAML, the columns `json` and `check` are about the resulting JSON.
const SOURCES: [&str; 14] = [
    "almalinux",
    "bitnami",
    "drupal",
    "ghsa-samples",
    "haskell",
    "homebrew",
    "julia",
    "malicious-packages",
    "osvdev-20250228-git-upto2022",
    "osvdev-20250228-go-hex-upto2022",
    "psf",
    "rustsec-osv",
    "pypa",
    "rconsortium",
];

const RUNS: usize = 5;

/// Small sources are read repeatedly until a run has this many bytes, because the clock is coarse.
const RUN_BYTES: usize = 32 << 20;

fn main() {
    let Some(corpus) = std::env::var("STARLING_CORPUS").ok().map(PathBuf::from) else {
        println!("skipped: STARLING_CORPUS does not name the corpus");
        return;
    };
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    println!(
        "{:<34}{:>8}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "source (MB/s)", "files", "MB", "read", "again", "json", "check", "archive"
    );
    let mut total = Row::default();
    for source in SOURCES
        .iter()
        .filter(|source| wanted.is_empty() || wanted.iter().any(|name| name == *source))
    {
        let row = measure(&corpus.join("advisories").join(format!("{source}.tar.zst")));
        row.print(source);
        total.add(&row);
    }
    total.print("all");
}

/// Bytes and best times of one source. Times are in seconds.
#[derive(Default)]
struct Row {
    files: usize,
    bytes: usize,
    canonical_bytes: usize,
    read: f64,
    again: f64,
    json: f64,
    check: f64,
    archive: f64,
}

impl Row {
    fn add(&mut self, other: &Row) {
        self.files += other.files;
        self.bytes += other.bytes;
        self.canonical_bytes += other.canonical_bytes;
        self.read += other.read;
        self.again += other.again;
        self.json += other.json;
        self.check += other.check;
        self.archive += other.archive;
    }

    fn print(&self, name: &str) {
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        let (raw, canonical) = (megabytes(self.bytes), megabytes(self.canonical_bytes));
        println!(
            "{name:<34}{:>8}{raw:>9.1}{:>9.0}{:>9.0}{:>9.0}{:>9.0}{:>9.0}",
            self.files,
            raw / self.read,
            canonical / self.again,
            raw / self.json,
            canonical / self.check,
            raw / self.archive,
        );
    }
}

fn measure(archive: &Path) -> Row {
    let mut documents = Vec::new();
    input::read(Source::path(archive), &Limits::default(), &mut |found| {
        if let Found::Document(document) = found {
            documents.push(document.bytes);
        }
        ControlFlow::Continue(())
    })
    .expect("the archive is whole");
    let records: Vec<Vec<u8>> = documents.iter().filter_map(|bytes| canonical_of(bytes)).collect();
    let is_yaml = documents
        .first()
        .is_some_and(|bytes| !bytes.trim_ascii_start().starts_with(b"{"));
    let as_json = if is_yaml { &records } else { &documents };
    let to_canonical = |bytes: &[u8]| {
        let canonical = json::canonicalize(bytes).expect("a record");
        black_box(ContentHash::of(&canonical));
    };
    let bytes = documents.iter().map(Vec::len).sum();
    let read = |bytes: &Vec<u8>| drop(black_box(osv::read(bytes)));
    let json_seconds = best_cpu(bytes, || as_json.iter().for_each(|bytes| to_canonical(bytes)));
    // The column is in MB/s of bytes read, even if they are shorter than the source.
    let json_scale = bytes as f64 / as_json.iter().map(Vec::len).sum::<usize>() as f64;
    let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    Row {
        files: documents.len(),
        bytes,
        canonical_bytes: records.iter().map(Vec::len).sum(),
        read: best_cpu(bytes, || documents.iter().for_each(read)),
        again: best_cpu(bytes, || records.iter().for_each(read)),
        json: json_seconds * json_scale,
        check: best_cpu(bytes, || {
            assert!(records.iter().all(|bytes| json::is_canonical(bytes)));
        }),
        archive: best(|| {
            let report = pipeline::run(Source::path(archive), &Limits::default(), workers, &mut |item| {
                black_box(item);
                ControlFlow::Continue(())
            });
            assert!(report.is_complete());
        }),
    }
}

fn canonical_of(bytes: &[u8]) -> Option<Vec<u8>> {
    match osv::read(bytes).pop()?.outcome {
        Outcome::Record(record) => Some(record.canonical),
        _ => None,
    }
}

/// Returns this thread's best CPU time for one `run` over `bytes`, independent of other load.
fn best_cpu(bytes: usize, mut run: impl FnMut()) -> f64 {
    let times = RUN_BYTES.div_ceil(bytes.max(1));
    best_by(cpu_seconds, &mut || (0..times).for_each(|_| run())) / times as f64
}

/// Returns the best elapsed time, for work of several threads.
fn best(mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    best_by(|| start.elapsed().as_secs_f64(), &mut run)
}

fn best_by(clock: impl Fn() -> f64, run: &mut dyn FnMut()) -> f64 {
    let seconds = (0..RUNS).map(|_| {
        let start = clock();
        run();
        clock() - start
    });
    seconds.fold(f64::INFINITY, f64::min)
}

/// Returns this thread's CPU time, in nanoseconds, as counted by Linux.
fn cpu_seconds() -> f64 {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanoseconds: f64 = schedstat
        .split(' ')
        .next()
        .and_then(|text| text.parse().ok())
        .expect("a number");
    nanoseconds / 1e9
}
