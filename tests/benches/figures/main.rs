//! The figures of `docs/benchmarks.md`, each beside its counterpart in the same run.
//!
//! ```text
//! STARLING_CORPUS=… cargo bench -p starling-tests --bench figures -- COMMAND [--engines sled,redb] [--dir DIR]
//!
//! corpus   feeds into one site, first sync over QUIC, bundle out and in, each beside the raw rate of the
//!          same log, packs and engine; then start, memory and scans with the corpus loaded
//! days     one day's change of PyPA, large and small, beside `git fetch` of the same change
//! scan     SBOMs with the corpus loaded: the command beside Trivy (TRIVY_BIN), the daemon's API
//! size     the store after every stream was replayed, beside the zstd-dictionary size of what is live
//! profile  feeds into one site, again and again nothing else: for a profiler
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`corpus`] | archives and day-by-day streams, unpacked in memory |
//! | [`site`] | a site opened in this process, or run as a daemon in a separate one |
//! | [`raw`] | the same log, packs and rows, and nothing but their writes or reads |
//! | [`machine`] | what the figures were taken on; memory of a process; bytes on the loopback interface |
//! | [`table`] | rows that line up |
//!
//! A daemon is this same executable, started again, so no figure depends on another build. If the system allows
//! it, everything runs in a separate network namespace: all bytes on its loopback interface are ours.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark fails by panicking, and its figures are rounded"
)]

mod corpus;
mod corpus_run;
mod days;
mod machine;
mod peers;
mod raw;
mod scans;
mod site;
mod size;
mod table;

use std::path::PathBuf;

use corpus::Corpus;

/// The options of a run.
pub(crate) struct Options {
    pub(crate) engines: Vec<String>,
    pub(crate) dir: Option<PathBuf>,
    /// Include the large archives; without them a run only checks the benchmark itself.
    pub(crate) small: bool,
}

impl Options {
    /// Returns a scratch folder on the disk that is measured.
    pub(crate) fn scratch(&self) -> tempfile::TempDir {
        match &self.dir {
            Some(dir) => tempfile::TempDir::new_in(dir),
            None => tempfile::TempDir::new(),
        }
        .unwrap()
    }
}

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let command = args.next().unwrap_or_default();
    match command.as_str() {
        // Internal: a daemon or a command in a separate process.
        "--daemon" => return site::run_daemon(&args.collect::<Vec<_>>()),
        "--scan" => return scans::run_offline(&args.collect::<Vec<_>>()),
        _ => {}
    }
    let mut options = Options {
        engines: vec!["redb".to_owned(), "sled".to_owned()],
        dir: None,
        small: false,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| panic!("{arg} needs a value"));
        match arg.as_str() {
            "--engines" => options.engines = value().split(',').map(str::to_owned).collect(),
            "--dir" => options.dir = Some(value().into()),
            "--small" => options.small = true,
            other => panic!("unknown argument {other}; the head of this file lists them"),
        }
    }
    let Some(corpus) = Corpus::find() else {
        println!("skipped: STARLING_CORPUS does not name the corpus");
        return;
    };
    if !machine::enter_own_network() {
        println!("note: no network namespace of its own; bytes on loopback include those of other programs");
    }
    println!("{}\n", machine::describe());
    match command.as_str() {
        "corpus" => corpus_run::run(&corpus, &options),
        "days" => days::run(&corpus, &options),
        "scan" => peers::run(&corpus, &options),
        "size" => size::run(&corpus, &options),
        "profile" => corpus_run::profile(&corpus, &options),
        "" => println!("nothing measured: name a command, see the head of this file"),
        other => panic!("unknown command {other}; the head of this file lists them"),
    }
}
