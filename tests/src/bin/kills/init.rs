//! `starling init`, killed and repeated.

use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use starling_tests::Ended;
use starling_tests::feed::many;
use starling_tests::process::command;

use crate::world::{DEADLINE, kill_after, shown};

/// The exit code of `init` if the folder already holds a site.
const MADE_ALREADY: i32 = 2;

/// Kills `init` one to three times, repeats it, and uses the site.
pub(crate) fn round(dir: &Path, engine: &str, rng: &mut Rng) -> Result<(), String> {
    std::fs::create_dir_all(dir).expect("a folder can be made");
    let home = dir.join("site");
    let run = |args: &[&str]| Ended::within(command(&home, args.iter().chain(&["--json"])), DEADLINE);
    let init = ["init", "--site-id", "site-i", "--engine", engine];
    for _ in 0..rng.u8(1..=3) {
        let longest = [3, 15, 60][rng.usize(..3)];
        kill_after(
            command(&home, init),
            Duration::from_micros(rng.u64(..longest * 1_000)),
        );
    }
    let made = run(&init);
    if made.code != 0 && made.code != MADE_ALREADY {
        return Err(format!("init again: {}", shown(&made)));
    }
    let feed = dir.join("feed");
    many("INIT", 5, 50).write(&feed);
    let path = feed.to_str().expect("a temporary folder has a plain name");
    for args in [
        &["status"][..],
        &["feeds", "import", path, "--source", "mine"],
        &["doctor"],
    ] {
        let ended = run(args);
        if ended.code != 0 {
            return Err(format!(
                "init again ended with {} ({}); then {}: {}",
                made.code,
                shown(&made),
                args.join(" "),
                shown(&ended)
            ));
        }
    }
    std::fs::remove_dir_all(dir).expect("a folder can be deleted");
    Ok(())
}
