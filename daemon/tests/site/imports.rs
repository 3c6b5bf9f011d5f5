//! Imports of bundles: their reports, and that a refusal and a dry run change nothing.

use serde_json::{Value, json};
use starling_api_types::{
    Conflict, ConflictStrategy, ErrorCode, ExportRequest, ImportParams, ImportReport, SiteChange,
};

use crate::bench::{Bench, advisory, code, dry_run};

fn with(mut record: Value, field: &str, value: Value) -> Value {
    record[field] = value;
    record
}

/// Returns field, local and remote value, and the result.
fn told(conflict: &Conflict) -> [String; 4] {
    [
        conflict.field.clone(),
        conflict.local_value.as_str().to_owned(),
        conflict.remote_value.as_str().to_owned(),
        conflict.resolution.clone(),
    ]
}

/// Returns a report without values of the current time.
fn lasting(mut report: ImportReport) -> ImportReport {
    report.duration_ms = 0;
    report.dry_run = false;
    report
}

#[test]
fn dry_run_reports_like_the_import_and_changes_nothing() {
    let bench = Bench::new();
    let (a, b) = (bench.site("site-a"), bench.site("site-b"));
    b.list(&a, &["*"]);
    let first = [
        advisory("EX-1", "express", "4.18.0"),
        advisory("EX-2", "express", "4.20.0"),
        advisory("EX-3", "lodash", "4.17.21"),
    ];
    a.feed_whole("mine", &first);
    // One record of two packages: records and advisories are counted separately.
    let mut two = advisory("EX-4", "left-pad", "1.0.0");
    let other = advisory("EX-4", "right-pad", "1.0.0")["affected"][0].clone();
    two["affected"].as_array_mut().unwrap().push(other);
    for records in [
        vec![first[0].clone(), first[1].clone(), two.clone()],
        vec![with(first[0].clone(), "summary", json!("changed")), two],
    ] {
        let all = a.export(ExportRequest::default());
        let before = b.status();
        let told = b.import(&all, dry_run()).unwrap();
        assert!(told.dry_run);
        assert_eq!(b.status(), before);
        let done = b.import(&all, ImportParams::default()).unwrap();
        assert_eq!(lasting(told), lasting(done));
        a.feed_whole("mine", &records);
    }
    let all = a.export(ExportRequest::default());
    let told = b.import(&all, dry_run()).unwrap();
    assert_eq!(
        (told.counts.canonical_updated, told.counts.deletions_processed),
        (1, 1)
    );
    assert_eq!(
        lasting(told),
        lasting(b.import(&all, ImportParams::default()).unwrap())
    );
    assert_eq!(a.status().knowledge_root, b.status().knowledge_root);
}

#[test]
fn conflicts_of_authors_are_reported_per_field() {
    let bench = Bench::new();
    let strategy = "[view]\nconflict_strategy = \"prefer_local\"";
    let (a, b) = (bench.site("site-a"), bench.site_with("site-b", strategy));
    b.list(&a, &["*"]);
    let record = advisory("EX-1", "express", "4.18.0");
    let mine = with(record.clone(), "details", json!("what we found"));
    b.feed(
        "shared",
        &[
            with(mine, "summary", json!("ours")),
            advisory("EX-2", "lodash", "1.0.0"),
        ],
    );
    a.feed(
        "shared",
        &[
            with(record, "summary", json!("theirs")),
            advisory("EX-2", "lodash", "1.0.0"),
        ],
    );
    let all = a.export(ExportRequest::default());
    for params in [dry_run(), ImportParams::default()] {
        let report = b.import(&all, params).unwrap();
        let told: Vec<_> = report.conflicts.iter().map(told).collect();
        let keeps = "local: prefer_local".to_owned();
        assert_eq!(
            told,
            [
                [
                    "details".to_owned(),
                    "\"what we found\"".to_owned(),
                    "null".to_owned(),
                    keeps.clone()
                ],
                [
                    "summary".to_owned(),
                    "\"ours\"".to_owned(),
                    "\"theirs\"".to_owned(),
                    keeps
                ],
            ]
        );
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    }
    // The other value is kept, with its author.
    let found = b.get("EX-1").unwrap();
    let summary = &found.advisories[0].fields["summary"];
    assert_eq!(summary.value.as_str(), "\"ours\"");
    let [loser] = &summary.losers[..] else {
        panic!("{summary:?}");
    };
    assert_eq!(
        (loser.value.as_str(), loser.provenance.site_id.as_ref()),
        ("\"theirs\"", Some(&a.slug()))
    );
    let chosen: Vec<bool> = found.advisories[0].edges.iter().map(|edge| edge.chosen).collect();
    assert_eq!(chosen.iter().filter(|chosen| **chosen).count(), 1);
}

#[test]
fn conflicts_of_sources_are_decided_by_their_order() {
    let bench = Bench::new();
    let (a, b) = (bench.site("site-a"), bench.site("site-b"));
    b.list(&a, &["*"]);
    let of = |id: &str, summary: &str| {
        let record = with(
            advisory(id, "express", "4.18.0"),
            "aliases",
            json!(["CVE-2025-10001"]),
        );
        with(record, "summary", json!(summary))
    };
    b.feed("nvd", &[of("NVD-1", "by nvd")]);
    a.feed("ghsa", &[of("GHSA-1", "by ghsa")]);
    let report = b
        .import(&a.export(ExportRequest::default()), ImportParams::default())
        .unwrap();
    let told: Vec<_> = report.conflicts.iter().map(told).collect();
    assert_eq!(
        told,
        [["summary", "\"by nvd\"", "\"by ghsa\"", "remote: source order"].map(str::to_owned)]
    );
}

#[test]
fn withdrawn_records_are_not_counted_as_not_compared() {
    let bench = Bench::new();
    let (a, b) = (bench.site("site-a"), bench.site("site-b"));
    b.list(&a, &["*"]);
    b.feed("nvd", &[advisory("NVD-1", "express", "4.18.0")]);
    let record = |index: usize| advisory(&format!("GHSA-{index}"), "lodash", "1.0.0");
    let records: Vec<Value> = (0..12).map(record).collect();
    a.feed_whole("ghsa", &records);
    a.feed_whole("ghsa", &records[..11]);
    let report = b
        .import(&a.export(ExportRequest::default()), ImportParams::default())
        .unwrap();
    assert_eq!(report.warnings, [""; 0]);
}

#[test]
fn refused_import_changes_nothing() {
    let bench = Bench::new();
    let (a, b) = (bench.site("site-a"), bench.site("site-b"));
    b.list(&a, &["*"]);
    b.feed(
        "shared",
        &[with(
            advisory("EX-1", "express", "4.18.0"),
            "summary",
            json!("ours"),
        )],
    );
    a.feed("shared", &[advisory("EX-1", "express", "4.18.0")]);
    let first = a.export(ExportRequest::default());
    let before = b.status();
    let fail = ImportParams {
        on_conflict: Some(ConflictStrategy::Fail),
        ..ImportParams::default()
    };
    assert_eq!(code(b.import(&first, fail)), ErrorCode::ConflictUnresolved);
    assert_eq!(b.status(), before);
    // A later bundle leaves a gap: even its author's progress is not learned.
    let head = a.status().head.unwrap();
    a.feed("shared", &[advisory("EX-2", "express", "4.18.0")]);
    let request = ExportRequest {
        cursors: vec![head.to_string().parse().unwrap()],
        ..ExportRequest::default()
    };
    let second = a.export(request);
    assert_eq!(
        code(b.import(&second, ImportParams::default())),
        ErrorCode::BundleGap
    );
    assert_eq!(b.status(), before);
    b.import(&first, ImportParams::default()).unwrap();
    b.import(&second, ImportParams::default()).unwrap();
}

#[test]
fn claims_outside_of_allowed_sources_are_held() {
    let bench = Bench::new();
    let (a, b) = (bench.site("site-a"), bench.site("site-b"));
    b.list(&a, &["ghsa"]);
    a.feed("ghsa", &[advisory("GHSA-1", "express", "4.18.0")]);
    a.feed(
        "nvd",
        &[
            advisory("NVD-1", "lodash", "1.0.0"),
            advisory("NVD-2", "lodash", "1.0.0"),
        ],
    );
    let all = a.export(ExportRequest::default());
    let report = b.import(&all, ImportParams::default()).unwrap();
    let [warning] = &report.warnings[..] else {
        panic!("{:?}", report.warnings);
    };
    assert!(
        warning.starts_with("2 claims of site-a about nvd are held but not accepted"),
        "{warning}"
    );
    assert!(
        warning.contains("`starling sites set site-a --allowed-sources ghsa,nvd`"),
        "{warning}"
    );
    // The log's outcome says it too, with the command that allows it; the filter is the site's own, so nothing failed.
    let [log] = &report.logs[..] else {
        panic!("{:?}", report.logs);
    };
    let [unused] = &log.not_used[..] else {
        panic!("{log:?}");
    };
    assert_eq!(
        (unused.source.as_str(), unused.claims, log.other_claims),
        ("nvd", 2, Some(1))
    );
    let reason = log.reason.as_deref().unwrap();
    assert_eq!(
        reason,
        "2 claims are held, not used: nvd is not allowed for site-a here"
    );
    let hint = log.hint.as_deref().unwrap();
    assert!(
        hint.starts_with("`starling sites set site-a --allowed-sources ghsa,nvd`"),
        "{hint}"
    );
    assert!(report.success);
    // The status explains why the two roots differ.
    let position = || {
        let mut positions = b.status().positions.into_iter();
        positions
            .find(|position| position.site_id.as_ref() == Some(&a.slug()))
            .unwrap()
    };
    assert_eq!(position().out_of_scope, ["nvd".parse().unwrap()]);
    assert_eq!((position().held_back, position().by_choice), (2, true));
    let reason = position().hold_reason.unwrap();
    assert!(
        reason.contains("claims about nvd are held and not accepted"),
        "{reason}"
    );
    assert_ne!(a.status().knowledge_root, b.status().knowledge_root);
    let wider = SiteChange {
        allowed_sources: Some(vec!["ghsa".parse().unwrap(), "nvd".parse().unwrap()]),
        ..SiteChange::default()
    };
    b.wait(b.service.change_site(&a.slug(), wider)).unwrap();
    let reason = position().hold_reason.unwrap();
    assert!(reason.starts_with("2 record bodies are missing"), "{reason}");
    let report = b.import(&all, ImportParams::default()).unwrap();
    assert_eq!((report.counts.canonical_created, report.warnings.len()), (2, 0));
    assert!(report.logs[0].not_used.is_empty() && report.logs[0].reason.is_none());
    assert_eq!(position().hold_reason, None);
    assert_eq!(a.status().knowledge_root, b.status().knowledge_root);
    // A list that accepts nothing of anybody is not called a choice.
    let nothing = SiteChange {
        allowed_sources: Some(Vec::new()),
        ..SiteChange::default()
    };
    b.wait(b.service.change_site(&a.slug(), nothing)).unwrap();
    assert!(!position().by_choice && position().held_back == 3);
}
