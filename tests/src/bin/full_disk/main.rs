//! Fills the disk of a site at random moments, and checks that the site says so, loses nothing and continues.
//!
//! The site is on a tmpfs of 96 MB in a separate name space. The disk is filled during an import, before an
//! opening, before a daemon starts, before and during `init`, during sync, and before a kill. Then:
//!
//! - a write that fails ends with exit code 12 and says what to do;
//! - `status`, `scan` and `advisory` answer from the present data, a daemon starts, and a bundle can be written
//!   to another disk;
//! - with room again everything continues, nothing acknowledged is lost, and no empty `.new` file stays.
//!
//! ```text
//! cargo run -p starling-tests --bin full_disk -- --rounds 24 --seed 7 --engine redb
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a check fails by panicking, with what it saw"
)]

mod disk;
mod rounds;
mod world;

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use starling_tests::options::Options;
use starling_tests::program::starling;
use starling_tests::tally::Tally;

use self::world::World;

const DEFAULT_ROUNDS: u32 = 24;
/// The folder of the small disk, set in the process that runs on it.
const SMALL_DISK: &str = "STARLING_TEST_SMALL_DISK";
const SMALL_DISK_MEBIBYTES: u32 = 96;
/// The child's exit code when the mount was refused.
const NO_MOUNT: i32 = 77;
/// The exit code of `unshare` without name spaces; our code for a failed round is different.
const NO_NAME_SPACE: i32 = 1;
const FAILED: u8 = 3;

fn main() -> ExitCode {
    let options = Options::of_process(DEFAULT_ROUNDS);
    match std::env::var_os(SMALL_DISK) {
        Some(disk) => run(Path::new(&disk), &options),
        None => start_on_small_disk(),
    }
}

/// Starts this program again with a separate mount, which is gone with the process.
fn start_on_small_disk() -> ExitCode {
    // Found or built here: the child sees the same files, and its output is not mixed with a build's.
    let program = starling();
    let bench = tempfile::tempdir().expect("a folder can be made");
    let script = format!(
        "mount -t tmpfs -o size={SMALL_DISK_MEBIBYTES}m tmpfs \"${SMALL_DISK}\" || exit {NO_MOUNT}; exec \"$@\""
    );
    let status = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script, "small-disk"])
        .arg(std::env::current_exe().expect("a process knows its own executable"))
        .args(std::env::args_os().skip(1))
        .env(SMALL_DISK, bench.path())
        .env(starling_tests::program::PROGRAM_VARIABLE, program)
        .stdin(Stdio::null())
        .status();
    match status.map(|status| status.code()) {
        Ok(Some(0)) => ExitCode::SUCCESS,
        Ok(Some(NO_MOUNT | NO_NAME_SPACE)) | Err(_) => {
            println!("full_disk: skipped: this machine does not allow a separate mount");
            ExitCode::SUCCESS
        }
        Ok(_) => ExitCode::FAILURE,
    }
}

fn run(disk: &Path, options: &Options) -> ExitCode {
    println!("{}", options.again("full_disk"));
    let mut tally = Tally::default();
    for round in options.rounds() {
        let mut rng = options.rng(round);
        let kind = rounds::ALL[round as usize % rounds::ALL.len()];
        let mut world = World::new(disk, &options.engine);
        let done = (kind.run)(&mut world, &mut rng);
        let ended = done.as_ref().err().cloned();
        match (world.faults(ended), done) {
            (None, Ok(outcome)) => tally.pass(kind.name, outcome),
            (faults, _) => {
                let named = format!(
                    "--engine {} --seed {} --only {round}: {}",
                    options.engine,
                    options.seed,
                    faults.unwrap_or_default()
                );
                tally.fail(kind.name, "FAULT", named);
            }
        }
        world.clear();
    }
    if tally.finish(&format!("full_disk {}", options.engine)) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    }
}
