//! Manual imports of inputs that are not their complete source.

use starling_api_types::{FeedImportOptions, FeedImportReport, FeedOutcome};

use super::*;

/// Writes files into a new folder and imports it.
fn import(world: &World, files: &[(&str, &str)], complete: bool) -> FeedImportReport {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let options = FeedImportOptions {
        complete,
        ..Default::default()
    };
    let input = starling_feeds::input::Source::path(folder.path());
    let source = "mine".parse().unwrap();
    world.site.0.import_feed(&source, input, &options).unwrap()
}

/// Returns a page of three entries in all, with one of them.
fn page(number: usize) -> String {
    json!({ "items": [{ "id": format!("EUVD-2030-{number}"), "description": "A flaw.", "aliases": "" }], "total": 3 }).to_string()
}

/// Pages 1 and 3 were accepted as the complete source, and the record of page 2 became absent.
#[tokio::test]
async fn import_without_a_page_is_no_check_and_makes_nothing_absent() {
    let world = World::builder().build();
    let pages: Vec<String> = (1..=3).map(page).collect();
    let all = [
        ("1.json", pages[0].as_str()),
        ("2.json", &pages[1]),
        ("3.json", &pages[2]),
    ];
    let whole = import(&world, &all, true);
    assert_eq!((whole.stored, whole.unchecked.as_deref()), (3, None));
    let part = import(&world, &[all[0], all[2]], true);
    assert_eq!((part.unchanged, part.absent), (2, 0));
    let why = "pages are missing: the pages hold 2 of 3 entries; fetch them again";
    assert_eq!(part.unchecked.as_deref(), Some(why));
    assert!(
        part.warnings.iter().any(|warning| warning == why),
        "{:?}",
        part.warnings
    );
}

/// The packages of an earlier list of vulnerabilities stayed affected, although later advisories named their fixes.
#[tokio::test]
async fn later_advisories_remove_conditional_entries() {
    let world = World::builder().build();
    let cves = "CVE-2030-0001 (A flaw)\n\t{DSA-1-1}\n\t- rocket 2.0-1\n\t[bullseye] - rocket 1.0-2\n";
    let first = import(&world, &[("CVE/list", cves)], false);
    assert!(
        first
            .warnings
            .iter()
            .any(|warning| warning.contains("are not known, such as DSA-1-1"))
    );
    let advisories =
        "[01 Jan 2030] DSA-1-1 rocket - security update\n\t{CVE-2030-0001}\n\t[bookworm] - rocket 1.5-1\n";
    let second = import(&world, &[("DSA/list", advisories)], false);
    assert_eq!(second.stored, 2, "the advisory, and the record that names it");
    let together = import(&world, &[("CVE/list", cves), ("DSA/list", advisories)], false);
    assert_eq!((together.stored, together.unchanged), (0, 2), "in any order");
}

/// An HTML page in the folder that is named like an archive made the whole import fail.
#[tokio::test]
async fn false_archive_is_rejected_and_leaves_the_source_unchecked() {
    let world = World::builder().build();
    let record = record(1).to_string();
    let files = [
        ("a/EX-1.json", record.as_str()),
        ("docs/page.zip", "<html>404</html>"),
    ];
    let report = import(&world, &files, true);
    assert_eq!((report.stored, report.rejected), (1, 1));
    assert!(report.unchecked.is_some());
    let rejected = report
        .files
        .iter()
        .find(|file| file.outcome == FeedOutcome::Rejected)
        .unwrap();
    assert_eq!(rejected.name, "docs/page.zip");
}

#[tokio::test]
async fn faults_in_version_ranges_are_warnings() {
    let world = World::builder().build();
    let mut odd = record(1);
    odd["affected"] = json!([{ "package": { "ecosystem": "Maven", "name": "g:a" },
        "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "banana" }] }] }]);
    let report = import(&world, &[("EX-1.json", &odd.to_string())], false);
    assert!(
        report.warnings.iter().any(|warning| warning
            == "EX-1.json: /affected/0/ranges/0/events/1/fixed: \"banana\" is not a version of Maven: it ends nothing"),
        "{:?}",
        report.warnings
    );
}

/// Everything that a run fetches is the source's, so the records of a false archive are unknown.
#[tokio::test]
async fn false_archive_refuses_a_run_of_the_whole_source() {
    let world = World::builder().build();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("EX-1.json"), record(1).to_string()).unwrap();
    fs::write(folder.path().join("npm.zip"), "<html>503</html>").unwrap();
    let how = crate::service::feeds::ImportOptions {
        asked: FeedImportOptions {
            complete: true,
            ..Default::default()
        },
        is_checked: true,
        ..Default::default()
    };
    let source = "mine".parse().unwrap();
    let input = || starling_feeds::input::Source::path(folder.path());
    let problem = world.site.0.import_input(&source, input(), &how).unwrap_err();
    assert_eq!(problem.code, ErrorCode::FeedUnreadable);
    assert!(
        problem.to_string().contains("npm.zip: it is named as an archive"),
        "{problem}"
    );
    // A part of the source is imported, but does not count as a check.
    let part = crate::service::feeds::ImportOptions {
        is_checked: true,
        ..Default::default()
    };
    let taken = world.site.0.import_input(&source, input(), &part).unwrap();
    assert_eq!((taken.report.stored, taken.judged.is_checked), (1, false));
}
