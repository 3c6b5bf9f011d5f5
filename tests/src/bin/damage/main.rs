//! Damages a site's files, one place a round, and checks that it answers correctly or reports the damage.
//!
//! The site has a few hundred records of its own and of a peer. In every round its home is restored, in half of
//! the rounds without its indexes so that the store itself must answer, and one of its files is damaged.
//! Allowed are:
//!
//! - the right verdict, byte for byte except for the time at which the site judged;
//! - a refusal that names the damage and says what to do. The doctor then names it too, and a repair and a
//!   bundle from the peer restore everything.
//!
//! Another verdict, unreported missing records, a panic or a hang fail the round.
//!
//! ```text
//! cargo run -p starling-tests --bin damage -- --rounds 500 --seed 7 --engine redb
//! cargo run -p starling-tests --bin damage -- --seed 7 --engine redb --only 31 --keep kept
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a check fails by panicking, with what it saw"
)]

mod kinds;
mod world;

use std::path::{Path, PathBuf};

use fastrand::Rng;
use starling_tests::folders::{files, replace};
use starling_tests::options::Options;
use starling_tests::tally::Tally;

use self::kinds::{Damage, Kind};
use self::world::{Answer, Doctor, World};

const DEFAULT_ROUNDS: u32 = 500;
/// The folders of acknowledged data and of data derived from it.
const PLACES: [&str; 3] = ["log", "packs", "store"];
/// Files that a scan answers from when they are there.
const INDEXES: [&str; 2] = ["match.idx", "store/scan.ready"];
/// One round in this many damages an index, if it has one.
const INDEX_SHARE: u8 = 8;
/// A file that only excludes other processes and holds nothing.
const LOCK: &str = "LOCK";

fn main() -> std::process::ExitCode {
    let options = Options::of_process(DEFAULT_ROUNDS);
    println!("{}", options.again("damage"));
    let bench = tempfile::Builder::new()
        .prefix("starling-damage-")
        .tempdir()
        .expect("a folder can be made");
    let world = World::new(bench.path(), &options.engine);
    let mut tally = Tally::default();
    for round in options.rounds() {
        run_round(&world, &options, round, &mut tally);
    }
    if tally.finish(&format!("damage {}", options.engine)) {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}

fn run_round(world: &World, options: &Options, round: u32, tally: &mut Tally) {
    let mut rng = options.rng(round);
    let home = world.site.home();
    replace(&world.pristine, home);
    let without_index = rng.bool();
    if without_index {
        for index in INDEXES {
            let _ = std::fs::remove_file(home.join(index));
        }
    }
    let kind = Kind::ALL[round as usize % Kind::ALL.len()];
    let Some(damage) = inflict(world, kind, &mut rng) else {
        println!("round {round}: no file allows this: {}", kind.name());
        return;
    };
    if let Some(keep) = &options.keep {
        replace(
            home,
            &keep.join(format!("{}-{}-{round}", options.engine, options.seed)),
        );
    }
    let class = class_of(&damage.file);
    let row = format!("{class}: {}", damage.kind.name());
    match judge(world, &mut rng) {
        Ok(outcome) => tally.pass(row, outcome),
        Err((outcome, detail)) => {
            let named = format!(
                "--engine {} --seed {} --only {round}: {} of {} ({}){}: {detail}",
                options.engine,
                options.seed,
                damage.kind.name(),
                damage.file.display(),
                damage.detail,
                if without_index { ", without indexes" } else { "" },
            );
            tally.fail(row, outcome, named);
        }
    }
}

/// Damages a file in one of this layout's places, each equally often, or rarely an index.
fn inflict(world: &World, kind: Kind, rng: &mut Rng) -> Option<Damage> {
    let home = world.site.home();
    let mut places: Vec<Vec<PathBuf>> = PLACES.iter().map(|place| candidates(home, place)).collect();
    let mut indexes: Vec<PathBuf> = INDEXES.map(PathBuf::from).to_vec();
    indexes.retain(|index| home.join(index).exists());
    places.retain(|files| !files.is_empty());
    rng.shuffle(&mut places);
    if rng.u8(..INDEX_SHARE) == 0 && !indexes.is_empty() {
        places.insert(0, indexes);
    }
    places
        .iter()
        .find_map(|files| Damage::inflict(kind, rng, home, files, &world.pristine, &world.older))
}

/// Lists the files of a place that the site needs.
fn candidates(home: &Path, place: &str) -> Vec<PathBuf> {
    let mut found = files(home, place);
    found.retain(|file| {
        let lock = file
            .file_name()
            .is_some_and(|name| name.eq_ignore_ascii_case(LOCK));
        !lock && INDEXES.iter().all(|index| file != Path::new(index))
    });
    found
}

/// Returns the kind of a file: its name without numbers and hashes.
fn class_of(file: &Path) -> String {
    let mut class: String = file
        .to_string_lossy()
        .split('/')
        .map(|part| {
            let number = part.bytes().filter(u8::is_ascii_digit).count() * 2 >= part.len().max(1);
            if number { "*" } else { part }
        })
        .collect::<Vec<_>>()
        .join("/");
    if let Some((stem, extension)) = class.rsplit_once('.')
        && stem.bytes().last().is_some_and(|byte| byte.is_ascii_hexdigit())
        && stem.rsplit('/').next().is_some_and(|name| name.len() >= 8)
    {
        let folder = stem.rsplit_once('/').map_or("", |(folder, _)| folder);
        class = format!("{folder}/*.{extension}");
    }
    class
}

/// Asks the damaged site. Returns the kind of result, or the failure with its text.
fn judge(world: &World, rng: &mut Rng) -> Result<&'static str, (&'static str, String)> {
    // The first command meets the damage unchanged; later ones may meet the first one's remains.
    let doctor_first = rng.u8(..4) == 0;
    let mut doctor = doctor_first.then(|| world.doctor());
    let mut refused = None;
    let mut less = None;
    for (name, answer) in [
        ("scan", world.scan()),
        ("dump", world.dump()),
        ("status", world.status()),
    ] {
        match answer {
            Answer::Right => {}
            Answer::Refused(what) => refused = refused.or(Some(what)),
            Answer::Different(what) if name == "status" => less = Some(what),
            Answer::Different(what) => return Err(("a different answer without a word", what)),
            Answer::Bad(what) => return Err(("a refusal that does not help", what)),
        }
    }
    if !matches!(doctor, Some(Doctor::Names(_))) {
        doctor = Some(world.doctor());
    }
    match (doctor, refused, less) {
        (Some(Doctor::Bad(what)), ..) => Err(("the doctor fails", what)),
        (None | Some(Doctor::Sound), _, Some(what)) => Err(("less is known without a word", what)),
        (None | Some(Doctor::Sound), None, None) => Ok("right"),
        (None | Some(Doctor::Sound), Some(what), None) => match (world.scan(), world.dump()) {
            (Answer::Right, Answer::Right) => Ok("refused once, then right"),
            _ => Err(("refused, and the doctor finds nothing", what)),
        },
        (Some(Doctor::Names(what)), refused, _) => match world.recover() {
            Ok(()) if refused.is_some() => Ok("refused and named, then recovered"),
            Ok(()) => Ok("right, the doctor names it, then recovered"),
            Err(detail) => Err(("named and not recovered", format!("{what}; then {detail}"))),
        },
    }
}
