//! Measures the raw rate of each engine: rows shaped like the store's are written, read and reopened.
//!
//! ```text
//! cargo bench -p starling-store --bench raw_engine -- [--engines sled,redb] [--records 60000]
//!     [--records-per-commit 1000] [--commits-per-checkpoint 8] [--body-bytes 7-9] [--cache-mib 32]
//!     [--rewrites 0] [--dir DIR]
//! ```
//!
//! One record is the place of a body, a claim, a view row and two index rows. The bodies themselves are in
//! packs. Values are noise, because stored values are compressed. Each engine runs in its own process, so that
//! its memory is measured alone. Prints one JSON object per line with `--json`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark fails by panicking, and its figures are rounded"
)]

use std::ops::{Bound, ControlFlow};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use starling_store::engine::{
    Batch, ByteCount, Compaction, Direction, Engine, EngineKind, EngineOptions, Replayed, Tree, Write, open,
    replay,
};

const READS: u64 = 20_000;

#[derive(Clone, Debug)]
struct Settings {
    engines: Vec<EngineKind>,
    records: u64,
    records_per_commit: u64,
    commits_per_checkpoint: u64,
    body_bytes: (u64, u64),
    cache: ByteCount,
    rewrites: u64,
    dir: Option<PathBuf>,
    json: bool,
}

impl Settings {
    fn from_args(args: &[String]) -> Self {
        let mut settings = Self {
            engines: vec![EngineKind::Sled, EngineKind::Redb],
            records: 60_000,
            records_per_commit: 1_000,
            commits_per_checkpoint: 8,
            body_bytes: (7, 9),
            cache: EngineOptions::DEFAULT_CACHE,
            rewrites: 0,
            dir: None,
            json: false,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
            match arg.as_str() {
                "--engines" => {
                    let names = value().split(',');
                    settings.engines = names.map(|name| name.parse().unwrap()).collect();
                }
                "--records" => settings.records = value().parse().unwrap(),
                "--records-per-commit" => settings.records_per_commit = value().parse().unwrap(),
                "--commits-per-checkpoint" => settings.commits_per_checkpoint = value().parse().unwrap(),
                "--body-bytes" => {
                    let (least, most) = value().split_once('-').expect("a range such as 7-9");
                    settings.body_bytes = (least.parse().unwrap(), most.parse().unwrap());
                }
                "--cache-mib" => settings.cache = ByteCount::mebibytes(value().parse().unwrap()),
                "--rewrites" => settings.rewrites = value().parse().unwrap(),
                "--dir" => settings.dir = Some(value().into()),
                "--json" => settings.json = true,
                // Passed by `cargo bench` itself.
                "--bench" => {}
                other => panic!("unknown argument {other}; the head of this file lists them"),
            }
        }
        settings
    }
}

/// A small generator, so that every run and every engine gets the same rows.
struct Noise(u64);

impl Noise {
    fn for_record(round: u64, record: u64) -> Self {
        let mut noise = Self((round << 40 | record).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            noise.number();
        }
        noise
    }

    fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        let length = usize::try_from(length).unwrap();
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// Returns the key of a body, which changes when the record is rewritten because it is a hash; other keys stay.
fn body_key(round: u64, record: u64) -> Vec<u8> {
    Noise::for_record(round, record).bytes(32)
}

fn add_record(settings: &Settings, round: u64, record: u64, batch: &mut Batch) {
    let (least, most) = settings.body_bytes;
    let mut noise = Noise::for_record(round + 1_000, record);
    let length = least + noise.number() % (most - least + 1);
    batch.put(Tree::Bodies, &body_key(round, record), &noise.bytes(length));
    let mut name = Noise::for_record(9_999, record);
    let id = format!("osv/GHSA-{:016x}", name.number());
    batch.put(Tree::Claims, id.as_bytes(), &noise.bytes(90));
    let merge_hash = name.bytes(32);
    batch.put(Tree::View, &merge_hash, &noise.bytes(300));
    let alias = format!("CVE-{:012x}/", name.number());
    batch.put(Tree::ByAlias, &[alias.as_bytes(), &merge_hash].concat(), b"");
    let package = format!("pkg:npm/package-{:04x}/", name.number() % 20_000);
    batch.put(Tree::ByPackage, &[package.as_bytes(), &merge_hash].concat(), b"");
    if round > 0 {
        batch.delete(Tree::Bodies, &body_key(round - 1, record));
    }
}

fn writes(settings: &Settings, round: u64, first: u64) -> Vec<Write> {
    let mut batch = Batch::new();
    let end = (first + settings.records_per_commit).min(settings.records);
    for record in first..end {
        add_record(settings, round, record, &mut batch);
    }
    let commits = first / settings.records_per_commit + 1;
    let mut writes = vec![Write::Commit(batch)];
    if commits.is_multiple_of(settings.commits_per_checkpoint) || end == settings.records {
        writes.push(Write::Checkpoint);
    }
    writes
}

/// Writes all records and returns the time spent in the engine alone.
fn write_round(engine: &dyn Engine, settings: &Settings, round: u64) -> (Duration, Replayed) {
    let (mut spent, mut total) = (Duration::ZERO, Replayed::default());
    let step = usize::try_from(settings.records_per_commit).unwrap();
    for first in (0..settings.records).step_by(step) {
        let writes = writes(settings, round, first);
        let started = Instant::now();
        let replayed = replay(engine, &writes).unwrap();
        spent += started.elapsed();
        total.writes += replayed.writes;
        total.rows += replayed.rows;
        total.bytes += replayed.bytes;
    }
    (spent, total)
}

/// The measured figures, in printing order.
type Figures = Vec<(&'static str, f64)>;

fn measure(kind: EngineKind, settings: &Settings, dir: &Path) -> Figures {
    let options = EngineOptions::default().with_cache(settings.cache);
    let mut engine = open(kind, dir, &options).unwrap();
    let (spent, written) = write_round(&*engine, settings, 0);
    let size = engine.size_on_disk().unwrap();
    let seconds = spent.as_secs_f64();
    let mut figures = vec![
        ("records_per_s", settings.records as f64 / seconds),
        ("rows_per_s", written.rows as f64 / seconds),
        ("raw_mb", megabytes(written.bytes)),
        ("disk_mb", megabytes(size.get())),
        ("disk_per_raw", size.get() as f64 / written.bytes as f64),
        ("rss_after_ingest_mb", resident_megabytes()),
    ];
    for round in 1..=settings.rewrites {
        write_round(&*engine, settings, round);
    }
    if settings.rewrites > 0 {
        figures.push((
            "disk_after_rewrites_mb",
            megabytes(engine.size_on_disk().unwrap().get()),
        ));
    }
    let started = Instant::now();
    if let Compaction::Done { after, .. } = engine.compact().unwrap() {
        figures.push(("compact_s", started.elapsed().as_secs_f64()));
        figures.push(("compacted_mb", megabytes(after.get())));
    }
    if kind != EngineKind::Memory {
        drop(engine);
        let started = Instant::now();
        engine = open(kind, dir, &options).unwrap();
        figures.push(("reopen_s", started.elapsed().as_secs_f64()));
    }
    measure_reads(&*engine, settings, &mut figures);
    figures
}

fn measure_reads(engine: &dyn Engine, settings: &Settings, figures: &mut Figures) {
    let mut order = Noise::for_record(7, 7);
    let mut times: Vec<Duration> = (0..READS)
        .map(|_| {
            let key = body_key(settings.rewrites, order.number() % settings.records);
            let started = Instant::now();
            assert!(engine.get(Tree::Bodies, &key).unwrap().is_some());
            started.elapsed()
        })
        .collect();
    times.sort();
    for (name, percent) in [("get_p50_us", 50), ("get_p99_us", 99)] {
        figures.push((name, times[times.len() * percent / 100].as_secs_f64() * 1e6));
    }
    let (mut rows, started) = (0_u64, Instant::now());
    engine
        .scan(
            Tree::View,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
            &mut |_, _| {
                rows += 1;
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    assert_eq!(rows, settings.records);
    figures.push(("scan_rows_per_s", rows as f64 / started.elapsed().as_secs_f64()));
    figures.push(("rss_after_reads_mb", resident_megabytes()));
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Returns the resident memory of this process; 0 if the system does not report it.
fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    megabytes(kibibytes.unwrap_or(0) * 1_024)
}

fn print(kind: EngineKind, figures: &Figures, json: bool) {
    if json {
        let fields: Vec<String> = figures
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value:.3}"))
            .collect();
        println!("{{\"engine\":\"{kind}\",{}}}", fields.join(","));
        return;
    }
    println!("{kind}");
    for (name, value) in figures {
        println!("  {name:24} {value:>14.3}");
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let settings = Settings::from_args(&args);
    if let [kind] = settings.engines[..] {
        let folder = match &settings.dir {
            Some(dir) => tempfile::TempDir::new_in(dir),
            None => tempfile::TempDir::new(),
        };
        let folder = folder.unwrap();
        print(kind, &measure(kind, &settings, folder.path()), settings.json);
        return;
    }
    for kind in &settings.engines {
        // The last of two equal settings wins, so this limits the run to one engine.
        let status = Command::new(std::env::current_exe().unwrap())
            .args(&args)
            .args(["--engines", kind.name()])
            .status()
            .unwrap();
        assert!(status.success(), "{kind}: {status}");
    }
}
