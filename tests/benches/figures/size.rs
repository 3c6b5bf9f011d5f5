//! The store after every stream was replayed, compared with the zstd-dictionary size of its live records.

use std::path::Path;
use std::time::Instant;

use futures::StreamExt;
use starling_api::Upload;
use starling_api_types::{DumpQuery, SourceName};
use starling_store::engine::copy_all;

use crate::Options;
use crate::corpus::{Corpus, STREAMS, tar_of};
use crate::machine::folder_bytes;
use crate::site::{BenchSite, Opened};
use crate::table::{megabytes, print};

/// The store's own training parameters: bytes of a dictionary, zstd level, most bytes used for training.
const DICTIONARY_BYTES: usize = 110 << 10;
const LEVEL: i32 = 3;
const TRAINING_BYTES: usize = 8 << 20;

pub(crate) fn run(corpus: &Corpus, options: &Options) {
    for engine in &options.engines {
        let scratch = options.scratch();
        let site = BenchSite::init(scratch.path(), "site-a", engine);
        let opened = site.open();
        replay_all(&opened, corpus, options);
        let store = opened.offline.store();
        let before = Sizes::of(&site.home);
        let started = Instant::now();
        let collected = store.drop_superseded(&starling_store::Retention::NONE).unwrap();
        println!(
            "  {} bodies live, {} dropped in {:?}",
            collected.live,
            collected.dropped,
            started.elapsed()
        );
        let started = Instant::now();
        let packs = store.compact_bodies().unwrap();
        println!("  packs: {packs:?} in {:?}", started.elapsed());
        let started = Instant::now();
        let compaction = store.compact_engine().unwrap();
        println!("  compaction: {compaction:?} in {:?}", started.elapsed());
        let mut rows: Vec<Vec<String>> = Vec::new();
        let report = store.engine().check().unwrap();
        assert!(report.is_sound(), "{:?}", report.problems);
        for count in report.trees {
            let bytes = count.key_bytes + count.value_bytes;
            rows.push(vec![
                count.tree.to_string(),
                count.rows.to_string(),
                megabytes(count.key_bytes),
                megabytes(count.value_bytes),
                format!("{:.0}", bytes as f64 / count.rows as f64),
            ]);
        }
        print(
            &format!("## {engine}: the store by tree"),
            &["tree", "rows", "keys MB", "values MB", "bytes a row"],
            &rows,
        );
        let (records, live, packed) = packed_bodies(&opened);
        let mut sizes = vec![
            ("after every stream", before),
            ("collected and compacted", Sizes::of(&site.home)),
        ];
        let folder = store.path().to_owned();
        drop(opened);
        let closed = Sizes::of(&site.home);
        sizes.push(("closed", closed));
        let engine_copied = copy(&site, &folder);
        let copied = Sizes {
            engine: engine_copied,
            ..closed
        };
        sizes.push(("with the engine copied into a new one", copied));
        let rows: Vec<Vec<String>> = sizes
            .into_iter()
            .map(|(what, sizes)| sizes.row(what, records, packed))
            .collect();
        print(
            &format!(
                "## {engine}: {records} live records of {} MB, {} MB with zstd {LEVEL} and a dictionary a source",
                megabytes(live),
                megabytes(packed)
            ),
            &[
                "store",
                "log MB",
                "packs MB",
                "engine MB",
                "MB on disk",
                "bytes a record",
                "times packed",
            ],
            &rows,
        );
    }
}

/// Bytes on disk of a store's parts.
#[derive(Clone, Copy)]
struct Sizes {
    log: u64,
    packs: u64,
    engine: u64,
}

impl Sizes {
    fn of(home: &Path) -> Self {
        let [log, packs, engine] = ["log", "packs", "store"].map(|folder| folder_bytes(&home.join(folder)));
        Self { log, packs, engine }
    }

    fn row(&self, what: &str, records: u64, packed: u64) -> Vec<String> {
        let total = self.log + self.packs + self.engine;
        vec![
            what.to_owned(),
            megabytes(self.log),
            megabytes(self.packs),
            megabytes(self.engine),
            megabytes(total),
            format!("{:.0}", total as f64 / records as f64),
            format!("{:.2}", total as f64 / packed as f64),
        ]
    }
}

/// Imports every archive, then every stream day by day, each day as the whole source.
fn replay_all(opened: &Opened, corpus: &Corpus, options: &Options) {
    let started = Instant::now();
    for archive in corpus.archives(options.small) {
        opened.import(archive.source, Upload::Path(archive.path), true);
    }
    println!("  archives in {:?}", started.elapsed());
    let streams = STREAMS
        .iter()
        .filter(|(name, _)| !options.small || *name == "rustsec-osv");
    for (name, source) in streams {
        let started = Instant::now();
        let stream = corpus.stream(name);
        let mut tree = stream.base;
        opened.import(source, Upload::from_bytes(tar_of(&tree)), true);
        for day in &stream.days {
            day.apply(&mut tree);
            opened.import(source, Upload::from_bytes(tar_of(&tree)), true);
        }
        println!("  {name}: {} days in {:?}", stream.days.len(), started.elapsed());
    }
}

/// Returns the live records, their bytes, and their packed bytes, each alone with a dictionary of its source.
fn packed_bodies(opened: &Opened) -> (u64, u64, u64) {
    let status = opened.call(|service| async move { service.status().await });
    let (mut records, mut live, mut packed) = (0, 0, 0);
    for feed in status.feeds {
        let bodies = dump(opened, feed.source);
        let total: usize = bodies.iter().map(Vec::len).sum();
        let samples: Vec<&Vec<u8>> = bodies
            .iter()
            .step_by(total.div_ceil(TRAINING_BYTES).max(1))
            .collect();
        let dictionary = zstd::dict::from_samples(&samples, DICTIONARY_BYTES).unwrap_or_default();
        let mut compressor = zstd::bulk::Compressor::with_dictionary(LEVEL, &dictionary).unwrap();
        packed += dictionary.len() as u64;
        for body in &bodies {
            packed += compressor.compress(body).unwrap().len() as u64;
        }
        records += bodies.len() as u64;
        live += total as u64;
    }
    (records, live, packed)
}

fn dump(opened: &Opened, source: SourceName) -> Vec<Vec<u8>> {
    let query = DumpQuery { source: Some(source) };
    let mut chunks = opened.call(|service| async move { service.dump(query).await });
    let mut bytes = Vec::new();
    opened.block_on(async {
        while let Some(chunk) = chunks.next().await {
            bytes.extend_from_slice(&chunk.unwrap());
        }
    });
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

/// Bytes of the same rows written into a new engine.
fn copy(site: &BenchSite, folder: &Path) -> u64 {
    let target = site.home.join("copy");
    let (from, to) = (site.open_engine(folder), site.open_engine(&target));
    copy_all(from.as_ref(), to.as_ref(), &mut |_| {}).unwrap();
    drop(to);
    folder_bytes(&target)
}
