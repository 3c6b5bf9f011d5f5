//! Homes that were restored from a backup or copied, and continue.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use starling_api_types::{
    DoctorReport, ErrorCode, Lane, Position, RestoreAction, RestorePhase, RestoreReport, SiteRestored, Status,
};
use starling_tests::feed::{Folder, many};
use starling_tests::http::Request;
use starling_tests::{Site, link, number_of};

use crate::bench;

/// The time limit for a step of a recovery.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Copies a home as a backup tool does.
pub(crate) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status()
        .expect("cp runs");
    assert!(copied.success(), "copying {} to {}", from.display(), to.display());
}

/// Takes a backup of a stopped site.
pub(crate) fn back_up(site: &Site, name: &str) -> PathBuf {
    let backup = site.file(name);
    copy(site.home(), &backup);
    backup
}

/// Puts a backup in the place of a home.
pub(crate) fn put_back(site: &Site, backup: &Path) {
    std::fs::remove_dir_all(site.home()).expect("the home can be removed");
    copy(backup, site.home());
}

/// Returns a site's position in its own log or another's.
pub(crate) fn position(of: &Site, author: &Site) -> Position {
    let own = author.identity().site;
    let mut positions = of.status().positions.into_iter();
    positions
        .find(|at| at.site == own && at.lane == Lane::Federation)
        .expect("the log is known")
}

/// Returns the epoch and number up to which a site holds an author's log.
pub(crate) fn held(of: &Site, author: &Site) -> (u64, u64) {
    let position = position(of, author);
    (position.epoch, position.held.as_ref().map_or(0, number_of))
}

pub(crate) fn feed(name: &str) -> Folder {
    many(name, 3, 200)
}

/// Returns two connected sites that know three records of the first, and a backup of the first from that time.
pub(crate) fn pair(bench: &Path) -> (Site, Site, PathBuf) {
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

/// Waits until a restored site signs again, and checks that its next claim reaches `b`.
pub(crate) fn goes_on(a: &mut Site, b: &mut Site, epoch: u64) {
    goes_on_with(a, b, epoch, "LAST");
}

/// Same as [`goes_on`], with records of another name.
pub(crate) fn goes_on_with(a: &mut Site, b: &mut Site, epoch: u64, name: &str) {
    a.until("the site to go on", |status| status.restore.is_none());
    let before = held(a, a);
    let _ = a.import("mine", &feed(name), &[]);
    assert_eq!(held(a, a), (epoch, before.1 + 3));
    b.until_equal(a);
    assert_eq!(held(b, a), (epoch, before.1 + 3));
    for site in [&*a, &*b] {
        site.expect_sound();
    }
}

/// Waits for a state of the file system.
pub(crate) fn wait_for(what: &str, is_reached: &dyn Fn() -> bool) {
    let from = Instant::now();
    while !is_reached() {
        assert!(from.elapsed() < DEADLINE, "waiting for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn recent_backup_takes_back_claims_from_its_peer() {
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

    // Without its peer it answers reads, but signs nothing.
    a.up();
    let restore = a.status().restore.expect("the home shows that it was copied");
    assert_eq!(restore.phase, RestorePhase::Waiting);
    assert!(restore.reason.contains("was copied or put back"), "{restore:?}");
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
    a.until("what was lost", |status| {
        status.knowledge_root.to_string() == root
    });
    assert_eq!(a.dump("mine"), dump);
    goes_on(&mut a, &mut b, 1);
    assert_eq!(held(&b, &a), (1, 9), "high-water did not fall");
}

#[test]
fn site_without_peers_continues_on_request() {
    let bench = bench();
    let mut a = Site::init(bench.path(), "site-a");
    let _ = a.import("mine", &feed("ONE"), &[]);
    let backup = back_up(&a, "backup");
    put_back(&a, &backup);
    let path = a.file("feed").into_os_string();
    let import: [std::ffi::OsString; 5] = [
        "feeds".into(),
        "import".into(),
        path,
        "--source".into(),
        "mine".into(),
    ];
    assert_eq!(a.refused(import.clone()).code, ErrorCode::SiteRestored);
    assert_eq!(a.refused(["keys", "generate"]).code, ErrorCode::SiteRestored);
    let waiting: RestoreReport = a.json(["restore"]);
    assert_eq!(waiting.new_epoch, None);
    assert_eq!(waiting.restore.unwrap().phase, RestorePhase::Waiting);
    let report: RestoreReport = a.json(["restore", "--alone", "--yes"]);
    assert_eq!((report.new_epoch, report.restore), (Some(1), None));
    let _ = a.import("mine", &feed("LAST"), &[]);
    assert_eq!(held(&a, &a), (1, 6));
    a.expect_sound();

    let backup = back_up(&a, "second");
    put_back(&a, &backup);
    assert_eq!(a.refused(["up", "--alone"]).code, ErrorCode::BadRequest);
    a.up_with(&["--alone", "--yes"]);
    assert!(a.status().restore.is_none());
    a.stop();
    // The site signs again, so `--alone` has nothing to confirm.
    a.up_with(&["--alone"]);
    let _ = a.import("mine", &feed("MORE"), &[]);
    assert_eq!(held(&a, &a), (2, 9));
}

#[test]
fn restored_site_without_root_key_says_what_it_needs() {
    let bench = bench();
    let (mut a, mut b, backup) = pair(bench.path());
    let _ = a.import("mine", &feed("TWO"), &[]);
    b.until_equal(&a);
    a.stop();
    let root = b.root();
    put_back(&a, &backup);
    let (key, kept) = (a.home().join("keys/root.key"), a.file("root.key"));
    std::fs::rename(&key, &kept).unwrap();
    a.up();
    let status = a.until("the root key to be missed", |status| {
        let restore = status.restore.as_ref();
        restore.is_some_and(|restore| restore.phase == RestorePhase::RootKeyMissing)
            && status.knowledge_root.to_string() == root
    });
    let advice = status.restore.unwrap().advice;
    assert!(advice.contains("keys/root.key"), "{advice}");
    let path = a.file("feed").into_os_string();
    let import = [
        "feeds".into(),
        "import".into(),
        path,
        "--source".into(),
        "mine".into(),
    ];
    assert_eq!(a.refused(import).code, ErrorCode::SiteRestored);
    // It relays: its peer's claims arrive here as usual.
    let _ = b.import("theirs", &feed("OWN"), &[]);
    a.until_equal(&b);
    std::fs::copy(&kept, &key).unwrap();
    goes_on(&mut a, &mut b, 1);
    assert_eq!(held(&b, &a), (1, 9));
}

#[test]
fn year_old_backup_rejoins_with_its_root_key() {
    let bench = bench();
    let (mut a, mut b, backup) = pair(bench.path());
    // Since then every record changed, and the key changed twice.
    let mut changed = feed("ONE");
    for bytes in changed.files.values_mut() {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replace("2025-03-01", "2026-03-01").into_bytes();
    }
    let _ = a.import("mine", &changed, &[]);
    for name in ["TWO", "THREE"] {
        a.stop();
        a.cli(["keys", "generate"]).expect(0);
        a.up();
        let _ = a.import("mine", &feed(name), &[]);
        b.until_equal(&a);
    }
    let before = held(&b, &a);
    assert_eq!(before, (2, 12));
    a.stop();
    b.stop();
    let config = b.home().join("starling.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(
        &config,
        text.replace("# retention = \"30d\"", "retention = \"1s\""),
    )
    .unwrap();
    b.cli(["store", "compact"]).expect(0);
    let (dump, root) = (b.dump("mine"), b.root());
    put_back(&a, &backup);
    b.up();
    a.up();
    a.until("what was lost", |status| {
        status.knowledge_root.to_string() == root
    });
    assert_eq!(a.dump("mine"), dump);
    goes_on(&mut a, &mut b, 3);
    assert_eq!(held(&b, &a), (3, 15), "high-water did not fall");
    // The same backup again: each restore is an epoch.
    a.stop();
    put_back(&a, &backup);
    a.up();
    goes_on_with(&mut a, &mut b, 4, "AGAIN");
    assert_eq!(held(&b, &a), (4, 18));
}

#[test]
fn restored_site_waits_for_the_most_advanced_peer() {
    let bench = bench();
    let (mut a, mut b, backup) = pair(bench.path());
    let mut c = Site::init(bench.path(), "site-c");
    a.stop();
    put_back(&a, &backup);
    a.cli(["restore", "--alone", "--yes"]).expect(0);
    a.up();
    c.up();
    link(&mut a, &mut c);
    c.until_equal(&a);
    a.stop();
    let backup = back_up(&a, "later");
    b.stop();
    a.up();
    let _ = a.import("mine", &feed("TWO"), &[]);
    c.until_equal(&a);
    a.stop();
    c.stop();
    put_back(&a, &backup);
    b.up();
    a.up_with(&["--set", "restore.patience_seconds=600"]);
    let status = a.until("the other peer to be missed", |status| {
        let restore = status.restore.as_ref();
        restore.is_some_and(|restore| !restore.heard.is_empty())
    });
    let restore = status.restore.unwrap();
    assert_eq!(restore.phase, RestorePhase::Waiting);
    assert!(restore.waits_for.contains("site-c"), "{restore:?}");
    c.up();
    goes_on(&mut a, &mut b, 2);
    c.until_equal(&a);
    assert_eq!(held(&c, &a), (2, 9));
}

#[test]
fn restored_site_does_not_wait_forever_for_absent_peer() {
    let bench = bench();
    let (mut a, mut b, _) = pair(bench.path());
    let c = Site::init(bench.path(), "site-c");
    a.list(&c);
    a.stop();
    let backup = back_up(&a, "later");
    put_back(&a, &backup);
    a.up_with(&["--set", "restore.patience_seconds=1"]);
    goes_on(&mut a, &mut b, 1);
}

#[test]
fn recovery_continues_after_a_kill_at_any_step() {
    let bench = bench();
    let (mut a, mut b, backup) = pair(bench.path());
    let _ = a.import("mine", &many("TWO", 400, 2_000), &[]);
    b.until_equal(&a);
    let before = held(&b, &a);
    a.stop();
    put_back(&a, &backup);
    let chain = std::fs::read(a.home().join("site.chain")).unwrap();
    let home = a.home().to_owned();
    let has_key = || home.join("keys/operating-1.key").exists();
    let has_chain = || std::fs::read(home.join("site.chain")).is_ok_and(|now| now != chain);
    let has_note = || {
        let note = std::fs::read_to_string(home.join("log/place")).unwrap_or_default();
        note.contains("reaches")
    };
    let steps: [(&str, &dyn Fn() -> bool); 3] = [
        ("a word of the peer", &has_note),
        ("a new key", &has_key),
        ("a new certificate", &has_chain),
    ];
    for (step, is_reached) in steps {
        a.spawn_up(&[]);
        wait_for(step, is_reached);
        a.kill();
    }
    a.up();
    a.until("the site to go on", |status| status.restore.is_none());
    let _ = a.import("mine", &feed("LAST"), &[]);
    b.until_equal(&a);
    let after = held(&b, &a);
    assert_eq!(after.1, before.1 + 3);
    assert!((1..=2).contains(&after.0), "{after:?}");
    assert!(a.status().positions.iter().all(|at| at.hold_reason.is_none()));
    b.expect_sound();
}

#[test]
fn restore_is_shown_by_doctor_and_events() {
    let bench = bench();
    let (mut a, mut b, backup) = pair(bench.path());
    a.stop();
    b.stop();
    put_back(&a, &backup);
    a.up();
    let report: DoctorReport = a.json(["doctor"]);
    let home = report.checks.iter().find(|check| check.name == "home").unwrap();
    assert!(report.ok && home.found.contains("signs nothing"), "{report:?}");
    let mut live = a.call(&Request::get("/events"));
    b.up();
    a.until("the site to go on", |status| status.restore.is_none());
    let event = live.event();
    assert_eq!(event.name, SiteRestored::EVENT_NAME);
    let body: SiteRestored = serde_json::from_str(&event.data).unwrap();
    assert_eq!(body.restore_action, RestoreAction::WentOn);
    assert!(body.reason.contains("epoch 1"), "{body:?}");
    let report: DoctorReport = a.json(["doctor"]);
    let home = report.checks.iter().find(|check| check.name == "home").unwrap();
    assert_eq!(home.found, "in its own place");
}

#[test]
fn keys_alone_restore_claims_from_the_peer() {
    let bench = bench();
    let (mut a, mut b, _) = pair(bench.path());
    let _ = b.import("theirs", &feed("OWN"), &[]);
    a.until_equal(&b);
    let root = a.root();
    a.stop();
    for gone in ["log", "packs", "store", "match.idx", "scan.ready"] {
        let path = a.home().join(gone);
        let _ = std::fs::remove_dir_all(&path);
        let _ = std::fs::remove_file(&path);
    }
    assert_eq!(a.refused(["status"]).code, ErrorCode::StoreMissing);
    let report: RestoreReport = a.json(["restore"]);
    assert_eq!(report.restore.unwrap().phase, RestorePhase::Waiting);
    a.list(&b);
    a.up();
    a.until("what was lost", |status| {
        status.knowledge_root.to_string() == root
    });
    goes_on(&mut a, &mut b, 1);
    assert_eq!(held(&b, &a), (1, 6));
}

#[test]
fn repaired_log_continues_if_no_peer_has_more() {
    let bench = bench();
    let (mut a, mut b, _) = pair(bench.path());
    a.stop();
    let log = a.home().join("log/0000000001.log");
    let file = std::fs::File::options().write(true).open(&log).unwrap();
    // Its last group is lost, and only the tip file knows of it.
    file.set_len(file.metadata().unwrap().len() - 10).unwrap();
    std::fs::remove_dir_all(a.home().join("store")).unwrap();
    assert_eq!(a.refused(["status"]).code, ErrorCode::StoreDamaged);
    // Claims may be lost, and nobody knows how many: that is not a sound store.
    a.cli(["doctor", "--repair"]).expect(11);
    let status: Status = a.cli(["status", "--json"]).json(11);
    assert_eq!(status.restore.unwrap().phase, RestorePhase::LogLost);
    assert_eq!(status.lost_claims.len(), 1);
    let path = a.file("feed").into_os_string();
    let import = [
        "feeds".into(),
        "import".into(),
        path,
        "--source".into(),
        "mine".into(),
    ];
    assert_eq!(a.refused(import).code, ErrorCode::SiteRestored);
    let waiting: RestoreReport = a.json(["restore"]);
    assert_eq!(waiting.restore.unwrap().phase, RestorePhase::Waiting);
    a.up();
    goes_on(&mut a, &mut b, 1);
    assert_eq!(held(&b, &a), (1, 6));
    let status: Status = a.json(["status"]);
    assert_eq!((status.restore, status.lost_claims), (None, Vec::new()));
}
