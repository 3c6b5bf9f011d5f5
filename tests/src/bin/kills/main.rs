//! Ends daemons and commands with SIGKILL at every moment, opening included, and checks the result.
//!
//! A round is one of three:
//!
//! - an importing daemon is killed, and is killed again one to three times while it starts;
//! - a command is killed while it opens the store or works, one to three times: `status`, `scan`, `doctor`,
//!   `feeds import`, `bundle import`, `store convert`;
//! - `starling init` is killed and repeated.
//!
//! After it the next command opens the store without manual repair: every acknowledged import is there, the
//! doctor finds nothing, and the verdict equals that of a twin that imported the same and was never killed.
//!
//! ```text
//! cargo run -p starling-tests --bin kills -- --rounds 200 --seed 7 --engine redb
//! cargo run -p starling-tests --bin kills -- --seconds 60
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a check fails by panicking, with what it saw"
)]

mod init;
mod world;

use std::path::Path;

use starling_tests::options::Options;
use starling_tests::tally::Tally;

use self::world::World;

const DEFAULT_ROUNDS: u32 = 100;

fn main() -> std::process::ExitCode {
    let options = Options::of_process(DEFAULT_ROUNDS);
    println!("{}", options.again("kills"));
    let bench = tempfile::Builder::new()
        .prefix("starling-kills-")
        .tempdir()
        .expect("a folder can be made");
    let mut tally = Tally::default();
    let mut world = None;
    for round in options.rounds() {
        let dir = bench.path().join(format!("round-{round}"));
        match run_round(&mut world, &dir, &options, round) {
            Ok(kind) => tally.pass(kind, "sound"),
            Err((kind, detail)) => {
                if let (Some(keep), Some(world)) = (&options.keep, &world) {
                    let name = format!("{}-{}-{round}", options.engine, options.seed);
                    starling_tests::folders::replace(world.home(), &keep.join(name));
                }
                // The next round begins with new sites.
                world = None;
                let named = format!(
                    "--engine {} --seed {}, round {round}: {detail}",
                    options.engine, options.seed
                );
                tally.fail(kind, "FAULT", named);
            }
        }
    }
    if let Some(left) = world
        .as_ref()
        .map(World::left_over)
        .filter(|left| !left.is_empty())
    {
        println!(
            "kills {}: {} unfinished files are left, such as {}",
            options.engine,
            left.len(),
            left[0].display()
        );
    }
    if tally.finish(&format!("kills {}", options.engine)) {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}

/// Executes one round. Returns its kind and its fault, if there is one.
fn run_round(
    world: &mut Option<World>,
    dir: &Path,
    options: &Options,
    round: u32,
) -> Result<&'static str, (&'static str, String)> {
    let mut rng = options.rng(round);
    if rng.u8(..6) == 0 {
        let kind = "init killed and repeated";
        let done = init::round(dir, &options.engine, &mut rng);
        return done.map(|()| kind).map_err(|detail| (kind, detail));
    }
    let world = world.get_or_insert_with(|| World::new(dir, &options.engine));
    let (kind, done) = if rng.bool() {
        (
            "daemon killed at work and at its start",
            world.daemon_round(&mut rng, round),
        )
    } else {
        world.command_round(&mut rng, round)
    };
    done.and_then(|()| world.check(round))
        .map(|()| kind)
        .map_err(|detail| (kind, detail))
}
