//! Measures the speed of the view and the size of its rows on the corpus that `STARLING_CORPUS` names.
//!
//! `cargo bench -p starling-view --bench fold`. Reads the OSV JSON archives, one source each, into memory. Then
//! measures on one core, with rows in memory: the first fold in batches of 1,000, the same claims again
//! (nothing changes), and reading advisories. Package names are not normalised: that is the scanner's cost.
//! YAML archives are left out. Times are this thread's processor time where Linux reports it, so that a busy
//! machine does not distort them; elsewhere they are wall-clock time.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a benchmark reads files and measures time, and stops at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use starling_protocol::{ContentHash, Lane, RecordId, SiteId, Source, UnixMillis, json};
use starling_view::{
    Bodies, Claims, Decisions, MemoryRows, RecordKey, Settings, Statement, StatementKind, Table, ViewPolicy,
    advisories_by_package, canonical_advisory, for_each_advisory, resolve, update,
};

const ARCHIVES: [(&str, &str); 12] = [
    ("almalinux", "almalinux"),
    ("bitnami", "bitnami"),
    ("drupal", "drupal"),
    ("ghsa-samples", "ghsa"),
    ("haskell", "haskell"),
    ("homebrew", "homebrew"),
    ("julia", "julia"),
    ("malicious-packages", "malicious-packages"),
    ("osvdev-20250228-git-upto2022", "osv"),
    ("osvdev-20250228-go-hex-upto2022", "go"),
    ("psf", "psf"),
    ("rustsec-osv", "rustsec"),
];
const BATCH_RECORDS: usize = 1_000;
const READS: usize = 2_000;

/// Measures the processor time of this thread.
struct Stopwatch {
    wall: Instant,
    processor: Option<u64>,
}

impl Stopwatch {
    fn start() -> Self {
        Self {
            wall: Instant::now(),
            processor: processor_nanos(),
        }
    }

    fn seconds(&self) -> f64 {
        match (self.processor, processor_nanos()) {
            (Some(start), Some(end)) => (end - start) as f64 / 1e9,
            _ => self.wall.elapsed().as_secs_f64(),
        }
    }
}

fn processor_nanos() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split_whitespace().next()?.parse().ok()
}

struct World {
    contents: BTreeMap<RecordKey, ContentHash>,
    bodies: BTreeMap<ContentHash, Vec<u8>>,
}

impl Claims for World {
    type Error = Infallible;

    fn statements(&self, source: &Source, id: &RecordId) -> Result<Vec<Statement>, Infallible> {
        let key = RecordKey::new(source.clone(), id.clone());
        let statement = |content: &ContentHash| Statement {
            author: SiteId::from_bytes([1; 32]),
            lane: Lane::Federation,
            kind: StatementKind::Set(*content),
            time: UnixMillis::EPOCH,
        };
        Ok(self.contents.get(&key).map(statement).into_iter().collect())
    }
}

impl Bodies for World {
    type Error = Infallible;

    fn body(&self, content: &ContentHash) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.bodies.get(content).cloned())
    }
}

fn main() {
    let Ok(corpus) = std::env::var("STARLING_CORPUS") else {
        println!("skipped: STARLING_CORPUS is not set");
        return;
    };
    let mut world = World {
        contents: BTreeMap::new(),
        bodies: BTreeMap::new(),
    };
    for (archive, source) in ARCHIVES {
        load(
            &Path::new(&corpus).join(format!("advisories/{archive}.tar.zst")),
            source,
            &mut world,
        );
    }
    let bytes: usize = world.bodies.values().map(Vec::len).sum();
    let records = world.contents.len();
    println!("{records} records, {:.1} MB of bodies", bytes as f64 / 1e6);

    let settings = Settings {
        policy: ViewPolicy::default().compile(SiteId::from_bytes([1; 32])),
        decisions: Decisions::new(),
        normalise_name: |_, name| name.to_owned(),
        products_of: |_| Default::default(),
    };
    let mut rows = MemoryRows::new();
    let keys: Vec<RecordKey> = world.contents.keys().cloned().collect();
    let mut problems = BTreeMap::new();
    for pass in ["first fold", "the same again"] {
        let start = Stopwatch::start();
        let mut touched = 0;
        for batch in keys.chunks(BATCH_RECORDS) {
            let changed: BTreeSet<RecordKey> = batch.iter().cloned().collect();
            let changes = update(&mut rows, &world, &world, &settings, &changed).unwrap();
            touched += changes.advisories.len();
            for (_, problem) in changes.problems {
                *problems.entry(problem).or_insert(0) += 1;
            }
        }
        let seconds = start.seconds();
        println!(
            "{pass}: {:.0} records/s, {:.1} MB/s, {touched} advisory changes, {seconds:.2} s",
            records as f64 / seconds,
            bytes as f64 / 1e6 / seconds
        );
    }
    println!("problems: {problems:?}");

    let (mut all_rows, mut all_bytes) = (0, 0);
    for table in Table::ALL {
        let (count, size) = rows.size(table);
        println!(
            "{table}: {count} rows, {size} bytes, {:.1} bytes a record",
            size as f64 / records as f64
        );
        all_rows += count;
        all_bytes += size;
    }
    println!(
        "all: {all_rows} rows, {:.1} bytes and {:.2} rows a record",
        all_bytes as f64 / records as f64,
        all_rows as f64 / records as f64
    );
    read(&rows, &world, &settings);
}

fn read(rows: &MemoryRows, world: &World, settings: &Settings) {
    let mut advisories = Vec::new();
    let start = Stopwatch::start();
    for_each_advisory(rows, |advisory| {
        advisories.push(advisory);
        ControlFlow::Continue(())
    })
    .unwrap();
    let seconds = start.seconds();
    println!("{} advisories listed in {seconds:.2} s", advisories.len());

    let step = (advisories.len() / READS).max(1);
    let sample: Vec<_> = advisories.iter().step_by(step).collect();
    let per_read = |name: &str, start: Stopwatch| {
        let micros = start.seconds() * 1e6 / sample.len() as f64;
        println!("{name}: {micros:.1} µs each, {} reads", sample.len());
    };
    let start = Stopwatch::start();
    for advisory in &sample {
        let resolution = resolve(rows, &advisory.merge_hash).unwrap();
        assert_eq!(
            resolution,
            starling_view::Resolution::Current((*advisory).clone())
        );
    }
    per_read("by merge hash", start);
    let start = Stopwatch::start();
    for advisory in &sample {
        if let starling_view::PackageId::Package { ecosystem, name } = &advisory.package {
            assert!(!advisories_by_package(rows, ecosystem, name).unwrap().is_empty());
        }
    }
    per_read("by package", start);
    let start = Stopwatch::start();
    for advisory in &sample {
        let folded = canonical_advisory(
            rows,
            world,
            world,
            settings,
            &advisory.vulnerability,
            &advisory.package,
        );
        assert!(folded.unwrap().is_some());
    }
    per_read("folded", start);
}

/// Reads the records of an archive as canonical bodies.
fn load(archive: &Path, source: &str, world: &mut World) {
    let source: Source = source.parse().expect("a source name");
    let file = std::fs::File::open(archive).expect("an archive of the corpus");
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).expect("a zstd stream"));
    for entry in archive.entries().expect("a tar archive") {
        let mut entry = entry.expect("an entry");
        if entry
            .path()
            .expect("a path")
            .extension()
            .is_none_or(|extension| extension != "json")
        {
            continue;
        }
        let mut text = Vec::new();
        entry.read_to_end(&mut text).expect("an entry's bytes");
        let Ok(body) = json::canonicalize(&text) else {
            continue;
        };
        let value = json::parse(&body).expect("canonical bytes");
        let Some(id) = value.get("id").and_then(json::Value::as_str) else {
            continue;
        };
        let key = RecordKey::new(source.clone(), id.parse().expect("a record id"));
        let content = ContentHash::of(&body);
        world.contents.insert(key, content);
        world.bodies.insert(content, body);
    }
}
