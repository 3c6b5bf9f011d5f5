//! Missing, damaged and full stores.

use std::fs;
use std::sync::Arc;

use futures::StreamExt;
use serde_json::json;
use starling_api_types::{
    DoctorCheck, DoctorReport, DoctorRequest, ErrorCode, ExportRequest, ImportParams, PartState, SitePart,
    Status,
};
use starling_daemon::config::Overrides;
use starling_daemon::home::Home;
use starling_daemon::{open_offline_on, run_on};
use starling_store::engine::{ByteCount, Engine, FaultPlan, MemoryEngine};
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, advisory};
use crate::opening::ask;

#[test]
fn site_without_its_log_does_not_start_a_second_one() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    site.feed("mine", &[advisory("EX-1", "express", "4.18.0")]);
    drop(site);
    let home = bench.home("site-a");
    let log = home.join("log");
    let aside = bench.home("log-aside");
    fs::rename(&log, &aside).unwrap();
    let refused = |what: &str| {
        let problem = bench.try_open("site-a").err().unwrap();
        assert_eq!(problem.code, ErrorCode::StoreMissing, "{what}: {problem}");
        let said = format!("{problem:?}");
        assert!(
            said.contains("restore the folder") && said.contains("second history"),
            "{what}: {said}"
        );
    };
    refused("no log");
    assert!(!log.exists(), "nothing was made in its place");
    fs::create_dir(&log).unwrap();
    refused("an empty folder");
    fs::write(log.join("0000000001.log"), b"").unwrap();
    refused("an empty file");
    // Without engine and packs it is still the site that had a log.
    fs::rename(home.join("store"), bench.home("store-aside")).unwrap();
    fs::rename(home.join("packs"), bench.home("packs-aside")).unwrap();
    refused("nothing at all");
    fs::remove_dir_all(&log).unwrap();
    for (folder, aside) in [("log", "log-aside"), ("packs", "packs-aside")] {
        fs::rename(bench.home(aside), home.join(folder)).unwrap();
    }
    assert_eq!(bench.open("site-a").status().advisories, 1);
}

#[test]
fn unusable_engine_is_rebuilt_from_the_log() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    site.feed("mine", &[advisory("EX-1", "express", "4.18.0")]);
    let known = site.status();
    drop(site);
    let folder = bench.home("site-a").join("store");
    let file = folder.join("store.redb");
    let sound = fs::read(&file).unwrap();
    let noise: Vec<u8> = (0..=250_u8).cycle().take(sound.len()).collect();
    let mut middle = sound.clone();
    middle[4_096..].fill(0xA5);
    for (what, bytes) in [
        ("noise", &noise[..]),
        ("text", &b"not a store"[..]),
        ("pages", &middle[..]),
        ("half", &sound[..sound.len() / 2]),
        ("nothing", &[]),
    ] {
        fs::write(&file, bytes).unwrap();
        let status = bench.open("site-a").status();
        assert_eq!(status.knowledge_root, known.knowledge_root, "{what}");
        assert_eq!(status.advisories, 1, "{what}");
    }
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(bench.open("site-a").status().knowledge_root, known.knowledge_root);
}

#[test]
fn damaged_log_is_refused_with_advice() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    site.feed("mine", &[advisory("EX-1", "express", "4.18.0")]);
    drop(site);
    let folder = bench.home("site-a").join("log");
    let file = folder.join("0000000001.log");
    let sound = fs::read(&file).unwrap();
    let noise: Vec<u8> = (0..=250_u8).cycle().take(sound.len()).collect();
    let mut middle = sound.clone();
    middle[sound.len() / 2] ^= 1;
    for (what, bytes) in [
        ("noise", &noise[..]),
        ("text", &b"not a log"[..]),
        ("one bit", &middle[..]),
        ("half", &sound[..sound.len() / 2]),
    ] {
        fs::write(&file, bytes).unwrap();
        // Without the engine, the whole log is read.
        fs::remove_dir_all(bench.home("site-a").join("store")).ok();
        let problem = bench.try_open("site-a").err().unwrap();
        assert_eq!(problem.code, ErrorCode::StoreDamaged, "{what}: {problem:?}");
        let said = format!("{problem:?}");
        assert!(said.contains("restore the files"), "{what}: {said}");
    }
    fs::write(&file, &sound).unwrap();
    assert_eq!(bench.open("site-a").status().advisories, 1);
}

/// Returns a check of a doctor's report.
fn check<'r>(report: &'r DoctorReport, name: &str) -> &'r DoctorCheck {
    report.checks.iter().find(|check| check.name == name).unwrap()
}

#[test]
fn doctor_distinguishes_announced_withdrawals_from_no_record() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let found = || {
        let report = site.wait(site.service.doctor(DoctorRequest::default())).unwrap();
        check(&report, "records that a scan can find").found.clone()
    };
    assert_eq!(found(), "no record is here: a scan finds nothing");
    let mut announced = advisory("EX-1", "express", "4.18.0");
    announced["withdrawn"] = json!("2999-01-01T00:00:00Z");
    site.feed("mine", &[announced]);
    assert!(
        found().starts_with("every record here is withdrawn"),
        "{}",
        found()
    );
}

#[test]
fn lost_packs_are_reported_until_their_bodies_return() {
    const MISSING: &str = "record bodies that claims need";
    const REACH: &str = "records that a scan can find";
    let bench = Bench::new();
    let (a, b) = (bench.site("site-a"), bench.site("site-b"));
    a.feed_whole(
        "mine",
        &[
            advisory("EX-1", "express", "4.18.0"),
            advisory("EX-2", "lodash", "4.17.21"),
        ],
    );
    b.list(&a, &["*"]);
    let bundle = a.export(ExportRequest::default());
    b.import(&bundle, ImportParams::default()).unwrap();
    assert!(b.status().store.check.is_none());
    drop(b);
    let packs = bench.home("site-b").join("packs");
    fs::rename(&packs, bench.home("site-b").join("moved")).unwrap();

    let b = bench.open("site-b");
    let doctor = |request| b.wait(b.service.doctor(request)).unwrap();
    let damage = || b.status().store.check.filter(|check| check.wrong > 0);
    let told = damage().expect("status looks for the packs");
    assert!(
        told.damaged[0].starts_with("pack 00000001 is missing"),
        "{told:?}"
    );
    let store = |status: Status| {
        let part = status.parts.into_iter().find(|part| part.part == SitePart::Store);
        part.unwrap()
    };
    assert_eq!(store(b.status()).state, PartState::Attention);
    assert!(!doctor(DoctorRequest::default()).ok);
    let repair = DoctorRequest {
        repair: true,
        ..DoctorRequest::default()
    };
    for again in [false, true, true] {
        let report = doctor(repair);
        assert!(!report.ok, "{report:?}");
        assert!(
            report.checks.iter().all(|check| check.repaired == 0),
            "{report:?}"
        );
        let missing = check(&report, MISSING);
        assert!(
            !missing.ok
                && missing
                    .found
                    .starts_with("2 record bodies are missing here (2 of site-a, mine, such as "),
            "{again}: {missing:?}"
        );
        let reach = check(&report, REACH);
        assert!(!reach.ok && reach.found.contains("held back: mine"), "{reach:?}");
    }
    let feeds = |status: Status| {
        let part = status.parts.into_iter().find(|part| part.part == SitePart::Feeds);
        part.unwrap()
    };
    let shown = feeds(b.status());
    assert_eq!(shown.state, PartState::Attention, "{shown:?}");
    drop(b);

    // A later command knows it too.
    let b = bench.open("site-b");
    let doctor = |request| b.wait(b.service.doctor(request)).unwrap();
    let told = b.status().store.check.expect("it is remembered");
    assert_eq!(told.wrong, 2, "{told:?}");
    assert!(told.advice.unwrap().contains("lost"));
    assert!(bench.home("site-b").join("damage.json").exists());
    let forced = ImportParams {
        force: true,
        ..ImportParams::default()
    };
    b.import(&bundle, forced).unwrap();
    assert!(b.status().store.check.is_none_or(|check| check.wrong == 0));
    let report = doctor(DoctorRequest::default());
    assert!(
        report.ok && report.checks.iter().all(|check| check.ok),
        "{report:?}"
    );
    assert!(!bench.home("site-b").join("damage.json").exists());
    assert_eq!(store(b.status()).state, PartState::Ok);
}

#[test]
fn copied_home_needs_attention_and_says_what_to_do() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    site.feed("mine", &[advisory("EX-1", "express", "4.18.0")]);
    drop(site);
    let log = bench.home("site-a").join("log");
    let copy = bench.home("site-a").join("log.copy");
    fs::create_dir(&copy).unwrap();
    for file in fs::read_dir(&log).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    fs::remove_dir_all(&log).unwrap();
    fs::rename(&copy, &log).unwrap();
    let site = bench.open("site-a");
    let report = site.wait(site.service.doctor(DoctorRequest::default())).unwrap();
    let home = check(&report, "home");
    assert!(!home.ok && home.found.contains("`starling restore"), "{home:?}");
    assert!(!home.found.contains("inode"), "{home:?}");
    assert!(report.ok, "it is not damaged: {report:?}");
}

#[test]
fn site_on_a_full_disk_answers_and_refuses_writes() {
    let bench = Bench::new();
    drop(bench.site("site-a"));
    let home = bench.home("site-a");
    let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
    let shared: Arc<dyn Engine> = engine.clone();
    let first = open_offline_on(shared.clone(), &home, &Overrides::default()).unwrap();
    drop(first);
    engine.set_plan(FaultPlan {
        capacity: Some(ByteCount(0)),
        ..FaultPlan::default()
    });
    let overrides = Overrides {
        settings: vec![("federation.enabled".to_owned(), "false".to_owned())],
    };
    let socket = home.join("starling.sock");
    let stop = CancellationToken::new();
    let ran = bench.wait(async {
        let daemon = tokio::spawn({
            let (home, stop) = (home.clone(), stop.clone());
            async move { run_on(shared, &home, &overrides, stop).await }
        });
        while ask(&socket, "GET", "/status", b"").0 != 200 && !daemon.is_finished() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        daemon.await.unwrap()
    });
    ran.unwrap();
    // The same site without its daemon: reads work, writes report the reason.
    let offline = open_offline_on(engine, &home, &Overrides::default()).unwrap();
    let service = offline.service();
    assert_eq!(bench.wait(service.status()).unwrap().advisories, 0);
    let mut feed = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    let record = advisory("EX-1", "express", "4.18.0").to_string();
    std::io::Write::write_all(&mut feed, record.as_bytes()).unwrap();
    let input = starling_api::Upload::Path(feed.path().to_owned());
    let import = service.import_feed("mine".parse().unwrap(), input, Default::default());
    let problem = bench.wait(import).unwrap_err();
    assert_eq!(problem.code, ErrorCode::DiskFull, "{problem}");
    assert!(
        problem.hint.as_deref().unwrap_or("").contains("free some space"),
        "{problem:?}"
    );
}

#[test]
fn bundle_is_exported_from_a_full_disk_with_warnings() {
    let bench = Bench::new();
    let reader = bench.site("site-b");
    drop(bench.site("site-a"));
    let home = bench.home("site-a");
    let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
    let shared: Arc<dyn Engine> = engine.clone();
    let offline = open_offline_on(shared, &home, &Overrides::default()).unwrap();
    let feed = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    fs::write(feed.path(), advisory("EX-1", "express", "4.18.0").to_string()).unwrap();
    let input = starling_api::Upload::Path(feed.path().to_owned());
    let service = offline.service();
    let import = service.import_feed("mine".parse().unwrap(), input, Default::default());
    assert_eq!(bench.wait(import).unwrap().rejected, 0);
    let export = || {
        bench.wait(async {
            let mut bundle = service.export_bundle(Default::default()).await.unwrap();
            let mut bytes = Vec::new();
            while let Some(chunk) = bundle.bytes.next().await {
                bytes.extend_from_slice(&chunk.unwrap());
            }
            (bundle.summary.warnings, bytes)
        })
    };
    assert_eq!(export().0, [""; 0]);
    engine.set_plan(FaultPlan {
        capacity: Some(ByteCount(0)),
        ..FaultPlan::default()
    });
    let (warnings, bytes) = export();
    assert!(
        matches!(&warnings[..], [head, note] if head.contains("heads") && note.contains("recorded")),
        "{warnings:?}"
    );
    let identity = Home::open(&home).unwrap().identity();
    let add = json!({ "site_id": "site-a", "key": identity.certificates, "allowed_sources": ["*"] });
    reader
        .wait(reader.service.add_site(serde_json::from_value(add).unwrap()))
        .unwrap();
    assert!(reader.import(&bytes, Default::default()).unwrap().success);
    assert_eq!(reader.status().advisories, 1);
}

#[test]
fn bundle_shows_its_start_if_the_reader_is_unknown() {
    let bench = Bench::new();
    let (site, reader) = (bench.site("site-a"), bench.site("site-b"));
    site.list(&reader, &["*"]);
    reader.list(&site, &["*"]);
    site.feed("mine", &[advisory("EX-1", "express", "4.18.0")]);
    let first = site.status().head.unwrap();
    site.feed("mine", &[advisory("EX-2", "express", "4.18.0")]);
    let warnings = |cursors: &[String], to: Option<&str>| {
        let request = ExportRequest {
            cursors: cursors.iter().map(|cursor| cursor.parse().unwrap()).collect(),
            to_site: to.map(|site| site.parse().unwrap()),
        };
        site.wait(site.service.export_bundle(request))
            .unwrap()
            .summary
            .warnings
    };
    assert_eq!(warnings(&[first.to_string()], None), [""; 0]);
    let unknown = warnings(&[], Some("site-b"));
    assert!(
        unknown[0].contains("nothing is known of what site-b holds"),
        "{unknown:?}"
    );
    let listed = site.wait(site.service.sites()).unwrap();
    assert_eq!(
        listed.sites[0].last_sync_at, None,
        "nobody knows if the bundle arrived"
    );
    let number = first.to_string();
    let number = number.rsplit('#').next().unwrap();
    let other = warnings(&[format!("2001-01-01T00:00:00.000Z#{number}")], Some("site-b"));
    assert!(
        other.len() == 1 && other[0].starts_with(&format!("the log has {first}, not 2001-01-01")),
        "{other:?}"
    );
    reader.feed("other", &[advisory("EX-3", "express", "4.18.0")]);
    assert!(
        reader
            .import(&site.export(ExportRequest::default()), Default::default())
            .unwrap()
            .success
    );
    assert!(
        site.import(&reader.export(ExportRequest::default()), Default::default())
            .unwrap()
            .success
    );
    site.feed("mine", &[advisory("EX-4", "express", "4.18.0")]);
    assert_eq!(warnings(&[], Some("site-b")), [""; 0]);
}
