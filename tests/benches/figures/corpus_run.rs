//! Takes the whole corpus through a site: feeds in, first sync, bundle out and in, start and memory, scans.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use starling_api::Upload;
use starling_api_types::{ExportRequest, ImportParams};
use starling_daemon::run_on;
use starling_store::engine::{RecordingEngine, Write as EngineWrite};
use tokio_util::sync::CancellationToken;

use crate::corpus::Corpus;
use crate::machine::{loopback, processor_seconds, resident};
use crate::site::{BenchSite, Daemon, Opened, listen, overrides};
use crate::table::{megabytes, print, rate};
use crate::{Options, raw, scans};

/// Ports of the sites; in a separate network namespace they are always free.
const PORT_A: u16 = 17_946;
const PORT_B: u16 = 17_947;
const PORT_D: u16 = 17_948;

/// One way of knowledge, compared with the raw rate of its writes.
struct Figure {
    what: &'static str,
    records: u64,
    seconds: f64,
    /// Bytes that moved: read from the feed, over the network, of the file.
    bytes: u64,
    /// Seconds that the writes alone take: the same log, packs and rows.
    raw: f64,
}

impl Figure {
    fn row(&self) -> Vec<String> {
        vec![
            self.what.to_owned(),
            self.records.to_string(),
            megabytes(self.bytes),
            format!("{:.1}", self.seconds),
            rate(self.records, self.seconds),
            rate(self.records, self.raw),
            format!("{:.0} %", 100.0 * self.raw / self.seconds),
        ]
    }
}

pub(crate) fn run(corpus: &Corpus, options: &Options) {
    for engine in &options.engines {
        run_engine(corpus, options, engine);
    }
}

/// Imports feeds into one site repeatedly, for a profiler.
pub(crate) fn profile(corpus: &Corpus, options: &Options) {
    for engine in &options.engines {
        let scratch = options.scratch();
        let a = BenchSite::init(scratch.path(), "site-a", engine);
        let (records, seconds, _) = import_all(&a.open(), corpus, options);
        println!("{engine}: {records} records in {seconds:.1} s");
    }
}

fn run_engine(corpus: &Corpus, options: &Options, engine: &str) {
    let scratch = options.scratch();
    let dir = scratch.path();
    let site = |name: &str| BenchSite::init(dir, name, engine);
    let (a, b, c, d) = (site("site-a"), site("site-b"), site("site-c"), site("site-d"));

    let feeds_in = feeds_in(&a, corpus, options, dir);
    let records = feeds_in.records;
    for reader in [&b, &c, &d] {
        a.list(reader, None);
        reader.list(&a, Some(&listen(PORT_A)));
    }
    let goal = root_of(&a.open());

    let (daemon_a, ready_a) = a.up(PORT_A);
    let (resident_a, _) = resident(daemon_a.process());
    let sync = first_sync(&daemon_a, &b, &d, &goal, records, dir);
    let scan_figures = scans::against(&daemon_a, &a, dir);
    daemon_a.stop();

    let bundle = dir.join("full.starling");
    let bundle_out = bundle_out(&a, &bundle, records);
    let bundle_in = bundle_in(&c, bundle, &goal, records, dir);
    print_ways(engine, &[&feeds_in, &sync.figure, &bundle_out, &bundle_in]);
    println!(
        "first sync: {} packets on loopback; A used {:.1} s of processor, B {:.1} s and at most {} MB\n",
        sync.packets,
        sync.processor[0],
        sync.processor[1],
        megabytes(sync.reader_peak)
    );

    let (daemon_b, ready_b) = b.up(PORT_B);
    let restarted_b = resident(daemon_b.process()).0;
    daemon_b.stop();
    let millis = |time: Duration| format!("{:.0}", time.as_secs_f64() * 1e3);
    let rows = [
        vec!["A after feeds".to_owned(), millis(ready_a), megabytes(resident_a)],
        vec![
            "A after it served a first sync".to_owned(),
            String::new(),
            megabytes(sync.author_resident),
        ],
        vec![
            "B after its first sync".to_owned(),
            String::new(),
            megabytes(sync.reader_resident),
        ],
        vec!["B restarted".to_owned(), millis(ready_b), megabytes(restarted_b)],
    ];
    print(
        &format!("## {engine}: an idle daemon with the corpus"),
        &["daemon", "ready ms", "resident MB"],
        &rows,
    );
    scan_figures.print(engine);
}

/// Measures the import of all feeds.
fn feeds_in(site: &BenchSite, corpus: &Corpus, options: &Options, dir: &Path) -> Figure {
    let (opened, recording) = site.open_recording();
    recording.take();
    let (records, seconds, bytes) = import_all(&opened, corpus, options);
    drop(opened);
    Figure {
        what: "feeds in",
        records,
        seconds,
        bytes,
        raw: raw::write_seconds(site, &recording.take(), dir),
    }
}

/// A first sync, and what it cost both daemons.
struct FirstSync {
    figure: Figure,
    packets: u64,
    /// Seconds of processor of the author's and the reader's daemon.
    processor: [f64; 2],
    /// Resident bytes of each at the end, and the most that the reader had.
    author_resident: u64,
    reader_resident: u64,
    reader_peak: u64,
}

/// Measures how long a new site needs to know what `author` knows. `recorded` is another new site, whose sync is
/// recorded to repeat its writes.
fn first_sync(
    author: &Daemon,
    reader: &BenchSite,
    recorded: &BenchSite,
    goal: &str,
    records: u64,
    dir: &Path,
) -> FirstSync {
    let before = loopback();
    let (daemon, _) = reader.up(PORT_B);
    let started = Instant::now();
    daemon.until_root(goal);
    let seconds = started.elapsed().as_secs_f64();
    let (bytes, packets) = loopback();
    let (bytes, packets) = (bytes - before.0, packets - before.1);
    let (reader_resident, reader_peak) = resident(daemon.process());
    let processor = [author, &daemon].map(|daemon| processor_seconds(daemon.process()));
    let author_resident = resident(author.process()).0;
    daemon.stop();
    FirstSync {
        figure: Figure {
            what: "first sync",
            records,
            seconds,
            bytes,
            raw: raw::write_seconds(recorded, &sync_recording(recorded, goal), dir),
        },
        packets,
        processor,
        author_resident,
        reader_resident,
        reader_peak,
    }
}

/// Measures the export of everything to a file.
fn bundle_out(site: &BenchSite, bundle: &Path, records: u64) -> Figure {
    let opened = site.open();
    let started = Instant::now();
    export(&opened, bundle);
    Figure {
        what: "bundle out",
        records,
        seconds: started.elapsed().as_secs_f64(),
        bytes: bundle.metadata().unwrap().len(),
        raw: raw::read_seconds(&site.home, opened.offline.store().engine().as_ref()),
    }
}

/// Measures the import of that file into a new site.
fn bundle_in(site: &BenchSite, bundle: PathBuf, goal: &str, records: u64, dir: &Path) -> Figure {
    let bytes = bundle.metadata().unwrap().len();
    let (opened, recording) = site.open_recording();
    recording.take();
    let (started, path) = (Instant::now(), Upload::Path(bundle));
    let report =
        opened.call(|service| async move { service.import_bundle(path, ImportParams::default()).await });
    let seconds = started.elapsed().as_secs_f64();
    assert!(report.success && report.warnings.is_empty(), "{report:?}");
    assert_eq!(
        root_of(&opened),
        goal,
        "the bundle brought other knowledge than the network"
    );
    drop(opened);
    Figure {
        what: "bundle in",
        records,
        seconds,
        bytes,
        raw: raw::write_seconds(site, &recording.take(), dir),
    }
}

fn root_of(opened: &Opened) -> String {
    opened
        .call(|service| async move { service.status().await })
        .knowledge_root
        .to_string()
}

fn print_ways(engine: &str, figures: &[&Figure]) {
    let heads = [
        "way",
        "records",
        "MB moved",
        "s",
        "records/s",
        "raw records/s",
        "of raw",
    ];
    print(
        &format!("## {engine}: the corpus"),
        &heads,
        &figures.iter().map(|figure| figure.row()).collect::<Vec<_>>(),
    );
}

/// Imports every archive; returns records, seconds and bytes of canonical records.
pub(crate) fn import_all(opened: &Opened, corpus: &Corpus, options: &Options) -> (u64, f64, u64) {
    let (mut records, mut bytes) = (0, 0);
    let started = Instant::now();
    for archive in corpus.archives(options.small) {
        let begun = Instant::now();
        let report = opened.import(archive.source, Upload::Path(archive.path), true);
        println!(
            "  {:20} {:>6} records {:>8} MB {:>6.1} s, {} rejected",
            archive.source,
            report.stored,
            megabytes(report.input_bytes),
            begun.elapsed().as_secs_f64(),
            report.rejected,
        );
        records += report.stored;
        bytes += report.input_bytes;
    }
    (records, started.elapsed().as_secs_f64(), bytes)
}

/// Syncs `site` in this process, over an engine that records.
fn sync_recording(site: &BenchSite, goal: &str) -> Vec<EngineWrite> {
    let recording = Arc::new(RecordingEngine::new(site.open_engine(&site.home.join("store"))));
    let stop = CancellationToken::new();
    let (engine, home, stopped) = (recording.clone(), site.home.clone(), stop.clone());
    let daemon = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime
            .block_on(run_on(engine, &home, &overrides(Some(&listen(PORT_D))), stopped))
            .unwrap();
    });
    site.until_root(goal);
    stop.cancel();
    daemon.join().unwrap();
    recording.take()
}

/// Writes a bundle of everything.
fn export(opened: &Opened, path: &Path) {
    let bundle = opened.call(|service| async move { service.export_bundle(ExportRequest::default()).await });
    let mut file = std::fs::File::create(path).unwrap();
    let mut chunks = bundle.bytes;
    opened.block_on(async {
        while let Some(chunk) = chunks.next().await {
            file.write_all(&chunk.unwrap()).unwrap();
        }
    });
}
