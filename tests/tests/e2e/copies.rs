//! Homes that exist twice, or went back unnoticed: running copies, cloned machines, snapshots.

use std::path::Path;
use std::process::Command;

use starling_api_types::{ErrorCode, ImportReport, RestorePhase, RestoreReport};
use starling_tests::{Site, number_of};

use crate::bench;
use crate::restores::{back_up, copy, feed, goes_on, held, pair, put_back};

#[test]
fn backup_restored_over_the_home_is_noticed() {
    let bench = bench();
    let (mut a, mut b, backup) = pair(bench.path());
    let _ = a.import("mine", &feed("TWO"), &[]);
    b.until_equal(&a);
    a.stop();
    // Files are rewritten in place: their inodes stay.
    let copied = Command::new("cp")
        .arg("-a")
        .args([backup.join("."), a.home().to_owned()])
        .status();
    assert!(copied.expect("cp runs").success());
    b.stop();
    a.up();
    assert!(a.status().restore.is_some());
    b.up();
    goes_on(&mut a, &mut b, 1);
    assert_eq!(held(&b, &a), (1, 9));
}

#[test]
fn moved_or_restarted_home_still_signs() {
    let bench = bench();
    let mut a = Site::init(bench.path(), "site-a");
    let _ = a.import("mine", &feed("ONE"), &[]);
    a.up();
    a.kill();
    let (elsewhere, home) = (bench.path().join("elsewhere"), a.home().to_owned());
    std::fs::rename(&home, &elsewhere).expect("the home can be renamed");
    let mut moved = Site::adopt_home(bench.path(), "elsewhere");
    assert!(moved.status().restore.is_none());
    moved.up();
    let _ = moved.import("mine", &feed("TWO"), &[]);
    assert_eq!(held(&moved, &moved), (0, 6));
}

#[test]
fn second_running_copy_takes_over_and_first_stops_signing() {
    let bench = bench();
    let (mut a, mut b, _) = pair(bench.path());
    let _ = a.import("mine", &feed("TWO"), &[]);
    b.until_equal(&a);
    a.stop();
    let mut copied = Site::adopt_home(bench.path(), "site-copy");
    copy(a.home(), copied.home());
    a.up();
    a.until_connected("site-b");
    copied.up();
    goes_on(&mut copied, &mut b, 1);
    let status = a.until("the first copy to be told", |status| status.restore.is_some());
    assert_eq!(status.restore.unwrap().phase, RestorePhase::Superseded);
    let path = a.file("feed").into_os_string();
    let import = [
        "feeds".into(),
        "import".into(),
        path,
        "--source".into(),
        "mine".into(),
    ];
    assert_eq!(a.refused(import).code, ErrorCode::SiteSuperseded);
    assert_eq!(
        a.refused(["mute", "add", "CVE-2021-44228", "--reason", "x", "--forever"])
            .code,
        ErrorCode::SiteSuperseded
    );
    assert_eq!(held(&b, &copied), (1, 9));
    let frozen = b.status().positions.iter().any(|at| at.hold_reason.is_some());
    assert!(!frozen, "nobody signed a second history");
}

#[test]
fn cloned_machine_is_detected_by_its_id() {
    let bench = bench();
    let (mut a, mut b, _) = pair(bench.path());
    a.stop();
    let machine = a.file("machine-id");
    let config = a.home().join("starling.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let named = text.replace(
        "# machine_id_file = \"/etc/machine-id\"",
        &format!("machine_id_file = {machine:?}"),
    );
    assert_ne!(named, text);
    std::fs::write(&config, named).unwrap();
    // The former machine: the home was made there.
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    std::fs::write(&machine, id).unwrap();
    let _ = a.import("mine", &feed("TWO"), &[]);
    assert!(a.status().restore.is_none());
    std::fs::write(&machine, "0002\n").unwrap();
    b.stop();
    a.up();
    let restore = a.status().restore.expect("it is another machine");
    assert!(restore.reason.contains("another machine"), "{restore:?}");
    b.up();
    goes_on(&mut a, &mut b, 1);
    assert_eq!(held(&b, &a), (1, 9), "what no peer held is kept as well");
}

/// Returns two sites and a backup as in [`pair`]; the first does not check if it was copied, as for a machine's
/// snapshot.
fn snapshot(bench: &Path) -> (Site, Site) {
    let (mut a, mut b, _) = pair(bench);
    a.stop();
    let config = a.home().join("starling.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("# detect = true", "detect = false")).unwrap();
    let backup = back_up(&a, "snapshot");
    a.up();
    let _ = a.import("mine", &feed("TWO"), &[]);
    b.until_equal(&a);
    a.stop();
    put_back(&a, &backup);
    (a, b)
}

#[test]
fn undetected_snapshot_is_reported_by_its_operator() {
    let bench = bench();
    let (mut a, mut b) = snapshot(bench.path());
    assert!(a.status().restore.is_none());
    assert_eq!(a.refused(["restore"]).code, ErrorCode::BadRequest);
    assert!(a.status().restore.is_none(), "nothing happens without consent");
    let report: RestoreReport = a.json(["restore", "--yes"]);
    assert_eq!(report.restore.unwrap().phase, RestorePhase::Waiting);
    a.up();
    goes_on(&mut a, &mut b, 1);
    assert_eq!(held(&b, &a), (1, 9));
}

#[test]
fn undetected_snapshot_is_reported_by_its_peer() {
    let bench = bench();
    let (mut a, mut b) = snapshot(bench.path());
    a.up();
    a.until("what was lost", |status| {
        let own = status.positions.iter().find(|at| at.site == status.site);
        own.and_then(|at| at.held.as_ref()).map_or(0, number_of) == 6
    });
    goes_on(&mut a, &mut b, 1);
    assert_eq!(held(&b, &a), (1, 9));
}

#[test]
fn undetected_snapshot_is_reported_by_a_bundle() {
    let bench = bench();
    let (a, mut b) = snapshot(bench.path());
    b.stop();
    let bundle = b.export("back.zst", &[]);
    let dry: ImportReport = a.json([
        "bundle".into(),
        "import".into(),
        bundle.clone().into_os_string(),
        "--dry-run".into(),
    ]);
    assert!(dry.success, "{dry:?}");
    assert!(a.status().restore.is_none(), "a dry run changes nothing");
    let report = a.import_bundle(&bundle);
    assert!(report.success, "{report:?}");
    let _ = a.import("mine", &feed("LAST"), &[]);
    assert_eq!(held(&a, &a), (1, 9));
    let _ = b.import_bundle(&a.export("next.zst", &[]));
    assert_eq!(held(&b, &a), (1, 9));
}
