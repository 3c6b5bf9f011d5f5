//! Measures one day's change, from commit at A to visible at B, and `git fetch` of the same change.

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::Instant;

use starling_api::Upload;
use starling_api_types::FeedImportReport;
use starling_tests::http::Request;

use crate::Options;
use crate::corpus::{Corpus, Tree, tar_of};
use crate::machine::loopback;
use crate::site::{BenchSite, listen};
use crate::table::print;

const PORT_A: u16 = 17_956;
const PORT_B: u16 = 17_957;
const SOURCE: &str = "pypa";
/// The days in question: one large, the next one small.
const DAYS: [&str; 2] = ["2026-07-13", "2026-07-14"];
/// Pairs of fresh sites, and of fresh repositories; the median of them is used.
const ROUNDS: usize = 1;

/// The cost of one day.
#[derive(Clone, Copy, Default)]
struct Cost {
    wire_bytes: u64,
    packets: u64,
    /// The whole import at A.
    import_ms: f64,
    /// From A's own view showing the change to B's view showing it.
    visible_ms: f64,
    git_bytes: u64,
    git_ms: f64,
}

pub(crate) fn run(corpus: &Corpus, options: &Options) {
    let stream = corpus.stream(SOURCE);
    let mut trees = Vec::new();
    let mut tree = stream.base.clone();
    for day in &stream.days {
        if DAYS.contains(&day.date.as_str()) {
            trees.push((tree.clone(), day.changes()));
        }
        day.apply(&mut tree);
        if day.date == DAYS[DAYS.len() - 1] {
            break;
        }
    }
    let changes: Vec<usize> = trees.iter().map(|(_, changes)| *changes).collect();
    let mut states: Vec<Tree> = trees.into_iter().map(|(tree, _)| tree).collect();
    states.push(tree);
    for engine in &options.engines {
        let mut rounds: Vec<[Cost; 2]> = Vec::new();
        for _ in 0..ROUNDS {
            let mut costs = [Cost::default(); 2];
            git(options, &states, &mut costs);
            starling(options, engine, &states, &mut costs);
            rounds.push(costs);
        }
        let mut rows = Vec::new();
        for (index, date) in DAYS.iter().enumerate() {
            let median = |of: &dyn Fn(&Cost) -> f64| {
                let mut all: Vec<f64> = rounds.iter().map(|round| of(&round[index])).collect();
                all.sort_by(f64::total_cmp);
                all[ROUNDS / 2]
            };
            let whole = |value: f64| format!("{value:.0}");
            let kilobytes = |value: f64| format!("{:.1}", value / 1e3);
            rows.push(vec![
                (*date).to_owned(),
                changes[index].to_string(),
                kilobytes(median(&|cost| cost.wire_bytes as f64)),
                whole(median(&|cost| cost.packets as f64)),
                whole(median(&|cost| cost.visible_ms)),
                whole(median(&|cost| cost.import_ms)),
                kilobytes(median(&|cost| cost.git_bytes as f64)),
                whole(median(&|cost| cost.git_ms)),
            ]);
        }
        let heads = [
            "day",
            "files",
            "kB on the wire",
            "packets",
            "visible ms",
            "whole import ms",
            "git kB",
            "git fetch ms",
        ];
        print(
            &format!("## {engine}: one day of PyPA, median of {ROUNDS}"),
            &heads,
            &rows,
        );
    }
    println!("(`changes` as the stream counts them; git's bytes are those of the pack that it fetched)\n");
}

/// Measures fresh sites with the state before the first day, then each day at A, awaited at B.
fn starling(options: &Options, engine: &str, states: &[Tree], costs: &mut [Cost; 2]) {
    let scratch = options.scratch();
    let a = BenchSite::init(scratch.path(), "site-a", engine);
    let b = BenchSite::init(scratch.path(), "site-b", engine);
    a.open()
        .import(SOURCE, Upload::from_bytes(tar_of(&states[0])), true);
    a.list(&b, None);
    b.list(&a, Some(&listen(PORT_A)));
    let (daemon_a, _) = a.up(PORT_A);
    let (daemon_b, _) = b.up(PORT_B);
    daemon_b.until_root(&daemon_a.status().knowledge_root.to_string());
    for (state, cost) in states[1..].iter().zip(costs) {
        let tar = tar_of(state);
        let (shown_a, shown_b) = (next_event(daemon_a.socket()), next_event(daemon_b.socket()));
        let before = loopback();
        let begun = Instant::now();
        let import = Request::post("/feeds/pypa/import?complete=true", &tar)
            .header("content-type", "application/x-tar");
        let report: FeedImportReport = daemon_a.ask(&import).json(200);
        cost.import_ms = begun.elapsed().as_secs_f64() * 1e3;
        let (at_a, at_b) = (shown_a.join().unwrap(), shown_b.join().unwrap());
        cost.visible_ms = at_b.duration_since(at_a).as_secs_f64() * 1e3;
        daemon_b.until_root(&daemon_a.status().knowledge_root.to_string());
        let after = loopback();
        (cost.wire_bytes, cost.packets) = (after.0 - before.0, after.1 - before.1);
        assert!(report.rejected == 0 && report.stored > 0, "{report:?}");
    }
    daemon_b.stop();
    daemon_a.stop();
}

/// Reports the arrival of a daemon's next event. A change becomes visible as a whole: with its first event all
/// of it can be read. Returns when the events are subscribed to.
fn next_event(socket: &Path) -> JoinHandle<Instant> {
    let (subscribed, wait) = std::sync::mpsc::sync_channel(1);
    let socket = socket.to_owned();
    let thread = std::thread::spawn(move || {
        let mut events = Request::get("/events").unix(&socket).unwrap();
        subscribed.send(()).unwrap();
        events.event();
        Instant::now()
    });
    wait.recv().unwrap();
    thread
}

/// Measures the same change with git: two commits, of which the second is fetched, over a local transport.
fn git(options: &Options, states: &[Tree], costs: &mut [Cost; 2]) {
    let scratch = options.scratch();
    let (origin, clone) = (scratch.path().join("origin"), scratch.path().join("clone"));
    std::fs::create_dir(&origin).unwrap();
    run_git(&origin, &["init", "-q", "-b", "main"]);
    commit(&origin, &Tree::new(), &states[0]);
    let url = format!("file://{}", origin.display());
    run_git(scratch.path(), &["clone", "-q", "--bare", &url, "clone"]);
    for (pair, cost) in states.windows(2).zip(costs) {
        commit(&origin, &pair[0], &pair[1]);
        let packed = packs(&clone);
        let started = Instant::now();
        // As one pack, however small, so that its size is the amount moved.
        run_git(
            &clone,
            &["-c", "fetch.unpackLimit=1", "fetch", "-q", "origin", "+main:main"],
        );
        cost.git_ms = started.elapsed().as_secs_f64() * 1e3;
        cost.git_bytes = packs(&clone) - packed;
    }
}

fn commit(repository: &Path, before: &Tree, state: &Tree) {
    for path in before.keys().filter(|path| !state.contains_key(*path)) {
        std::fs::remove_file(repository.join(path)).unwrap();
    }
    for (path, bytes) in state
        .iter()
        .filter(|(path, bytes)| before.get(*path) != Some(bytes))
    {
        let path = repository.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    run_git(repository, &["add", "-A"]);
    run_git(repository, &["commit", "-q", "-m", "state"]);
    // As on a server: the fetch must not have to repack.
    run_git(repository, &["gc", "-q"]);
}

fn run_git(folder: &Path, args: &[&str]) {
    let identity = [
        "-c",
        "user.name=bench",
        "-c",
        "user.email=bench@localhost",
        "-c",
        "gc.auto=0",
    ];
    let status = Command::new("git")
        .current_dir(folder)
        .args(identity)
        .args(args)
        .stdin(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "git {args:?}");
}

/// Bytes of all packs of a bare repository.
fn packs(repository: &Path) -> u64 {
    let packs = std::fs::read_dir(repository.join("objects/pack"))
        .unwrap()
        .map(Result::unwrap);
    let packs = packs.filter(|entry| {
        entry
            .path()
            .extension()
            .is_some_and(|extension| extension == "pack")
    });
    packs.map(|entry| entry.metadata().unwrap().len()).sum()
}
