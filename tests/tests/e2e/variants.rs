//! Handmade bundles that break one rule each, or none: `validate`, a dry run, an import and the API must agree.

use std::path::Path;

use starling_api_types::{
    BundleValidation, ErrorCode, ImportReport, LogOutcome, MuteList, Position, Problem,
};
use starling_protocol::{Claim, Reason};
use starling_tests::Site;
use starling_tests::http::Request;

use crate::bench;
use crate::craft::{Author, Pack, january, list};

/// The result of an import.
#[derive(Debug)]
struct Said {
    code: Option<ErrorCode>,
    detail: String,
    outcomes: Vec<(String, LogOutcome, Option<ErrorCode>)>,
    warnings: String,
    certificates: u64,
    exit: i32,
}

fn said(exit: i32, stdout: &[u8], problem: Option<Problem>) -> Said {
    let mut said = Said {
        code: None,
        detail: String::new(),
        outcomes: Vec::new(),
        warnings: String::new(),
        certificates: 0,
        exit,
    };
    if let Some(problem) = problem {
        (said.code, said.detail) = (Some(problem.code), problem.to_string());
        return said;
    }
    let report: ImportReport = serde_json::from_slice(stdout).unwrap();
    assert_eq!(report.success, exit == 0, "{report:?}");
    said.warnings = report.warnings.join("\n");
    said.certificates = report.certificates;
    for log in report.logs {
        let name = log.site_id.map_or_else(String::new, |name| name.to_string());
        said.outcomes.push((name, log.outcome, log.code));
    }
    said
}

fn import(site: &Site, file: &Path, more: &[&str]) -> Said {
    let args = ["bundle".into(), "import".into(), file.to_owned().into_os_string()];
    let ended = site.json_call(args.into_iter().chain(more.iter().map(std::ffi::OsString::from)));
    let problem = (ended.code != 0 && ended.code != 7).then(|| ended.problem());
    said(ended.code, &ended.stdout, problem)
}

/// Checks that all interfaces of a reader agree about a bundle; returns the result of the import, which comes
/// last.
fn judge(reader: &mut Site, file: &Path) -> Said {
    let args = [
        "bundle".into(),
        "validate".into(),
        file.to_owned().into_os_string(),
    ];
    let ended = reader.json_call(args);
    let validation: BundleValidation = serde_json::from_slice(&ended.stdout).unwrap();
    let dry = import(reader, file, &["--dry-run"]);
    reader.up();
    let bytes = std::fs::read(file).unwrap();
    let post = |path: &str| {
        let request = Request::post(path, &bytes).header("content-type", "application/zstd");
        reader.call(&request)
    };
    let answer = post("/federation/bundles/validate");
    let remote: BundleValidation = answer.json(200);
    assert_eq!(remote.valid, validation.valid, "{remote:#?} {validation:#?}");
    let remote = post("/federation/import?dry_run=true").status;
    reader.stop();
    let done = import(reader, file, &[]);
    let would_take = validation.valid && validation.news != Some(false);
    assert_eq!(would_take, done.exit == 0, "{validation:#?} {done:#?}");
    assert_eq!((dry.exit, dry.code), (done.exit, done.code), "{dry:#?} {done:#?}");
    assert_eq!(dry.outcomes, done.outcomes);
    assert_eq!(remote < 300, done.exit != 3, "{remote} {done:#?}");
    done
}

fn position(reader: &Site, author: &Author) -> Position {
    let site = author.site().to_string();
    let mut positions = reader.status().positions.into_iter();
    let found =
        positions.find(|at| at.site.to_string() == site && at.lane == starling_api_types::Lane::Federation);
    found.expect("the log is known")
}

fn held(reader: &Site, author: &Author) -> u64 {
    let held = position(reader, author).held;
    held.as_ref().map_or(0, starling_tests::number_of)
}

/// Returns a reader, and two authors that it lists.
fn world(folder: &Path) -> (Site, Author, Author) {
    let reader = Site::init(folder, "reader");
    let (a, b) = (Author::new("craft-a", 10), Author::new("craft-b", 20));
    list(&reader, &[&a, &b]);
    (reader, a, b)
}

#[test]
fn records_out_of_a_bundles_scope_are_not_kept() {
    let bench = bench();
    let (mut reader, mut a, _) = world(bench.path());
    a.set("GHSA-1", "one");
    let mut pack = Pack::of(&a, 0);
    pack.scope = Some(vec!["nvd".parse().unwrap()]);
    let narrow = pack.write(&a, bench.path(), "narrow.stl");
    let done = judge(&mut reader, &narrow);
    assert_eq!(done.exit, 7, "{done:#?}");
    assert_eq!(done.outcomes[0].1, LogOutcome::Held);
    assert!(done.warnings.contains("out of its scope"), "{done:#?}");
    assert_eq!((reader.status().records, held(&reader, &a)), (0, 1));
    let whole = Pack::of(&a, 0).write(&a, bench.path(), "whole.stl");
    assert_eq!(judge(&mut reader, &whole).exit, 0);
    assert_eq!(reader.status().records, 1);
}

#[test]
fn diverging_range_is_kept_as_a_fork() {
    for with_head in [true, false] {
        let bench = bench();
        let (mut reader, mut a, b) = world(bench.path());
        a.set("GHSA-1", "one");
        let mut twin = a.clone();
        a.set("GHSA-1", "two");
        twin.set("GHSA-1", "another two");
        twin.set("GHSA-1", "and on");
        let first = Pack::of(&a, 0).write(&a, bench.path(), "first.stl");
        assert_eq!(judge(&mut reader, &first).exit, 0);
        // The differing delta is not in it.
        let pack = Pack::of(&twin, 2);
        let pack = if with_head { pack } else { pack.without_heads() };
        let second = pack.write(&b, bench.path(), "second.stl");
        let said = judge(&mut reader, &second);
        assert_eq!(
            (said.exit, said.code),
            (3, Some(ErrorCode::ForkDetected)),
            "{said:#?}"
        );
        assert!(said.detail.contains("two histories"), "{said:#?}");
        let at = position(&reader, &a);
        assert!(at.hold_reason.unwrap().contains("frozen"), "the proof is kept");
        a.set("GHSA-1", "three");
        let next = Pack::of(&a, 2).write(&a, bench.path(), "next.stl");
        assert_eq!(judge(&mut reader, &next).code, Some(ErrorCode::AuthorFrozen));
        // A certificate that names the branch ends it.
        a.begin_epoch(77, None, Reason::ForkResolution);
        // It resumes past the held part: nothing shows to which branch the deltas before it belong.
        let last = Pack::of(&a, 2).write(&a, bench.path(), "last.stl");
        assert_eq!(judge(&mut reader, &last).code, Some(ErrorCode::BundleGap));
        let last = Pack::of(&a, 0).write(&a, bench.path(), "all.stl");
        assert_eq!(judge(&mut reader, &last).exit, 0);
        assert_eq!(held(&reader, &a), 3);
        reader.expect_sound();
    }
}

#[test]
fn lost_branch_gives_way_to_a_bundle_of_the_named_one() {
    // A site without peers holds the lost branch, and nothing but bundles can bring the other one.
    for from in [0, 1] {
        let bench = bench();
        let (mut reader, mut a, _) = world(bench.path());
        a.set("GHSA-1", "one");
        let mut twin = a.clone();
        for id in ["GHSA-2", "GHSA-3"] {
            twin.set(id, "lost");
        }
        for id in ["GHSA-2", "GHSA-4"] {
            a.set(id, "named");
        }
        let lost = Pack::of(&twin, 0).write(&twin, bench.path(), "lost.stl");
        assert_eq!(judge(&mut reader, &lost).exit, 0);
        a.begin_epoch(77, None, Reason::ForkResolution);
        a.set("GHSA-5", "after");
        // They begin after the place where the two part: nothing shows of which branch the deltas before them are.
        for (begin, name) in [(3, "next.stl"), (2, "middle.stl")] {
            let part = Pack::of(&a, begin).write(&a, bench.path(), name);
            let said = judge(&mut reader, &part);
            assert_eq!(said.code, Some(ErrorCode::EpochClosed), "{said:#?}");
        }
        let whole = Pack::of(&a, from).write(&a, bench.path(), "whole.stl");
        let said = judge(&mut reader, &whole);
        assert_eq!(said.exit, 0, "{said:#?}");
        assert!(said.warnings.contains("replace"), "{said:#?}");
        let at = position(&reader, &a);
        assert_eq!((held(&reader, &a), at.hold_reason), (4, None));
        assert_eq!(reader.status().records, 4);
        reader.expect_sound();
    }
}

#[test]
fn fork_of_one_author_keeps_the_news_of_another() {
    let bench = bench();
    let (mut reader, mut a, mut b) = world(bench.path());
    a.set("GHSA-1", "one");
    let mut twin = a.clone();
    a.set("GHSA-1", "two");
    twin.set("GHSA-1", "another two");
    b.set("GHSA-2", "one");
    let first = Pack::of(&a, 0).write(&a, bench.path(), "first.stl");
    assert_eq!(judge(&mut reader, &first).exit, 0);
    let second = Pack::of(&twin, 0)
        .with(&b, 0)
        .write(&b, bench.path(), "second.stl");
    let said = judge(&mut reader, &second);
    assert_eq!(said.exit, 7, "{said:#?}");
    let outcome = |name: &str| {
        let mut found = said.outcomes.iter().filter(|(log, ..)| log == name);
        found.next().map(|(_, outcome, code)| (*outcome, *code)).unwrap()
    };
    assert_eq!(
        outcome("craft-a"),
        (LogOutcome::Refused, Some(ErrorCode::ForkDetected))
    );
    assert_eq!(outcome("craft-b"), (LogOutcome::Taken, None));
    assert!(position(&reader, &a).hold_reason.unwrap().contains("frozen"));
    assert_eq!((held(&reader, &a), held(&reader, &b)), (2, 1));
}

#[test]
fn head_of_another_history_freezes_without_a_range() {
    let bench = bench();
    let (mut reader, mut a, b) = world(bench.path());
    let mut twin = a.clone();
    a.set("GHSA-1", "one");
    twin.set("GHSA-1", "another one");
    let first = Pack::of(&a, 0).write(&a, bench.path(), "first.stl");
    assert_eq!(judge(&mut reader, &first).exit, 0);
    let head = Pack::default().with_chain(&twin).with_head(twin.head());
    let head = head.write(&b, bench.path(), "head.stl");
    let said = judge(&mut reader, &head);
    assert_eq!(
        (said.exit, said.code),
        (3, Some(ErrorCode::HeadContradicts)),
        "{said:#?}"
    );
    assert!(
        position(&reader, &a)
            .hold_reason
            .unwrap()
            .contains("two histories")
    );
}

#[test]
fn head_ahead_of_its_range_raises_only_high_water() {
    let bench = bench();
    let (mut reader, mut a, b) = world(bench.path());
    a.set("GHSA-1", "one");
    let mut ahead = a.clone();
    ahead.set("GHSA-1", "two");
    let first = Pack::of(&a, 0).with_head(ahead.head());
    let first = first.write(&b, bench.path(), "first.stl");
    let said = judge(&mut reader, &first);
    assert_eq!(said.exit, 0, "{said:#?}");
    let at = position(&reader, &a);
    let numbers = [at.high_water, at.held].map(|at| at.as_ref().map_or(0, starling_tests::number_of));
    assert_eq!(numbers, [2, 1]);
    // An earlier head is no news, and lowers nothing.
    let older = Pack::default().with_chain(&a).with_head(a.head());
    let older = older.write(&b, bench.path(), "older.stl");
    let said = judge(&mut reader, &older);
    assert_eq!(
        (said.exit, said.code),
        (3, Some(ErrorCode::BundleEmpty)),
        "{said:#?}"
    );
    let at = position(&reader, &a).high_water;
    assert_eq!(at.as_ref().map_or(0, starling_tests::number_of), 2);
}

#[test]
fn new_certificate_alone_is_news_once() {
    let bench = bench();
    let (mut reader, mut a, b) = world(bench.path());
    a.set("GHSA-1", "one");
    a.set("GHSA-2", "one");
    let first = Pack::of(&a, 0).write(&a, bench.path(), "first.stl");
    assert_eq!(judge(&mut reader, &first).exit, 0);
    // It gives up the second delta.
    let resume = a.log[0].clone();
    a.begin_epoch(77, Some(&resume), Reason::Restore);
    let certificate = Pack::default()
        .with_chain(&a)
        .write(&b, bench.path(), "certificate.stl");
    let said = judge(&mut reader, &certificate);
    assert_eq!((said.exit, said.certificates), (0, 1), "{said:#?}");
    assert_eq!(held(&reader, &a), 1);
    assert_eq!(reader.status().records, 1);
    let said = judge(&mut reader, &certificate);
    assert_eq!(
        (said.exit, said.code),
        (3, Some(ErrorCode::BundleEmpty)),
        "{said:#?}"
    );
    // Its closed part does not return.
    let said = judge(&mut reader, &first);
    assert_eq!(said.exit, 3, "{said:#?}");
    assert_eq!(held(&reader, &a), 1);
    reader.expect_sound();
}

#[test]
fn two_certificates_of_an_epoch_stop_only_that_site() {
    let bench = bench();
    let (mut reader, mut a, mut b) = world(bench.path());
    a.set("GHSA-1", "one");
    b.set("GHSA-2", "one");
    let mut rival = a.clone();
    a.begin_epoch(77, None, Reason::Rotation);
    rival.begin_epoch(78, None, Reason::Rotation);
    let first = Pack::of(&a, 0).write(&a, bench.path(), "first.stl");
    assert_eq!(judge(&mut reader, &first).exit, 0);
    let second = Pack::of(&b, 0)
        .with_chain(&rival)
        .write(&b, bench.path(), "second.stl");
    let said = judge(&mut reader, &second);
    assert_ne!(said.exit, 3, "{said:#?}");
    assert!(said.warnings.contains("epoch 1"), "{said:#?}");
    assert_eq!(held(&reader, &b), 1, "the other author keeps its news");
    let reason = position(&reader, &a).hold_reason.unwrap();
    assert!(
        reason.contains("certificates") && reason.contains("trusted"),
        "{reason}"
    );
    a.set("GHSA-1", "two");
    let next = Pack::of(&a, 1).write(&a, bench.path(), "next.stl");
    assert_eq!(
        judge(&mut reader, &next).code,
        Some(ErrorCode::CertificateConflict)
    );
}

#[test]
fn bundle_without_bodies_is_held_until_they_come() {
    let bench = bench();
    let (mut reader, mut a, b) = world(bench.path());
    a.set("GHSA-1", "one");
    let thin = Pack::of(&a, 0)
        .without_bodies()
        .write(&b, bench.path(), "thin.stl");
    let said = judge(&mut reader, &thin);
    assert_eq!(said.exit, 7, "{said:#?}");
    assert_eq!(said.outcomes[0].1, LogOutcome::Held);
    assert_eq!(reader.status().records, 0);
    // No source is in scope: the file is complete then, but the reader still lacks the bodies.
    let mut scoped = Pack::of(&a, 0).without_bodies();
    scoped.scope = Some(Vec::new());
    let scoped = scoped.write(&b, bench.path(), "scoped.stl");
    assert_eq!(judge(&mut reader, &scoped).exit, 7);
    let whole = Pack::of(&a, 0).write(&b, bench.path(), "whole.stl");
    let said = judge(&mut reader, &whole);
    assert_eq!(said.exit, 0, "{said:#?}");
    assert_eq!(reader.status().records, 1);
}

#[test]
fn surplus_bodies_are_counted_but_not_kept() {
    let bench = bench();
    let (mut reader, mut a, b) = world(bench.path());
    a.set("GHSA-1", "one");
    let pack = Pack::of(&a, 0).with_body(br#"{"id":"NOBODY-1"}"#);
    let file = pack.write(&b, bench.path(), "surplus.stl");
    let said = judge(&mut reader, &file);
    assert_eq!(said.exit, 0, "{said:#?}");
    assert!(said.warnings.contains("1 records"), "{said:#?}");
    let only = Pack::default()
        .with_chain(&a)
        .with_body(br#"{"id":"NOBODY-2"}"#)
        .write(&b, bench.path(), "only.stl");
    let said = judge(&mut reader, &only);
    assert_eq!(said.exit, 3, "{said:#?}");
}

#[test]
fn unlisted_or_revoked_exporter_is_refused() {
    let bench = bench();
    let (mut reader, mut a, mut b) = world(bench.path());
    a.set("GHSA-1", "one");
    let stranger = Author::new("stranger", 50);
    let file = Pack::of(&a, 0).write(&stranger, bench.path(), "stranger.stl");
    let said = judge(&mut reader, &file);
    assert_eq!(
        (said.exit, said.code),
        (3, Some(ErrorCode::SiteNotAllowed)),
        "{said:#?}"
    );
    let file = Pack::of(&a, 0).write(&b, bench.path(), "before.stl");
    b.begin_epoch(77, None, Reason::Revocation);
    let news = Pack::default().with_chain(&b).write(&a, bench.path(), "news.stl");
    assert_eq!(judge(&mut reader, &news).exit, 0);
    let said = judge(&mut reader, &file);
    assert_eq!(
        (said.exit, said.code),
        (3, Some(ErrorCode::KeyRevoked)),
        "{said:#?}"
    );
}

#[test]
fn only_the_unlisted_author_is_refused() {
    let bench = bench();
    let (mut reader, mut a, _) = world(bench.path());
    a.set("GHSA-1", "one");
    let mut stranger = Author::new("stranger", 50);
    stranger.set("GHSA-9", "one");
    let file = Pack::of(&a, 0)
        .with(&stranger, 0)
        .write(&a, bench.path(), "both.stl");
    let said = judge(&mut reader, &file);
    assert_eq!(said.exit, 7, "{said:#?}");
    let codes: Vec<_> = said.outcomes.iter().filter_map(|(.., code)| *code).collect();
    assert_eq!(codes, [ErrorCode::SiteNotAllowed]);
    assert_eq!(reader.status().records, 1);
}

#[test]
fn non_object_record_refused_renamed_record_shown_as_claimed() {
    for (name, body, exit) in [
        ("other-id", &br#"{"affected":[],"id":"GHSA-2"}"#[..], 0),
        ("list", b"[]", 3),
        ("text", br#""GHSA-1""#, 3),
        ("number", b"9.8", 3),
    ] {
        let bench = bench();
        let (mut reader, mut a, b) = world(bench.path());
        a.set_body("ghsa", "GHSA-1", body);
        a.set("GHSA-3", "good");
        let file = Pack::of(&a, 0).write(&b, bench.path(), "odd.stl");
        let said = judge(&mut reader, &file);
        assert_eq!(said.exit, exit, "{name}: {said:#?}");
        if exit == 3 {
            assert_eq!(said.code, Some(ErrorCode::RecordNotCanonical), "{name}");
            assert_eq!(reader.status().records, 0, "a log is taken whole or not at all");
        }
    }
}

#[test]
fn undecodable_change_is_reported_and_never_applies() {
    let bench = bench();
    let (mut reader, mut a, b) = world(bench.path());
    a.set("GHSA-1", "one");
    let time = january(5_000);
    let garbage = Claim::document_change("mutes", [7; 32], b"no change", time).unwrap();
    a.say(vec![garbage]);
    let file = Pack::of(&a, 0).write(&b, bench.path(), "garbage.stl");
    let said = judge(&mut reader, &file);
    assert_eq!(said.exit, 0, "the claim is held and relayed: {said:#?}");
    let mutes: MuteList = reader.json(["mute", "list"]);
    assert_eq!((mutes.mutes.len(), mutes.refused.len()), (0, 1), "{mutes:?}");
}

#[test]
fn check_in_the_future_is_reported_and_counts_as_now() {
    let bench = bench();
    let (mut reader, mut a, b) = world(bench.path());
    a.set("GHSA-1", "one");
    a.checks = vec![(
        "ghsa".parse().unwrap(),
        starling_protocol::UnixMillis::saturating(4_000_000_000_000),
    )];
    let file = Pack::of(&a, 0).write(&b, bench.path(), "ahead.stl");
    let said = judge(&mut reader, &file);
    assert_eq!(said.exit, 0, "{said:#?}");
    assert!(
        said.warnings.contains("later than this site's clock"),
        "{said:#?}"
    );
    let feed = reader.status().feeds.remove(0);
    assert!(feed.check_ahead.is_some(), "{feed:?}");
}
