//! The moments at which the disk is filled.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fastrand::Rng;
use starling_tests::process::command;
use starling_tests::{Ended, Site, link};

use crate::disk::Filler;
use crate::world::{DEADLINE, World, judge_full, plain};

/// The result of a round: its outcome, or the fault.
type Outcome = Result<&'static str, String>;

/// A kind of round.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&mut World, &mut Rng) -> Outcome,
}

pub(crate) const ALL: [Kind; 8] = [
    Kind {
        name: "full during an import",
        run: during_import,
    },
    Kind {
        name: "full before an opening",
        run: before_opening,
    },
    Kind {
        name: "full during a daemon's import",
        run: during_daemon_import,
    },
    Kind {
        name: "full before a daemon starts",
        run: before_start,
    },
    Kind {
        name: "full before init",
        run: before_init,
    },
    Kind {
        name: "full during init",
        run: during_init,
    },
    Kind {
        name: "full during sync",
        run: during_sync,
    },
    Kind {
        name: "full, and the daemon killed",
        run: killed_on_full_disk,
    },
];

/// Indexes that are derived from the store: without them an answer needs more work.
const INDEXES: [&str; 2] = ["match.idx", "scan.ready"];
/// The longest time into an import at which the disk is filled.
const IMPORT: Duration = Duration::from_millis(1_500);
/// Space left on a full disk, in bytes: from none to the size of some of the first files.
const ROOM: [u64; 6] = [0, 4_096, 20_000, 70_000, 300_000, 1_000_000];

fn within(rng: &mut Rng, longest: Duration) -> Duration {
    let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).max(1);
    // Short times are as likely as long ones: much happens at the beginning.
    let longest = rng.u64(1..=longest);
    Duration::from_micros(rng.u64(..longest))
}

fn start_import(world: &World) -> Child {
    let args = world.import_args("large").into_iter().chain(["--json".into()]);
    command(world.site.home(), args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a command starts")
}

fn end_import(world: &World, import: Child) -> Result<bool, String> {
    let ended = Ended::of_child(import, "feeds import");
    judge_full(&world.import_args("large"), &ended)
}

fn during_import(world: &mut World, rng: &mut Rng) -> Outcome {
    world.begin()?;
    let import = start_import(world);
    let filler = Filler::start(&world.disk, within(rng, IMPORT));
    let done = end_import(world, import)?;
    drop(filler);
    let filler = Filler::now(&world.disk, 0);
    world.expect_readable()?;
    drop(filler);
    world.expect_goes_on()?;
    Ok(if done {
        "the import was done"
    } else {
        "the import was refused"
    })
}

fn before_opening(world: &mut World, rng: &mut Rng) -> Outcome {
    world.begin()?;
    let without_index = rng.bool();
    if without_index {
        for index in INDEXES {
            let _ = std::fs::remove_file(world.site.home().join(index));
        }
    }
    let filler = Filler::now(&world.disk, ROOM[rng.usize(..ROOM.len())]);
    world.expect_readable()?;
    let other = if world.engine == "sled" { "redb" } else { "sled" };
    for args in [
        world.import_args("large"),
        plain(&["mute", "add", "SMALL-000003", "--forever", "--reason", "tried"]),
        plain(&["store", "convert", "--engine", other]),
        plain(&["keys", "generate"]),
    ] {
        world.expect_done_or_full(&args)?;
        world.note_status()?;
    }
    world.expect_readable()?;
    drop(filler);
    world.expect_goes_on()?;
    Ok(if without_index {
        "answered without indexes"
    } else {
        "answered"
    })
}

fn during_daemon_import(world: &mut World, rng: &mut Rng) -> Outcome {
    world.begin()?;
    world.start_daemon()?;
    let import = start_import(world);
    let filler = Filler::start(&world.disk, within(rng, IMPORT));
    let done = end_import(world, import)?;
    drop(filler);
    let filler = Filler::now(&world.disk, 0);
    world.expect_readable()?;
    world.expect_running()?;
    drop(filler);
    // Without a restart.
    world.expect_goes_on()?;
    stop(world)?;
    world.expect_readable()?;
    Ok(if done {
        "the import was done"
    } else {
        "the import was refused"
    })
}

fn before_start(world: &mut World, rng: &mut Rng) -> Outcome {
    world.begin()?;
    let filler = Filler::now(&world.disk, ROOM[rng.usize(..ROOM.len())]);
    world.start_daemon()?;
    world.expect_readable()?;
    world.expect_done_or_full(&world.import_args("large"))?;
    world.expect_readable()?;
    world.expect_running()?;
    if rng.bool() {
        stop(world)?;
        world.start_daemon()?;
        world.expect_readable()?;
    }
    drop(filler);
    world.expect_goes_on()?;
    stop(world)?;
    Ok("answered, and went on without a restart")
}

fn before_init(world: &mut World, rng: &mut Rng) -> Outcome {
    let filler = Filler::now(&world.disk, ROOM[rng.usize(..ROOM.len())]);
    let made = world.expect_done_or_full(&world.init_args())?;
    drop(filler);
    after_init(world, made)
}

fn during_init(world: &mut World, rng: &mut Rng) -> Outcome {
    let filler = Filler::start(&world.disk, within(rng, Duration::from_millis(60)));
    let made = world.expect_done_or_full(&world.init_args())?;
    drop(filler);
    after_init(world, made)
}

fn after_init(world: &mut World, made: bool) -> Outcome {
    world.note_empty_files();
    if made {
        world.expect_done(&world.import_args("small"))?;
        world.expect_goes_on()?;
        return Ok("init was done");
    }
    world.begin()?;
    world.expect_goes_on()?;
    Ok("init was refused, then done")
}

fn during_sync(world: &mut World, rng: &mut Rng) -> Outcome {
    world.begin()?;
    let mut peer = Site::init_on(world.elsewhere.path(), "peer", &world.engine);
    world.site.up();
    peer.up();
    link(&mut world.site, &mut peer);
    let filler = Filler::start(&world.disk, within(rng, IMPORT * 2));
    let _ = peer.import_path("large", &world.elsewhere.path().join("large"), &["--complete"]);
    let root = peer.root();
    let from = Instant::now();
    // Until it has all of it, or has met the full disk for a while.
    while world
        .site
        .try_status()
        .is_some_and(|status| status.records < 2_030)
        && from.elapsed() < IMPORT * 2
    {
        std::thread::sleep(Duration::from_millis(20));
    }
    world.expect_running()?;
    world.expect_readable()?;
    drop(filler);
    let from = Instant::now();
    while !holds_all(&world.site, &peer) {
        world.expect_running()?;
        if from.elapsed() > DEADLINE {
            let log = world.site.daemon().log_end();
            return Err(format!(
                "with room again it does not come to hold what its peer knows ({root}): {log}"
            ));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    world.note_status()?;
    stop(world)?;
    world.expect_done(&plain(&["doctor"]))?;
    world.note_empty_files();
    Ok("caught up without a restart")
}

/// Returns true if the site holds all of both logs: both author claims, so equal knowledge covers both.
fn holds_all(site: &Site, peer: &Site) -> bool {
    let [site, peer] = [site, peer].map(Site::try_status);
    matches!((site, peer), (Some(site), Some(peer)) if site.knowledge_root == peer.knowledge_root)
}

fn killed_on_full_disk(world: &mut World, rng: &mut Rng) -> Outcome {
    world.begin()?;
    world.start_daemon()?;
    let import = start_import(world);
    let filler = Filler::start(&world.disk, within(rng, IMPORT));
    std::thread::sleep(within(rng, IMPORT * 2));
    world.site.kill();
    // It reports that its daemon is gone; only a panic or damage would be a fault.
    let ended = Ended::of_child(import, "feeds import");
    if [10, 11, 101].contains(&ended.code) {
        return Err(format!("feeds import: {ended:?}"));
    }
    drop(filler);
    let filler = Filler::now(&world.disk, 0);
    let is_started = rng.bool();
    if is_started {
        world.start_daemon()?;
    }
    world.expect_readable()?;
    drop(filler);
    // A daemon that started on a full disk only reads; the next start with room continues.
    if is_started {
        stop(world)?;
        world.start_daemon()?;
    }
    world.expect_goes_on()?;
    Ok("answered, and went on")
}

fn stop(world: &mut World) -> Result<(), String> {
    world.expect_running()?;
    let daemon = world.site.take_daemon();
    let status = daemon.stop();
    if status.success() {
        return Ok(());
    }
    Err(format!("the daemon stops with {status}"))
}
