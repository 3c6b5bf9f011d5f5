//! Bundles that must be refused with exit code 3, a specific error, and no change.

use std::path::{Path, PathBuf};
use std::time::Instant;

use starling_api_types::{BundleValidation, ErrorCode, ImportReport, LogOutcome};
use starling_tests::Site;
use starling_tests::feed::{Folder, advisory, many};
use starling_tests::http::Request;

use crate::{bench, sample_feed};

/// An author with two consecutive bundles, and a running reader that lists it.
struct World {
    _bench: tempfile::TempDir,
    author: Site,
    reader: Site,
    first: PathBuf,
    second: PathBuf,
}

impl World {
    fn new(reader_settings: &[&str]) -> Self {
        let bench = bench();
        let author = Site::init(bench.path(), "author");
        let mut reader = Site::init(bench.path(), "reader");
        reader.list(&author);
        reader.up_with(reader_settings);
        let report = author.import("mine", &many("ONE", 30, 300), &[]);
        let first = author.export("first.zst", &[]);
        let _ = author.import("mine", &many("TWO", 30, 300), &[]);
        let cursor = report.cursor.expect("a cursor").to_string();
        let second = author.export("second.zst", &["-c", &cursor]);
        Self {
            _bench: bench,
            author,
            reader,
            first,
            second,
        }
    }

    /// Sends bytes to the daemon as a bundle; the answer must be a problem. Returns its code.
    fn refuse(&self, bytes: &[u8]) -> ErrorCode {
        let answer = self
            .reader
            .call(&Request::post("/federation/import", bytes).header("content-type", "application/zstd"));
        let status = answer.status;
        assert!(
            (400..500).contains(&status),
            "status {status}: {}",
            String::from_utf8_lossy(&answer.bytes())
        );
        let problem: starling_api_types::Problem = answer.json(status);
        assert_eq!(problem.exit_status().code(), 3, "{problem}");
        assert_eq!(problem.status, status);
        problem.code
    }
}

#[test]
fn bundle_without_news_is_reported_and_changes_nothing() {
    let world = World::new(&[]);
    let _ = world.reader.import_bundle(&world.first);
    let before = world.reader.status();
    let problem = world.reader.refuse_bundle(&world.first);
    assert_eq!(problem.title, "Cursor not after current");
    let args = [
        "bundle".into(),
        "import".into(),
        world.first.clone().into_os_string(),
        "--force".into(),
    ];
    let forced: ImportReport = world.reader.json(args);
    assert_eq!(
        (forced.counts.canonical_created, forced.counts.canonical_updated),
        (0, 0)
    );
    let after = world.reader.status();
    assert_eq!(
        (before.knowledge_root, before.positions),
        (after.knowledge_root, after.positions)
    );
    // An older bundle after a newer one lowers nothing either.
    let _ = world.reader.import_bundle(&world.second);
    let root = world.reader.root();
    let args = [
        "bundle".into(),
        "import".into(),
        world.first.clone().into_os_string(),
        "--force".into(),
    ];
    let _: ImportReport = world.reader.json(args);
    assert_eq!(world.reader.root(), root);
    assert_eq!(world.reader.held_of(&world.author), world.author.status().head);
}

#[test]
fn out_of_order_bundle_reports_the_gap() {
    let world = World::new(&[]);
    let problem = world.reader.refuse_bundle(&world.second);
    assert_eq!(problem.code, ErrorCode::BundleGap);
    assert!(
        problem.detail.contains("after #0030"),
        "it names the claims: {problem}"
    );
    assert!(problem.hint.is_some());
    let _ = world.reader.import_bundle(&world.first);
    let _ = world.reader.import_bundle(&world.second);
    assert_eq!(world.reader.root(), world.author.root());
}

#[test]
fn flipped_bit_is_refused_without_change() {
    let world = World::new(&[]);
    let good = std::fs::read(&world.first).unwrap();
    let root = world.reader.root();
    let mut rng = fastrand::Rng::with_seed(7);
    // Every byte at the beginning, which has the lengths and signatures; random places in the rest.
    let places: Vec<usize> = (0..64)
        .chain((0..60).map(|_| rng.usize(..good.len())))
        .chain([good.len() - 1])
        .collect();
    for place in places {
        let mut bad = good.clone();
        bad[place] ^= 1 << rng.u8(..8);
        world.refuse(&bad);
        let status = world.reader.status();
        assert_eq!(
            status.knowledge_root.to_string(),
            root,
            "byte {place} of {}",
            good.len()
        );
        assert_eq!(status.records, 0, "byte {place}");
    }
    world.reader.expect_sound();
    let _ = world.reader.import_bundle(&world.first);
}

#[test]
fn truncated_or_extended_bundle_is_refused() {
    let world = World::new(&[]);
    let good = std::fs::read(&world.first).unwrap();
    let root = world.reader.root();
    for part in [
        0,
        1,
        3,
        4,
        8,
        17,
        100,
        good.len() / 3,
        good.len() / 2,
        good.len() - 100,
        good.len() - 1,
    ] {
        world.refuse(&good[..part]);
    }
    let mut longer = good.clone();
    longer.push(0);
    world.refuse(&longer);
    world.refuse(&[good.as_slice(), good.as_slice()].concat());
    world.refuse(b"not a bundle at all");
    assert_eq!(world.reader.root(), root);
    assert!(world.reader.held_of(&world.author).is_none());
    world.reader.expect_sound();
}

#[test]
fn mixed_parts_of_two_bundles_are_refused() {
    let world = World::new(&[]);
    let (first, second) = (
        std::fs::read(&world.first).unwrap(),
        std::fs::read(&world.second).unwrap(),
    );
    // The seal is the first frame: a skippable frame with its length after the magic number.
    let seal = |bundle: &[u8]| 8 + u32::from_le_bytes(bundle[4..8].try_into().unwrap()) as usize;
    let swapped = [&first[..seal(&first)], &second[seal(&second)..]].concat();
    world.refuse(&swapped);
    assert!(world.reader.held_of(&world.author).is_none());
}

#[test]
fn compression_bomb_bundle_is_refused() {
    let world = World::new(&[]);
    // A gibibyte of zeros in about thirty kilobytes.
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    std::io::copy(
        &mut std::io::Read::take(std::io::repeat(0), 1 << 30),
        &mut encoder,
    )
    .unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 200_000);
    let from = Instant::now();
    world.refuse(&bomb);
    // The same after a valid bundle's seal and manifest.
    let mut good = std::fs::read(&world.first).unwrap();
    good.truncate(good.len() / 2);
    good.extend_from_slice(&bomb);
    world.refuse(&good);
    assert!(from.elapsed().as_secs() < 20, "it was unpacked");
    let peak = peak_memory(world.reader.home());
    assert!(
        peak.is_none_or(|kib| kib < 700 * 1024),
        "the daemon took {peak:?} KiB"
    );
}

/// Returns the maximum memory of the daemon of a folder, in KiB, if the system reports it.
fn peak_memory(home: &Path) -> Option<u64> {
    let own = home.as_os_str().as_encoded_bytes();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut args = line.split(|byte| *byte == 0);
        if args.clone().any(|arg| arg == own) && args.any(|arg| arg == b"up") {
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            return peak.trim().trim_end_matches("kB").trim().parse().ok();
        }
    }
    None
}

#[test]
fn bundles_of_unlisted_sites_are_refused() {
    let world = World::new(&[]);
    let stranger = Site::init(world.author.home().parent().unwrap(), "stranger");
    let _ = stranger.import("mine", &sample_feed(), &[]);
    let problem = world.reader.refuse_bundle(&stranger.export("own.zst", &[]));
    assert_eq!(problem.title, "Site not allowed");
    // An unlisted exporter is refused even if its bundle contains only a listed site's deltas.
    stranger.list(&world.author);
    let _ = stranger.import_bundle(&world.first);
    let cursor = world.author.identity().site.to_string() + "=2025-01-01T00:00:00.000Z#0000";
    let relayed = stranger.export("relayed.zst", &["-c", &cursor]);
    let problem = world.reader.refuse_bundle(&relayed);
    assert_eq!(problem.title, "Site not allowed");
    // The reverse case: from a listed exporter's bundle, only the logs of unlisted authors are refused.
    let mixed = stranger.export("mixed.zst", &[]);
    world.reader.list(&stranger);
    world.reader.json_call(["sites", "remove", "author"]).expect(0);
    let args = ["bundle".into(), "import".into(), mixed.into_os_string()];
    let report: ImportReport = world.reader.json_call(args).json(7);
    let refused = report.logs.iter().find(|log| log.outcome == LogOutcome::Refused);
    assert_eq!(
        refused.and_then(|log| log.code),
        Some(ErrorCode::SiteNotAllowed),
        "{report:?}"
    );
    assert_eq!(world.reader.dump("mine"), stranger_own_dump(&stranger));
}

/// Returns the stranger's own records, after it removed the author from its allow-list.
fn stranger_own_dump(stranger: &Site) -> Vec<u8> {
    stranger.json_call(["sites", "remove", "author"]).expect(0);
    stranger.dump("mine")
}

#[test]
fn bundles_of_disabled_sites_are_refused() {
    let world = World::new(&["--set", "federation.import.allowed_sites=[\"someone-else\"]"]);
    let problem = world.reader.refuse_bundle(&world.first);
    assert_eq!(problem.code, ErrorCode::SiteNotAllowed);
    assert!(
        problem
            .hint
            .as_deref()
            .unwrap_or_default()
            .contains("allowed_sites"),
        "{problem:?}"
    );

    let other = Site::init(world.author.home().parent().unwrap(), "other");
    other.list_as(
        &world.author,
        &world.author.key(),
        &["--allowed-sources", "*", "--disabled"],
    );
    assert_eq!(other.refuse_bundle(&world.first).code, ErrorCode::SiteDisabled);
}

#[test]
fn size_limits_apply_globally_and_per_site() {
    let world = World::new(&["--set", "federation.import.max_bundle_size=2kB"]);
    let problem = world.reader.refuse_bundle(&world.first);
    assert_eq!(problem.title, "Bundle too large");
    assert!(world.reader.held_of(&world.author).is_none());

    let other = Site::init(world.author.home().parent().unwrap(), "other");
    let more = ["--allowed-sources", "*", "--max-bundle-size", "2kB"];
    other.list_as(&world.author, &world.author.key(), &more);
    let problem = other.refuse_bundle(&world.first);
    assert_eq!(problem.title, "Bundle too large");
    assert!(other.held_of(&world.author).is_none());
}

#[test]
fn broken_seal_is_accepted_only_if_configured() {
    let mut world = World::new(&[]);
    let mut bad = std::fs::read(&world.first).unwrap();
    // The signature is at the end of the seal's frame.
    let end = 8 + u32::from_le_bytes(bad[4..8].try_into().unwrap()) as usize;
    bad[end - 1] ^= 1;
    let path = world.author.file("broken-seal.zst");
    std::fs::write(&path, &bad).unwrap();
    assert_eq!(
        world.reader.refuse_bundle(&path).title,
        "Signature verification failed"
    );
    // Both the request and the configuration are needed.
    let import = |site: &Site, more: &[&str]| {
        let args = ["bundle".into(), "import".into(), path.clone().into_os_string()];
        site.json_call(args.into_iter().chain(more.iter().map(std::ffi::OsString::from)))
    };
    let skip = &["--skip-signature"];
    assert_eq!(
        import(&world.reader, skip).problem().title,
        "Signature verification failed"
    );
    let trusting = "federation.import.skip_signature_on_trusted_sites=true";
    world.reader.stop();
    world.reader.up_with(&["--set", trusting]);
    assert_eq!(
        import(&world.reader, &[]).problem().title,
        "Signature verification failed"
    );
    assert!(world.reader.held_of(&world.author).is_none());
    // With both, the exporter that the seal names must still be listed.
    let mut other = Site::init(world.author.home().parent().unwrap(), "other");
    other.up_with(&["--set", trusting]);
    assert_eq!(import(&other, skip).problem().title, "Site not allowed");
    let report: ImportReport = import(&world.reader, skip).json(0);
    assert!(
        report.warnings.iter().any(|warning| warning.contains("seal")),
        "{report:?}"
    );
    assert_eq!(world.reader.status().records, 30);
}

#[test]
fn dry_run_counts_and_changes_nothing() {
    let mut world = World::new(&[]);
    let dry = |site: &Site, path: &Path| -> ImportReport {
        site.json([
            "bundle".into(),
            "import".into(),
            path.as_os_str().to_owned(),
            "--dry-run".into(),
        ])
    };
    let before = world.reader.status();
    let planned = dry(&world.reader, &world.first);
    assert!(planned.dry_run && planned.success);
    assert_eq!(planned.counts.canonical_created, 30);
    let after = world.reader.status();
    assert_eq!(
        (before.knowledge_root, before.held_root),
        (after.knowledge_root, after.held_root)
    );
    assert_eq!((before.positions, after.records), (after.positions, 0));
    world.reader.stop();
    let before = world.reader.status();
    let planned = dry(&world.reader, &world.first);
    assert_eq!(planned.counts.canonical_created, 30);
    assert_eq!(
        before.positions,
        world.reader.status().positions,
        "the same without a daemon"
    );
    let done = world.reader.import_bundle(&world.first);
    assert_eq!(
        (done.counts.canonical_created, done.bundle_hash),
        (30, planned.bundle_hash)
    );
}

#[test]
fn validate_agrees_with_import_and_changes_nothing() {
    let world = World::new(&[]);
    let stranger = Site::init(world.author.home().parent().unwrap(), "stranger");
    let call = |command: &str, path: &Path| {
        stranger.json_call(["bundle".into(), command.into(), path.as_os_str().to_owned()])
    };
    // The file is valid, but its exporter is not listed here.
    let validation: BundleValidation = call("validate", &world.first).json(3);
    let failed: Vec<_> = validation.checks.iter().filter(|check| !check.ok).collect();
    assert!(
        failed.len() == 1 && failed[0].found.contains("allow-list"),
        "{validation:?}"
    );
    let validate = |path: &Path| {
        let args = ["bundle".into(), "validate".into(), path.as_os_str().to_owned()];
        world.reader.json_call(args)
    };
    let validation: BundleValidation = validate(&world.first).json(0);
    assert!(
        validation.valid && validation.checks.iter().all(|check| check.ok),
        "{validation:?}"
    );
    let gap: BundleValidation = validate(&world.second).json(3);
    assert!(
        gap.checks.iter().any(|check| check.found.contains("after #0030")),
        "{gap:?}"
    );
    let info: starling_api_types::BundleInfo = call("inspect", &world.first).json(0);
    assert_eq!((info.logs.len(), info.bodies), (1, 30));
    assert_eq!(info.size_bytes, world.first.metadata().unwrap().len());

    let mut bad = std::fs::read(&world.first).unwrap();
    let middle = bad.len() / 2;
    bad[middle] ^= 0x10;
    let path = stranger.file("bad.zst");
    std::fs::write(&path, bad).unwrap();
    let validation: BundleValidation = call("validate", &path).json(3);
    assert!(
        !validation.valid && validation.checks.iter().any(|check| !check.ok),
        "{validation:?}"
    );
    assert_eq!(stranger.status().records, 0);
}

#[test]
fn on_conflict_fail_refuses_and_names_the_conflict() {
    let world = World::new(&[]);
    let mut own = Folder::default();
    own.put(
        "ONE-000003.json",
        &advisory("ONE-000003", "one-package-3", "9.9.9", "2025-03-01T00:00:00Z"),
    );
    let _ = world.reader.import("mine", &own, &[]);
    let root = world.reader.root();
    let args = [
        "bundle".into(),
        "import".into(),
        world.first.clone().into_os_string(),
    ];
    let ended = world.reader.json_call(
        args.clone()
            .into_iter()
            .chain(["--on-conflict".into(), "fail".into()]),
    );
    assert_eq!(ended.problem().code, ErrorCode::ConflictUnresolved);
    assert_eq!(world.reader.root(), root);
    let report: ImportReport = world.reader.json(args);
    let fields: Vec<&str> = report
        .conflicts
        .iter()
        .map(|conflict| conflict.field.as_str())
        .collect();
    assert_eq!(fields, ["affected", "details", "summary"], "{report:?}");
}
