//! Imports of input that is damaged, empty, or of which nothing is understood.

use starling_api_types::{ErrorCode, FeedImportOptions, FeedImportReport, Problem, SitePart};

use crate::bench::{Bench, Site, advisory};
use crate::past;

const SOURCE: &str = "mine";

fn whole(allow_empty: bool, approve: bool) -> FeedImportOptions {
    FeedImportOptions {
        complete: true,
        allow_empty,
        approve,
        ..FeedImportOptions::default()
    }
}

fn lines(count: usize) -> String {
    let records = (0..count).map(|number| advisory(&format!("EX-{number}"), "express", "4.18.0").to_string());
    records.collect::<Vec<_>>().join("\n")
}

fn take(site: &Site<'_>, text: &str, options: FeedImportOptions) -> Result<FeedImportReport, Problem> {
    site.take_in_with(SOURCE, text, options)
}

#[test]
fn truncated_input_is_refused_without_complete_too() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let text = lines(50);
    let cut = &text[..text.len() - 10];
    for options in [
        FeedImportOptions::default(),
        FeedImportOptions {
            strict: true,
            ..FeedImportOptions::default()
        },
        whole(false, false),
        whole(true, true),
    ] {
        let problem = take(&site, cut, options).unwrap_err();
        assert_eq!(problem.code, ErrorCode::FeedTruncated, "{problem}");
        let hint = problem.hint.clone().unwrap_or_default();
        assert!(hint.contains("nothing was changed"), "{hint}");
    }
    assert_eq!(site.status().advisories, 0);
    let report = take(&site, &text, whole(false, false)).unwrap();
    let kinds: Vec<_> = report
        .read_as
        .iter()
        .map(|one| (one.kind.as_str(), one.documents))
        .collect();
    assert_eq!((report.stored, &kinds[..]), (50, &[("osv", 50)][..]));
}

#[test]
fn allow_empty_takes_an_empty_input_and_no_other() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    // A source that has nothing may be empty.
    for empty in ["", "[]"] {
        let report = take(&site, empty, whole(true, false)).unwrap();
        assert_eq!(report.absent, 0, "{empty:?}: {:?}", report.warnings);
        assert!(report.warnings.is_empty(), "{empty:?}: {:?}", report.warnings);
    }
    take(&site, &lines(50), whole(false, false)).unwrap();
    let before = site.status();
    for misread in ["{\"name\": \"a manifest\"}", "{\"id\": 7}", "<html></html>"] {
        let problem = take(&site, misread, whole(true, true)).unwrap_err();
        assert_eq!(problem.code, ErrorCode::FeedEmpty, "{misread}: {problem}");
        let hint = problem.hint.clone().unwrap_or_default();
        assert!(hint.contains("--kind: ") && hint.contains("nvd"), "{hint}");
        assert!(!hint.contains("--allow-empty"), "{hint}");
    }
    let problem = take(&site, "[]", whole(true, false)).unwrap_err();
    assert_eq!(problem.code, ErrorCode::FeedSuspect, "{problem}");
    assert_eq!(site.status().knowledge_root, before.knowledge_root);
    assert_eq!(take(&site, "[]", whole(true, true)).unwrap().absent, 50);
}

/// Imports two records as plain files, then the folder again as the whole source with the second record's file
/// replaced by `name` with `content`; returns the second report.
fn second_as(name: &str, content: &[u8]) -> Result<FeedImportReport, Problem> {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let folder = tempfile::tempdir().unwrap();
    let import = || {
        let input = starling_api::Upload::Path(folder.path().to_owned());
        site.wait(
            site.service
                .import_feed(SOURCE.parse().unwrap(), input, whole(false, false)),
        )
    };
    for (name, line) in ["EX-0.json", "EX-1.json"].iter().zip(lines(2).lines()) {
        std::fs::write(folder.path().join(name), line).unwrap();
    }
    import().unwrap();
    std::fs::remove_file(folder.path().join("EX-1.json")).unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    import()
}

#[test]
fn record_of_an_unopened_file_does_not_become_absent() {
    const XZ: &[u8] = b"\xfd7zXZ\0\0";
    for name in ["EX-1.json.xz", "other.json.xz"] {
        let report = second_as(name, XZ).unwrap();
        assert_eq!(
            (report.absent, report.rejected),
            (0, 1),
            "{name}: {:?}",
            report.warnings
        );
        let named = &report.files[0];
        assert!(
            named.name == name && named.reason.contains("packed as xz"),
            "{named:?}"
        );
        let why = report.unchecked.unwrap();
        assert!(why.starts_with("1 document was rejected"), "{why}");
    }
    let report = second_as("README", b"no record").unwrap();
    assert_eq!((report.absent, report.unchecked), (1, None));
    let report = second_as("more.zip", b"<html></html>").unwrap();
    assert_eq!((report.absent, report.rejected), (0, 1), "{:?}", report.warnings);
    assert!(report.unchecked.is_some());
}

#[test]
fn status_names_what_the_last_import_rejected() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let feeds = || {
        let health = site.wait(site.service.health()).unwrap();
        let part = health.parts.into_iter().find(|part| part.part == SitePart::Feeds);
        part.unwrap().detail
    };
    let report = take(
        &site,
        &format!("{}\n{{\"id\": 7}}", lines(3)),
        whole(false, false),
    )
    .unwrap();
    assert_eq!((report.stored, report.rejected), (3, 1));
    let why = report.unchecked.unwrap();
    assert_eq!(why, "1 document was rejected, and what it says is not known");
    let told = feeds();
    assert!(
        told.contains("import of mine: 1 document was rejected at "),
        "{told}"
    );
    assert!(told.contains("the record's id must be a string"), "{told}");
    let commands = told.matches("starling feeds import PATH").count();
    assert_eq!(commands, 1, "the same command: {told}");
    // A part, even a good one, does not close it.
    assert_eq!(
        take(&site, &lines(1), FeedImportOptions::default())
            .unwrap()
            .unchecked,
        None
    );
    assert!(feeds().contains("import of mine: "));
    assert_eq!(
        take(&site, &lines(3), whole(false, false)).unwrap().unchecked,
        None
    );
    let told = feeds();
    assert!(!told.contains("import of mine"), "{told}");
}

#[test]
fn scan_names_an_import_that_has_not_ended() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    take(&site, &lines(3), whole(false, false)).unwrap();
    let scan = || past::scan(&site, None);
    let before = scan();
    assert!(before.unfinished_imports.is_empty());
    // As an interrupted import leaves it.
    let left = r#"{"mine": {"at": "2026-01-01T00:00:00.000Z", "is_whole": true, "is_unfinished": true}}"#;
    std::fs::write(bench.home("site-a").join("imports.json"), left).unwrap();
    assert_eq!(scan().unfinished_imports, ["mine"]);
    take(&site, &lines(1), FeedImportOptions::default()).unwrap();
    assert_eq!(scan().unfinished_imports, ["mine"], "a part does not end it");
    take(&site, &lines(3), whole(false, false)).unwrap();
    assert!(scan().unfinished_imports.is_empty());
}
