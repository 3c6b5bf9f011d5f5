//! Homes that were put back from a backup, or copied, and go on.

use std::path::{Path, PathBuf};
use std::process::Command;

use starling_api_types::{ErrorCode, Lane, Position, RestorePhase, RestoreReport};
use starling_tests::feed::{Folder, many};
use starling_tests::{Site, link, number_of};

use crate::bench;

/// Copies a home as a backup tool does.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status()
        .expect("cp runs");
    assert!(copied.success(), "copying {} to {}", from.display(), to.display());
}

/// Takes a backup of a stopped site.
fn back_up(site: &Site, name: &str) -> PathBuf {
    let backup = site.file(name);
    copy(site.home(), &backup);
    backup
}

/// Puts a backup in the place of a home.
fn put_back(site: &Site, backup: &Path) {
    std::fs::remove_dir_all(site.home()).expect("the home can be removed");
    copy(backup, site.home());
}

/// Where a site stands in its own log or another's.
fn position(of: &Site, author: &Site) -> Position {
    let own = author.identity().site;
    let mut positions = of.status().positions.into_iter();
    positions
        .find(|at| at.site == own && at.lane == Lane::Federation)
        .expect("the log is known")
}

/// Epoch and number up to which a site holds an author's log.
fn held(of: &Site, author: &Site) -> (u64, u64) {
    let position = position(of, author);
    (position.epoch, position.held.as_ref().map_or(0, number_of))
}

fn feed(name: &str) -> Folder {
    many(name, 3, 200)
}

/// Two connected sites that know three records of the first, and a backup of the first from then.
fn pair(bench: &Path) -> (Site, Site, PathBuf) {
    let [mut a, mut b] = ["site-a", "site-b"].map(|name| Site::init(bench, name));
    a.up();
    b.up();
    link(&mut a, &mut b);
    let _ = a.import("mine", &feed("ONE"), &[]);
    b.until_equal(&a);
    a.stop();
    let backup = back_up(&a, "backup");
    a.up();
    (a, b, backup)
}

/// Waits until a restored site signs again, and checks that what it says next reaches `b`.
fn goes_on(a: &mut Site, b: &mut Site, epoch: u64) {
    a.until("the site to go on", |status| status.restore.is_none());
    let before = held(a, a);
    let _ = a.import("mine", &feed("LAST"), &[]);
    assert_eq!(held(a, a), (epoch, before.1 + 3));
    b.until_equal(a);
    assert_eq!(held(b, a), (epoch, before.1 + 3));
    for site in [&*a, &*b] {
        site.expect_sound();
    }
}

#[test]
fn backup_of_an_hour_takes_back_what_the_peer_holds() {
    let bench = bench();
    let (mut a, mut b, backup) = pair(bench.path());
    let _ = a.import("mine", &feed("TWO"), &[]);
    b.until_equal(&a);
    let before = held(&b, &a);
    assert_eq!(before, (0, 6));
    let (dump, root) = (b.dump("mine"), b.root());
    a.stop();
    b.stop();
    put_back(&a, &backup);

    // Alone it reads, and signs nothing.
    a.up();
    let restore = a.status().restore.expect("the home shows that it was copied");
    assert_eq!(restore.phase, RestorePhase::Waiting);
    assert!(restore.reason.contains("inode"), "{restore:?}");
    assert_eq!(held(&a, &a), (0, 3));
    let path = a.file("feed");
    let refused = a.refused([
        "feeds".into(),
        "import".into(),
        path.into_os_string(),
        "--source".into(),
        "mine".into(),
    ]);
    assert_eq!(refused.code, ErrorCode::SiteRestored);
    assert!(refused.hint.is_some(), "{refused:?}");

    b.up();
    a.until("what was lost", |status| status.knowledge_root.to_string() == root);
    assert_eq!(a.dump("mine"), dump);
    goes_on(&mut a, &mut b, 1);
    assert_eq!(held(&b, &a), (1, 9), "high-water did not fall");
    let report: RestoreReport = {
        a.stop();
        a.json(["restore", "--alone"])
    };
    assert_eq!(report.new_epoch, Some(2), "an operator may begin an epoch at will");
}
