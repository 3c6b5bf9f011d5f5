//! A world for tests of fetch runs: a clock whose waits end at once, a folder, and access to a run's results.

use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use starling_fetch::{
    Clock, FetchError, Fetched, Fetcher, Limits, Plan, Position, Progress, ProxySettings, Run, Settings,
    Wait, preset,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// 2026-06-01T00:00:00Z
pub(crate) const NOW_MS: u64 = 1_780_272_000_000;
pub(crate) const HOUR_MS: u64 = 3_600_000;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;

/// A clock that advances only when a wait is asked for, or by `tick_ms` at each reading.
pub(crate) struct TestClock {
    now_ms: AtomicU64,
    steady_ms: AtomicU64,
    waits: Mutex<Vec<(Duration, Wait)>>,
    /// The time that passes at each reading of the steady clock.
    tick_ms: AtomicU64,
    /// Ends the waits for silence when the server reports that it is silent.
    is_silent: Option<watch::Receiver<bool>>,
}

impl TestClock {
    pub(crate) fn set(&self, now_ms: u64) {
        self.now_ms.store(now_ms, Ordering::SeqCst);
    }

    /// Lets time pass at each reading of the steady clock.
    pub(crate) fn tick(&self, tick_ms: u64) {
        self.tick_ms.store(tick_ms, Ordering::SeqCst);
    }

    /// Returns the waits with one reason so far.
    pub(crate) fn waits(&self, why: Wait) -> Vec<Duration> {
        let waits = self.waits.lock().expect("not poisoned");
        waits
            .iter()
            .filter(|(_, of)| *of == why)
            .map(|(span, _)| *span)
            .collect()
    }
}

impl Clock for TestClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn steady_ms(&self) -> u64 {
        let tick_ms = self.tick_ms.load(Ordering::SeqCst);
        self.steady_ms.fetch_add(tick_ms, Ordering::SeqCst)
    }

    fn wait(&self, span: Duration, why: Wait) -> BoxFuture<'_, ()> {
        if why == Wait::Silence {
            let silent = self.is_silent.clone();
            return Box::pin(async move {
                let heard = match silent {
                    Some(mut silent) => silent.wait_for(|is_silent| *is_silent).await.is_ok(),
                    None => false,
                };
                if !heard {
                    std::future::pending::<()>().await;
                }
            });
        }
        let span_ms = u64::try_from(span.as_millis()).expect("a short wait");
        self.waits.lock().expect("not poisoned").push((span, why));
        self.now_ms.fetch_add(span_ms, Ordering::SeqCst);
        self.steady_ms.fetch_add(span_ms, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

/// The state that the runs of one feed share.
pub(crate) struct World {
    pub(crate) clock: TestClock,
    pub(crate) settings: Settings,
    pub(crate) position: Position,
    pub(crate) stop: CancellationToken,
    /// Returns the free bytes of the disk; `None` if they are unknown.
    pub(crate) free: Box<dyn Fn() -> Option<u64> + Sync + Send>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            clock: TestClock {
                now_ms: AtomicU64::new(NOW_MS),
                steady_ms: AtomicU64::new(0),
                tick_ms: AtomicU64::new(0),
                waits: Mutex::new(Vec::new()),
                is_silent: None,
            },
            settings: Settings {
                proxy: ProxySettings::None,
                limits: Limits {
                    max_attempts: 3,
                    ..Limits::default()
                },
                ..Settings::default()
            },
            position: Position::default(),
            stop: CancellationToken::new(),
            free: Box::new(|| None),
        }
    }

    /// Creates a world whose waits for silence end when `is_silent` says so.
    pub(crate) fn hearing(is_silent: watch::Receiver<bool>) -> Self {
        let mut world = Self::new();
        world.clock.is_silent = Some(is_silent);
        world
    }

    /// Runs a plan in a folder of its own.
    pub(crate) async fn run(&self, plan: &Plan) -> Result<Brought, FetchError> {
        let folder = tempfile::tempdir().expect("a folder");
        let fetcher = Fetcher::new(self.settings.clone())?;
        let seen = Mutex::new(Vec::new());
        let progress = |progress: Progress| seen.lock().expect("not poisoned").push(progress);
        let random = || 7;
        let run = Run {
            into: folder.path(),
            free: &*self.free,
            clock: &self.clock,
            random: &random,
            progress: &progress,
            stop: &self.stop,
        };
        let fetched = fetcher.run(plan, &self.position, run).await?;
        Ok(Brought { fetched, folder })
    }

    /// Runs a plan and takes over the position, as after an import.
    pub(crate) async fn import(&mut self, plan: &Plan) -> Brought {
        let brought = self.run(plan).await.expect("a good run");
        // As a daemon stores it.
        let stored = serde_json::to_vec(&brought.fetched.position).expect("written");
        self.position = Position::from_json(&stored).expect("a position");
        brought
    }

    pub(crate) async fn fails(&self, plan: &Plan) -> FetchError {
        match self.run(plan).await {
            Ok(brought) => panic!("the run succeeded: {:?}", brought.fetched),
            Err(error) => error,
        }
    }
}

/// The result of a run, and the folder with its documents.
pub(crate) struct Brought {
    pub(crate) fetched: Fetched,
    pub(crate) folder: tempfile::TempDir,
}

impl Brought {
    /// Returns the names of the documents, sorted, and checks that the folder contains nothing else.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .fetched
            .documents
            .iter()
            .map(|document| {
                let name = document
                    .path
                    .strip_prefix(self.folder.path())
                    .expect("below the folder");
                assert_eq!(document.path.metadata().expect("there").len(), document.bytes);
                name.to_string_lossy().into_owned()
            })
            .collect();
        names.sort();
        let mut files = files(self.folder.path(), "");
        files.sort();
        assert_eq!(names, files, "the folder holds the documents and nothing else");
        names
    }

    pub(crate) fn content(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.folder.path().join(name)).expect("a file")).expect("UTF-8")
    }

    /// Returns true if a note contains these words.
    pub(crate) fn notes(&self, words: &str) -> bool {
        self.fetched.notes.iter().any(|note| note.contains(words))
    }

    /// Returns the names of the documents that an import reads from the folder.
    pub(crate) fn imported(&self) -> Vec<String> {
        use starling_feeds::input::{Found, Limits, Source, read};
        let mut names = Vec::new();
        read(
            Source::path(&self.fetched.input),
            &Limits::default(),
            &mut |found| {
                if let Found::Document(document) = found {
                    names.push(document.name);
                }
                std::ops::ControlFlow::Continue(())
            },
        )
        .expect("an import reads it");
        names
    }
}

fn files(folder: &Path, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type().expect("a type").is_dir() {
            true => found.extend(files(&entry.path(), &format!("{name}/"))),
            false => found.push(name),
        }
    }
    found
}

/// Returns the plan of a preset that fetches from the server at `base`.
pub(crate) fn plan_at(name: &str, base: &str, parameter: Option<&str>) -> Plan {
    preset(name)
        .expect("a preset")
        .plan(Some(base), parameter)
        .expect("a plan")
}

pub(crate) fn zip_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in files {
        writer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .expect("in memory");
        writer.write_all(text.as_bytes()).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

pub(crate) fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, text.as_bytes())
            .expect("in memory");
    }
    builder.into_inner().expect("in memory")
}

pub(crate) fn gzip_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

pub(crate) fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("in memory")
}

pub(crate) fn bzip2_of(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

pub(crate) fn sha256_of(bytes: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(bytes))
}

/// Returns a record in the OSV schema.
pub(crate) fn record(id: &str, modified: &str) -> String {
    format!(r#"{{"id":"{id}","modified":"{modified}","affected":[]}}"#)
}
