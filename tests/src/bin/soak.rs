//! Runs a pair of daemons that import the corpus's days repeatedly, and measures their growth.
//!
//! One site imports the pypa and rustsec-osv streams day by day, beginning again after the last day; the other
//! follows it over loopback. Every two seconds the resident memory of both is measured, every ten seconds also the
//! sizes of `store/`, `log/` and `packs/`. After the first pass over the days and the first third of the time, memory
//! may grow by 0.2 MB a minute, and everything except the log by 1 MB a minute: the records repeat, so only the log
//! has a reason to grow. Memory rises and falls with each import, by more than a leak adds in an hour, so what is
//! judged is its floor: the least of each minute. A run that is too short for two passes is not judged, and ends with 2.
//!
//! ```text
//! STARLING_CORPUS=corpus cargo run -p starling-tests --bin soak -- --seconds 3600 --engine redb
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a check fails by panicking, with what it saw, and slopes need no more than 52 bits"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use starling_tests::feed::Folder;
use starling_tests::folders::bytes_on_disk;
use starling_tests::options::Options;
use starling_tests::stream::Stream;
use starling_tests::{Site, link};

const DEFAULT_SECONDS: u64 = 900;
const SOURCES: [(&str, &str); 2] = [("pypa", "pypa"), ("rustsec", "rustsec-osv")];
const SAMPLE_EVERY: Duration = Duration::from_secs(2);
/// One in so many samples measures the folders and is printed.
const SAMPLES_PER_LINE: usize = 5;
/// Fewest passes over the days, and samples after the first pass, from which a slope can be judged.
const FEWEST_PASSES: u64 = 2;
const FEWEST_SAMPLES: usize = 60;
/// So many imports, and the two must be equal.
const MEET_EVERY: u64 = 16;
const MEBIBYTE: f64 = 1_048_576.0;
/// Most growth a minute, in MiB: of resident memory, and of everything on the disk but the log.
const MEMORY_SLOPE: f64 = 0.2;
const DISK_SLOPE: f64 = 1.0;
/// The exit code of a run that was too short.
const NOT_JUDGED: u8 = 2;
const FOLDERS: [&str; 3] = ["store", "log", "packs"];

/// The memory and disk space of one site at one moment, in bytes.
#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Duration,
    /// The number of earlier imports of all the days.
    passes: u64,
    /// By site: resident memory, then the folders.
    sites: [[u64; 4]; 2],
}

fn main() -> ExitCode {
    let options = Options::of_process(u32::MAX);
    let Some(corpus) = std::env::var_os("STARLING_CORPUS").map(PathBuf::from) else {
        println!("soak: skipped: STARLING_CORPUS does not name the corpus");
        return ExitCode::SUCCESS;
    };
    let length = Duration::from_secs(options.seconds.unwrap_or(DEFAULT_SECONDS));
    let bench = tempfile::Builder::new()
        .prefix("starling-soak-")
        .tempdir()
        .expect("a folder can be made");
    let mut sites = ["site-a", "site-b"].map(|name| Site::init_on(bench.path(), name, &options.engine));
    for site in &mut sites {
        site.up();
    }
    let [a, b] = &mut sites;
    link(a, b);
    let streams = SOURCES.map(|(source, archive)| {
        let archive = corpus.join(format!("deltas/{archive}.tar.zst"));
        (source, Stream::read(&archive, |_| true))
    });
    let processes = [a.daemon().id(), b.daemon().id()];
    let homes = [a.home().to_owned(), b.home().to_owned()];
    let began = Instant::now();
    let (stop, stopped) = channel();
    let passes = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&passes);
    let sampler = std::thread::spawn(move || take_samples(began, processes, &homes, &counted, &stopped));
    let imports = work(a, b, &streams, &passes, began, length);
    drop(stop);
    let samples = sampler.join().expect("the samples are taken");
    b.until_equal(a);
    for site in &mut sites {
        site.expect_sound();
        site.stop();
        let from = Instant::now();
        site.up();
        println!(
            "{} starts again in {} ms",
            site.name(),
            from.elapsed().as_millis()
        );
        site.stop();
    }
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    println!("{imports} imports in {minutes:.1} minutes on {}", options.engine);
    report(&samples)
}

/// Imports day after day until the time is over. Returns the number of imports.
fn work(
    a: &Site,
    b: &mut Site,
    streams: &[(&str, Stream)],
    passes: &AtomicU64,
    began: Instant,
    length: Duration,
) -> u64 {
    let days = streams
        .iter()
        .map(|(_, stream)| stream.days.len())
        .max()
        .unwrap_or(0);
    let mut imports = 0;
    while began.elapsed() < length {
        let mut trees: Vec<Folder> = streams.iter().map(|(_, stream)| stream.base.clone()).collect();
        for day in 0..=days {
            for ((source, stream), tree) in streams.iter().zip(&mut trees) {
                // The base first, then the days of this stream.
                if day > 0 {
                    let Some(day) = stream.days.values().nth(day - 1) else {
                        continue;
                    };
                    day.apply(tree);
                }
                if began.elapsed() >= length {
                    return imports;
                }
                let _ = a.import(source, tree, &["--complete", "--approve"]);
                imports += 1;
                if imports % MEET_EVERY == 0 {
                    b.until_equal(a);
                }
            }
        }
        passes.fetch_add(1, Ordering::Relaxed);
    }
    imports
}

fn take_samples(
    began: Instant,
    processes: [u32; 2],
    homes: &[PathBuf; 2],
    passes: &AtomicU64,
    stopped: &Receiver<()>,
) -> Vec<Sample> {
    let mut samples: Vec<Sample> = Vec::new();
    let mut folders = [[0; 3]; 2];
    // The pause is between measurements, and ends at once with the work.
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(SAMPLE_EVERY) {
        let is_line = samples.len().is_multiple_of(SAMPLES_PER_LINE);
        if is_line {
            folders = [0, 1].map(|index| FOLDERS.map(|name| bytes_on_disk(&homes[index].join(name))));
        }
        let site = |index: usize| {
            let [store, log, packs] = folders[index];
            [resident(processes[index]), store, log, packs]
        };
        let sample = Sample {
            at: began.elapsed(),
            passes: passes.load(Ordering::Relaxed),
            sites: [site(0), site(1)],
        };
        if is_line {
            println!("{}", line(&sample));
        }
        samples.push(sample);
    }
    samples
}

/// Returns the resident memory of a process, in bytes.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the daemon runs");
    let row = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes: u64 = row
        .and_then(|row| row.trim().trim_end_matches(" kB").parse().ok())
        .expect("a process has a size");
    kibibytes * 1024
}

fn line(sample: &Sample) -> String {
    let sites = sample.sites.map(|values| {
        let [memory, store, log, packs] = values.map(|bytes| bytes as f64 / MEBIBYTE);
        format!("memory {memory:.1} store {store:.1} log {log:.1} packs {packs:.1}")
    });
    format!(
        "{:5} s  a: {}  b: {}  MiB",
        sample.at.as_secs(),
        sites[0],
        sites[1]
    )
}

/// Prints the slopes and checks them.
fn report(samples: &[Sample]) -> ExitCode {
    let steady: Vec<Sample> = samples[samples.len() / 3..]
        .iter()
        .filter(|sample| sample.passes > 0)
        .copied()
        .collect();
    let passes = samples.last().map_or(0, |sample| sample.passes);
    if passes < FEWEST_PASSES || steady.len() < FEWEST_SAMPLES {
        println!(
            "soak: not judged: {passes} passes over the days and {} samples after the first; run longer",
            steady.len()
        );
        return ExitCode::from(NOT_JUDGED);
    }
    let mut over = false;
    for (index, site) in ["site-a", "site-b"].iter().enumerate() {
        let of = |value: fn(&[u64; 4]) -> u64| slope(&steady, |sample| value(&sample.sites[index]));
        let memory = slope(&floors(&steady, index), |sample| sample.sites[index][0]);
        let log = of(|values| values[2]);
        let rest = of(|values| values[1] + values[3]);
        let good = memory <= MEMORY_SLOPE && rest <= DISK_SLOPE;
        over |= !good;
        println!(
            "soak: {site}: memory {memory:+.2} (bound {MEMORY_SLOPE}), store and packs {rest:+.2} (bound {DISK_SLOPE}), \
             log {log:+.2} MiB a minute{}",
            if good { "" } else { ": FAILED" }
        );
    }
    if over {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Returns the sample with the least memory of a site in each minute.
fn floors(samples: &[Sample], index: usize) -> Vec<Sample> {
    let mut least: BTreeMap<u64, Sample> = BTreeMap::new();
    for sample in samples {
        let kept = least.entry(sample.at.as_secs() / 60).or_insert(*sample);
        if sample.sites[index][0] < kept.sites[index][0] {
            *kept = *sample;
        }
    }
    least.into_values().collect()
}

/// Fits a line and returns how much it rises, in MiB a minute.
fn slope(samples: &[Sample], value: impl Fn(&Sample) -> u64) -> f64 {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .map(|sample| (sample.at.as_secs_f64() / 60.0, value(sample) as f64 / MEBIBYTE))
        .collect();
    let count = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
    let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    above / below.max(f64::MIN_POSITIVE)
}
