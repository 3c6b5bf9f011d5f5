//! Kills daemons at random moments, repeatedly, and checks the result.
//!
//! Two sites follow one another while both import feeds; a third has no network and imports bundles of the
//! first. In every round one or more of the daemons are ended with SIGKILL at a random moment during import and
//! sync. After it:
//!
//! - the killed daemon starts again by itself, without manual repair;
//! - every cursor that an import reported before the kill is still held by the site that reported it;
//! - no delta is half there: the doctor finds all invariants of the stores intact;
//! - positions never fall.
//!
//! In the end all of them hold the records of the last imports, which is everything acknowledged.
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
use std::ffi::OsString;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use starling_tests::feed::{Folder, advisory, many};
use starling_tests::process::command;
use starling_tests::{Site, link, number_of};

/// Rounds of the run that a gate can afford.
const DEFAULT_ROUNDS: u32 = 20;
/// Records that an import of one round changes, and their size in bytes: about a second of work.
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
        "{} rounds in {} s: {} kills, {} imports acknowledged, {} cut off, {} records at the first two",
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

/// The sites that import feeds, and the one that imports bundles of the first.
const WRITERS: [usize; 2] = [0, 1];
const READER: usize = 2;

struct World {
    rng: fastrand::Rng,
    sites: [Site; 3],
    /// The claim number up to which each site acknowledged to hold each author's log.
    floor: [BTreeMap<String, u64>; 3],
    kills: u32,
    acknowledged: u32,
    cut_off: u32,
    start_ms: u128,
    slowest_start_ms: u128,
}

/// An import in progress.
struct Import {
    site: usize,
    /// The author in whose log its cursor is.
    author: usize,
    child: Child,
}

impl World {
    fn new(dir: &std::path::Path, options: &Options) -> Self {
        let mut sites = ["site-a", "site-b", "site-c"].map(|name| Site::init_on(dir, name, &options.engine));
        for site in &mut sites {
            site.up();
        }
        let [a, b, c] = &mut sites;
        link(a, b);
        c.list_as_unreachable(a);
        Self {
            rng: fastrand::Rng::with_seed(options.seed),
            sites,
            floor: Default::default(),
            kills: 0,
            acknowledged: 0,
            cut_off: 0,
            start_ms: 0,
            slowest_start_ms: 0,
        }
    }

    /// Imports at some of the sites; kills some meanwhile; restarts them and checks.
    fn round(&mut self, round: u32) {
        // Before the others: an export is a site's own work and not tested here.
        let bundle = self.start_bundle_import();
        let mut imports: Vec<Import> = bundle.into_iter().collect();
        for site in WRITERS {
            // Some rounds kill during sync alone.
            if self.rng.u8(..4) > 0 {
                imports.push(self.start_feed_import(site, round));
            }
        }
        let mut victims: Vec<usize> = (0..self.sites.len()).filter(|_| self.rng.u8(..2) == 0).collect();
        if victims.is_empty() {
            victims.push(self.rng.usize(..self.sites.len()));
        }
        let longest = u64::try_from(KILL_WITHIN.as_micros()).unwrap_or(u64::MAX);
        // The only place that waits for time to pass: the moment of the kill is random.
        std::thread::sleep(Duration::from_micros(self.rng.u64(..longest)));
        for victim in &victims {
            self.sites[*victim].kill();
            self.kills += 1;
        }
        for import in imports {
            self.end_import(import);
        }
        for victim in &victims {
            let from = Instant::now();
            self.sites[*victim].up();
            let took = from.elapsed().as_millis();
            self.start_ms += took;
            self.slowest_start_ms = self.slowest_start_ms.max(took);
        }
        for site in 0..self.sites.len() {
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

    fn start_feed_import(&self, site: usize, round: u32) -> Import {
        let at = &self.sites[site];
        let mut feed: Folder = many(&format!("R{}", round % 7), RECORDS, RECORD_BYTES);
        // Every round changes some records and removes some.
        let fixed = format!("{round}.0.0");
        feed.put(
            "changing.json",
            &advisory("CHANGING", "changing", &fixed, "2025-01-01T00:00:00Z"),
        );
        let path = at.file("feed.tar.zst");
        std::fs::write(&path, feed.tar_zst()).expect("a file can be written");
        let args: [OsString; 6] = [
            "feeds".into(),
            "import".into(),
            path.into(),
            "--source".into(),
            at.name().into(),
            "--complete".into(),
        ];
        self.start(site, site, args)
    }

    /// Exports the part of the first site's log that the third lacks as a bundle; `None` if there is nothing.
    fn start_bundle_import(&self) -> Option<Import> {
        let author = &self.sites[WRITERS[0]];
        let head = author.status().head?;
        let held = self.sites[READER].held_of(author);
        if held
            .as_ref()
            .is_some_and(|held| number_of(held) >= number_of(&head))
        {
            return None;
        }
        let held = held.map(|held| held.to_string());
        let from: Vec<&str> = held.iter().flat_map(|held| ["-c", held]).collect();
        // The author's own log alone: without a cursor the bundle would relay the second site's log too.
        let own = author.identity().site.to_string() + "=1970-01-01T00:00:00.000Z#0000";
        let from = if from.is_empty() { vec!["-c", &own] } else { from };
        let bundle = author.export("bundle.zst", &from);
        let args: [OsString; 3] = ["bundle".into(), "import".into(), bundle.into()];
        Some(self.start(READER, WRITERS[0], args))
    }

    fn start<const N: usize>(&self, site: usize, author: usize, args: [OsString; N]) -> Import {
        let at = &self.sites[site];
        let out = std::fs::File::create(at.file("report.json")).expect("a file can be made");
        let said = std::fs::File::create(at.file("said.txt")).expect("a file can be made");
        let child = command(at.home(), args.into_iter().chain(["--json".into()]))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(said)
            .spawn()
            .expect("a command starts");
        Import { site, author, child }
    }

    /// Ends an import. If it succeeded, it acknowledged its cursor; an interrupted one acknowledged nothing.
    fn end_import(&mut self, mut import: Import) {
        let status = import.child.wait().expect("a child can be waited for");
        let site = &self.sites[import.site];
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
        let report: Value = serde_json::from_slice(&report).expect("a report");
        self.acknowledged += 1;
        let cursor = report.get("cursor").or_else(|| report.get("imported_cursor"));
        if let Some(cursor) = cursor.and_then(Value::as_str) {
            let cursor = cursor.parse().expect("a cursor");
            let author = self.sites[import.author].identity().site.to_string();
            let floor = self.floor[import.site].entry(author).or_default();
            *floor = (*floor).max(number_of(&cursor));
        }
    }

    /// Checks that all acknowledged claims are held, and that no held claim is gone.
    fn check_positions(&mut self, index: usize) {
        let status = self.sites[index].status();
        let held = |author: &str| {
            let lane = starling_api_types::Lane::Federation;
            let mut positions = status.positions.iter().filter(|at| at.lane == lane);
            let position = positions.find(|at| at.site.to_string() == *author);
            position.and_then(|at| at.held.as_ref()).map_or(0, number_of)
        };
        for (author, floor) in &self.floor[index] {
            let held = held(author);
            assert!(
                held >= *floor,
                "{} acknowledged claim {floor} of {author} and holds {held}",
                self.sites[index].name()
            );
        }
        for position in &status.positions {
            let author = position.site.to_string();
            let held = held(&author);
            self.floor[index].insert(author, held);
        }
    }

    /// Waits until all sites hold the same exchanged data, which is what was acknowledged last.
    fn converge(&mut self) {
        for site in WRITERS {
            let import = self.start_feed_import(site, 0);
            self.end_import(import);
        }
        let from = Instant::now();
        let [a, b, _] = &mut self.sites;
        // Both hold all of their own log, so equal knowledge covers all of both.
        b.until_equal(a);
        a.until_equal(b);
        println!("converged in {} ms", from.elapsed().as_millis());
        if let Some(import) = self.start_bundle_import() {
            self.end_import(import);
        }
        let [a, b, c] = &self.sites;
        for source in ["site-a", "site-b"] {
            assert!(a.dump(source) == b.dump(source), "the records of {source} differ");
        }
        assert!(
            a.dump("site-a") == c.dump("site-a"),
            "the records that were carried differ"
        );
        for index in 0..self.sites.len() {
            self.check_positions(index);
            self.sites[index].expect_sound();
        }
    }
}
