//! Kills daemons at random moments, again and again, and checks what is left.
//!
//! Two sites follow one another while both take in feeds. In every round one or both daemons are ended with
//! SIGKILL at a random moment during import and sync. After it:
//!
//! - the killed daemon starts again by itself, with nothing repaired by hand;
//! - every cursor that an import reported before the kill is still held by the site that reported it;
//! - no delta is half there: the doctor finds every invariant of both stores in order;
//! - positions never fall.
//!
//! In the end both sites hold the same knowledge, which is all that was acknowledged.
//!
//! ```text
//! cargo run -p starling-tests --bin crash -- --rounds 200 --seed 7 --engine redb
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a check fails by panicking, with what it saw"
)]

use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use starling_api_types::{Cursor, FeedImportReport};
use starling_tests::feed::{Folder, advisory, many};
use starling_tests::process::command;
use starling_tests::{Site, link, number_of};

/// Rounds of the run that a gate can afford.
const DEFAULT_ROUNDS: u32 = 20;
/// Records that an import of one round changes, and their size in bytes: about what a second of work is.
const RECORDS: usize = 400;
const RECORD_BYTES: usize = 1_500;
/// The longest time into a round at which a daemon is killed.
const KILL_WITHIN: Duration = Duration::from_millis(900);

struct Options {
    rounds: u32,
    seed: u64,
    engine: String,
}

fn options() -> Options {
    let mut options = Options {
        rounds: DEFAULT_ROUNDS,
        seed: fastrand::u64(..),
        engine: "sled".to_owned(),
    };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--rounds" => options.rounds = value.parse().expect("a number of rounds"),
            "--seed" => options.seed = value.parse().expect("a seed"),
            "--engine" => options.engine = value,
            _ => panic!("unknown option {name}; there are --rounds, --seed and --engine"),
        }
    }
    options
}

fn main() {
    let options = options();
    println!(
        "{} rounds on {}; again with --seed {}",
        options.rounds, options.engine, options.seed
    );
    let bench = tempfile::Builder::new()
        .prefix("starling-crash-")
        .tempdir()
        .expect("a folder can be made");
    let mut world = World::new(bench.path(), &options);
    let started = Instant::now();
    for round in 1..=options.rounds {
        world.round(round);
    }
    world.converge();
    println!(
        "{} rounds in {} s: {} kills, {} imports acknowledged, {} cut off, {} records at both sites",
        options.rounds,
        started.elapsed().as_secs(),
        world.kills,
        world.acknowledged,
        world.cut_off,
        world.sites[0].status().records
    );
    println!(
        "restarts took {} ms at most, {} ms on average",
        world.slowest_start_ms,
        world.start_ms / u128::from(world.kills.max(1))
    );
}

struct World {
    rng: fastrand::Rng,
    sites: [Site; 2],
    /// The newest cursor that each site acknowledged in its own log.
    own: [Option<Cursor>; 2],
    /// What each site holds at least, by author.
    floor: [BTreeMap<String, Cursor>; 2],
    kills: u32,
    acknowledged: u32,
    cut_off: u32,
    start_ms: u128,
    slowest_start_ms: u128,
}

impl World {
    fn new(dir: &std::path::Path, options: &Options) -> Self {
        let mut sites = ["site-a", "site-b"].map(|name| Site::init_on(dir, name, &options.engine));
        for site in &mut sites {
            site.up();
        }
        let [a, b] = &mut sites;
        link(a, b);
        Self {
            rng: fastrand::Rng::with_seed(options.seed),
            sites,
            own: [None, None],
            floor: [BTreeMap::new(), BTreeMap::new()],
            kills: 0,
            acknowledged: 0,
            cut_off: 0,
            start_ms: 0,
            slowest_start_ms: 0,
        }
    }

    /// Imports at one or both sites; kills one or both meanwhile; starts them again and checks.
    fn round(&mut self, round: u32) {
        let mut imports: Vec<(usize, Child)> = Vec::new();
        for site in 0..2 {
            // Some rounds kill during sync alone.
            if self.rng.u8(..4) > 0 {
                imports.push((site, self.start_import(site, round)));
            }
        }
        let victims: &[usize] = match self.rng.u8(..5) {
            0 | 1 => &[0],
            2 | 3 => &[1],
            _ => &[0, 1],
        };
        let at = Duration::from_micros(
            self.rng
                .u64(..u64::try_from(KILL_WITHIN.as_micros()).unwrap_or(u64::MAX)),
        );
        // The one place where a time is waited for: the moment of the kill is what is random.
        std::thread::sleep(at);
        for victim in victims {
            self.sites[*victim].kill();
            self.kills += 1;
        }
        for (site, child) in imports {
            self.end_import(site, child);
        }
        for victim in victims {
            let from = Instant::now();
            self.sites[*victim].up();
            let took = from.elapsed().as_millis();
            self.start_ms += took;
            self.slowest_start_ms = self.slowest_start_ms.max(took);
        }
        for site in 0..2 {
            self.check_positions(site);
            self.sites[site].expect_sound();
        }
        if round.is_multiple_of(20) {
            println!(
                "round {round}: {} kills, {} acknowledged, {} cut off",
                self.kills, self.acknowledged, self.cut_off
            );
        }
    }

    fn start_import(&mut self, site: usize, round: u32) -> Child {
        let site = &self.sites[site];
        let mut feed: Folder = many(&format!("R{}", round % 7), RECORDS, RECORD_BYTES);
        // Something changes in every round, and something goes.
        let fixed = format!("{round}.0.0");
        feed.put(
            "changing.json",
            &advisory("CHANGING", "changing", &fixed, "2025-01-01T00:00:00Z"),
        );
        let path = site.file("feed.tar.zst");
        std::fs::write(&path, feed.tar_zst()).expect("a file can be written");
        let args = [
            "feeds",
            "import",
            path.to_str().expect("UTF-8"),
            "--source",
            site.name(),
            "--complete",
            "--json",
        ];
        let out = std::fs::File::create(site.file("report.json")).expect("a file can be made");
        let said = std::fs::File::create(site.file("said.txt")).expect("a file can be made");
        command(site.home(), args)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(said)
            .spawn()
            .expect("a command starts")
    }

    /// An import that ended well acknowledged its cursor; one that was cut off acknowledged nothing.
    fn end_import(&mut self, index: usize, mut child: Child) {
        let status = child.wait().expect("a child can be waited for");
        let site = &self.sites[index];
        if !status.success() {
            let said = std::fs::read_to_string(site.file("said.txt")).unwrap_or_default();
            assert!(!said.trim().is_empty(), "an import that fails says why: {status}");
            assert!(
                status.code().is_some_and(|code| code != 10 && code != 11),
                "{status}: {said}"
            );
            self.cut_off += 1;
            return;
        }
        let report = std::fs::read(site.file("report.json")).expect("a report");
        let report: FeedImportReport = serde_json::from_slice(&report).expect("a report");
        self.acknowledged += 1;
        if report.cursor.is_some() {
            self.own[index] = report.cursor;
        }
    }

    /// What was acknowledged is held, and nothing that was held before is gone.
    fn check_positions(&mut self, index: usize) {
        let status = self.sites[index].status();
        if let Some(acknowledged) = &self.own[index] {
            let held = status.head.as_ref();
            assert!(
                held.is_some_and(|held| number_of(held) >= number_of(acknowledged)),
                "{} acknowledged {acknowledged} and holds {held:?}",
                self.sites[index].name()
            );
        }
        for position in &status.positions {
            let Some(held) = &position.held else { continue };
            let author = position.site.to_string();
            if let Some(before) = self.floor[index].get(&author) {
                assert!(
                    number_of(held) >= number_of(before),
                    "{author} fell from {before} to {held}"
                );
            }
            self.floor[index].insert(author, held.clone());
        }
    }

    /// Both sites come to hold the same, which is what both acknowledged.
    fn converge(&mut self) {
        for index in 0..2 {
            let child = self.start_import(index, 0);
            self.end_import(index, child);
        }
        let [a, b] = &mut self.sites;
        let from = Instant::now();
        while a.root() != b.root() {
            b.until_equal(a);
            a.until_equal(b);
        }
        println!("converged in {} ms", from.elapsed().as_millis());
        for source in ["site-a", "site-b"] {
            assert!(a.dump(source) == b.dump(source), "the records of {source} differ");
        }
        a.expect_sound();
        b.expect_sound();
        for index in 0..2 {
            self.check_positions(index);
        }
    }
}
