//! Tests the content of advisories, its provenance, and disagreements.

use starling_protocol::ContentHash;
use starling_view::{
    Action, AdvisoryState, ConflictStrategy, EdgeState, Field, FieldName, Problem, ViewPolicy,
    advisories_by_id, contributing_records, held_records, live_record_counts, live_records,
};

use crate::site::{LOCAL, Site, author, body, key, npm, package, vulnerability};

const REMOTE: u8 = 2;

fn site(strategy: ConflictStrategy) -> Site {
    Site::new(&ViewPolicy {
        conflict_strategy: strategy,
        ..ViewPolicy::default()
    })
}

/// Returns the source of the winning value, and those of the losing values.
fn sources(field: &Option<Field>) -> (String, Vec<String>) {
    let field = field.as_ref().unwrap();
    let losers = field
        .losers
        .iter()
        .map(|loser| loser.provenance.source.to_string())
        .collect();
    (field.provenance.source.to_string(), losers)
}

fn record(summary: &str, references: &str, rest: &str) -> Vec<u8> {
    body(&format!(
        r#""affected":[{{"package":{{"ecosystem":"PyPI","name":"a"}},"versions":["{summary}"]}}],"aliases":["CVE-2021-1111"],"references":[{references}],"summary":"{summary}"{rest}"#
    ))
}

#[test]
fn fields_fold_by_source_order_and_keep_losing_values() {
    let mut site = site(ConflictStrategy::PreferRemote);
    let (one, two) = (
        r#"{"type":"WEB","url":"https://x/1"}"#,
        r#"{"type":"WEB","url":"https://x/2"}"#,
    );
    site.set(
        LOCAL,
        &key("nvd", "CVE-2021-1111"),
        &record("from nvd", one, r#","details":"long""#),
    );
    site.set(
        LOCAL,
        &key("ghsa", "GHSA-2222-3333-4444"),
        &record(
            "same",
            &format!("{two},{one},{one}"),
            r#","database_specific":{"cwe_ids":["CWE-79","nonsense"]}"#,
        ),
    );
    site.set(
        LOCAL,
        &key("pypa", "PYSEC-2021-1"),
        &record(
            "same",
            "",
            r#","database_specific":{"cwes":[{"cweId":"CWE-79"},{"cweId":"CWE-20"}]},"details":" ""#,
        ),
    );
    let advisory = site.fold("CVE-2021-1111", &package("PyPI", "a")).unwrap();
    let fields = &advisory.fields;
    assert_eq!(sources(&fields.summary), ("pypa".into(), vec!["nvd".into()]));
    assert_eq!(
        sources(&fields.details),
        ("nvd".into(), vec![]),
        "a blank text says nothing"
    );
    assert_eq!(sources(&fields.affected), ("pypa".into(), vec!["nvd".into()]));
    let urls: Vec<_> = fields
        .references
        .iter()
        .map(|member| (member.value.as_str(), member.provenance.len()))
        .collect();
    assert_eq!(urls, [(one, 2), (two, 1)]);
    let cwes: Vec<_> = fields
        .cwes
        .iter()
        .map(|member| (member.value.as_str(), member.provenance.len()))
        .collect();
    assert_eq!(cwes, [("\"CWE-20\"", 1), ("\"CWE-79\"", 2)]);
    let policy = &site.settings.policy;
    let order = contributing_records(
        &site.rows,
        policy,
        &vulnerability("CVE-2021-1111"),
        &package("PyPI", "a"),
    )
    .unwrap();
    let order: Vec<_> = order
        .iter()
        .map(|feeding| feeding.record.source.as_str())
        .collect();
    assert_eq!(order, ["pypa", "ghsa", "nvd"]);
    assert!(starling_protocol::json::is_canonical(
        &advisory.to_canonical_json().unwrap()
    ));
}

#[test]
fn numbers_pass_through_the_fold_unrounded() {
    let mut site = site(ConflictStrategy::PreferRemote);
    let members = r#""affected":[{"database_specific":{"n":9007199254740993},"package":{"ecosystem":"npm","name":"a"}}]"#;
    site.set(LOCAL, &key("acme", "ACME-1"), &body(members));
    let json = site
        .fold("ACME-1", &package("npm", "a"))
        .unwrap()
        .to_canonical_json()
        .unwrap();
    assert!(
        String::from_utf8(json)
            .unwrap()
            .contains(r#"{"n":9007199254740993}"#)
    );
}

#[test]
fn deepest_allowed_record_folds() {
    let mut site = site(ConflictStrategy::PreferRemote);
    let depth = starling_protocol::limits::MAX_JSON_DEPTH - 3;
    let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let members = format!(r#""affected":[{{"deep":{deep},"package":{{"ecosystem":"npm","name":"a"}}}}]"#);
    site.set(LOCAL, &key("acme", "ACME-1"), &body(&members));
    let json = site
        .fold("ACME-1", &package("npm", "a"))
        .unwrap()
        .to_canonical_json()
        .unwrap();
    assert!(String::from_utf8(json).unwrap().contains(&deep));
}

#[test]
fn advisory_is_withdrawn_when_all_its_records_are() {
    let mut site = site(ConflictStrategy::PreferRemote);
    let (ghsa, nvd) = (key("ghsa", "GHSA-2222-3333-4444"), key("nvd", "CVE-2021-1111"));
    let gone = r#","withdrawn":"2024-01-01T00:00:00Z""#;
    site.set(LOCAL, &ghsa, &record("a", "", ""));
    site.set(LOCAL, &nvd, &record("b", "", ""));
    let pypi = package("PyPI", "a");
    assert_eq!(
        site.set(LOCAL, &ghsa, &record("a", "", gone)).advisories[0].action,
        Action::Updated
    );
    let advisory = site.fold("CVE-2021-1111", &pypi).unwrap();
    assert_eq!(advisory.state, AdvisoryState::Live);
    assert_eq!(
        sources(&advisory.fields.summary).0,
        "nvd",
        "a withdrawn record gives way"
    );
    assert_eq!(
        site.set(LOCAL, &nvd, &record("b", "", gone)).advisories[0].action,
        Action::Withdrawn
    );
    assert_eq!(
        site.fold("CVE-2021-1111", &pypi).unwrap().state,
        AdvisoryState::Withdrawn
    );
    assert!(advisories_by_id(&site.rows, "CVE-2021-1111").unwrap()[0].is_withdrawn);
    assert_eq!(
        site.set(LOCAL, &nvd, &record("b", "", "")).advisories[0].action,
        Action::Updated
    );
}

#[test]
fn dropped_record_stays_visible_and_feeds_nothing() {
    let mut site = site(ConflictStrategy::PreferRemote);
    let (ghsa, nvd) = (key("ghsa", "GHSA-2222-3333-4444"), key("nvd", "CVE-2021-1111"));
    site.set(LOCAL, &ghsa, &record("a", "", ""));
    site.set(LOCAL, &nvd, &record("b", "", ""));
    let changes = site.drop_record(LOCAL, &nvd);
    assert_eq!((changes.records_removed, changes.edges_removed), (1, 1));
    let advisory = site.fold("CVE-2021-1111", &package("PyPI", "a")).unwrap();
    let states: Vec<_> = advisory
        .edges
        .iter()
        .map(|edge| (edge.source.as_str(), edge.state))
        .collect();
    assert_eq!(states, [("ghsa", EdgeState::Live), ("nvd", EdgeState::Absent)]);
    assert_eq!(sources(&advisory.fields.summary), ("ghsa".into(), vec![]));

    let changes = site.retract(LOCAL, &ghsa);
    assert_eq!(changes.advisories[0].action, Action::Removed);
    assert!(site.fold("CVE-2021-1111", &package("PyPI", "a")).is_none());
}

#[test]
fn disagreeing_authors_are_shown_separately() {
    let mut site = site(ConflictStrategy::PreferRemote);
    let acme = key("acme", "ACME-1");
    site.set(LOCAL, &acme, &npm(&[], "mine"));
    let changes = site.set(REMOTE, &acme, &npm(&[], "theirs"));
    assert_eq!(changes.advisories.len(), 2, "one advisory goes, another comes");
    assert!(site.fold("ACME-1", &package("npm", "mine")).is_none());
    let advisory = site.fold("ACME-1", &package("npm", "theirs")).unwrap();
    assert_eq!(
        advisory.fields.affected.unwrap().provenance.authors,
        [author(REMOTE)]
    );
    let states: Vec<_> = advisory
        .edges
        .iter()
        .map(|edge| (edge.author, edge.state))
        .collect();
    assert_eq!(
        states,
        [
            (author(LOCAL), EdgeState::Outvoted),
            (author(REMOTE), EdgeState::Live)
        ]
    );
    assert_eq!(advisory.conflicts[0].others[0].author, author(LOCAL));
    assert_eq!(
        advisory.conflicts[0].chosen,
        Some(ContentHash::of(&npm(&[], "theirs")))
    );
}

#[test]
fn outvoted_statement_is_kept_without_effect() {
    let mut site = site(ConflictStrategy::PreferRemote);
    let acme = key("acme", "ACME-1");
    let saying = |more: &str| {
        body(&format!(
            r#""affected":[{{"package":{{"ecosystem":"npm","name":"a"}}}}],{more}"#
        ))
    };
    site.set(LOCAL, &acme, &saying(r#""details":"long","summary":"mine""#));
    site.set(REMOTE, &acme, &saying(r#""summary":"theirs""#));
    let advisory = site.fold("ACME-1", &package("npm", "a")).unwrap();
    let summary = advisory.fields.summary.unwrap();
    assert_eq!((summary.value.as_str(), summary.losers.len()), ("\"theirs\"", 0));
    assert_eq!(advisory.fields.details, None, "only the outvoted author says it");
    let [outvoted] = &advisory.conflicts[0].others[..] else {
        panic!("{:?}", advisory.conflicts);
    };
    let kept: Vec<_> = outvoted
        .fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(outvoted.author, author(LOCAL));
    assert_eq!(
        kept[1..],
        [(FieldName::Details, "\"long\""), (FieldName::Summary, "\"mine\"")]
    );
    assert_eq!(kept[0].0, FieldName::Affected);
}

#[test]
fn under_fail_a_disagreement_waits_for_a_decision() {
    let mut site = site(ConflictStrategy::Fail);
    let acme = key("acme", "ACME-1");
    let (mine, theirs) = (npm(&[], "a"), npm(&["CVE-2021-1111"], "a"));
    site.set(LOCAL, &acme, &mine);
    let changes = site.set(REMOTE, &acme, &theirs);
    assert_eq!(changes.problems, [(acme.clone(), Problem::Unresolved)]);
    assert_eq!(held_records(&site.rows).unwrap(), std::slice::from_ref(&acme));
    // Until then it is shown under the names that both give, and each of the two contents applies.
    let open = site.fold("ACME-1", &package("npm", "a")).unwrap();
    assert_eq!(open.unresolved, std::slice::from_ref(&acme));
    assert!(open.aliases.is_empty(), "only one of them gives the CVE");
    let led: Vec<String> = open.related.iter().map(ToString::to_string).collect();
    assert_eq!(led, ["CVE-2021-1111"], "which leads to it all the same");
    let by_cve = starling_view::advisories_by_id(&site.rows, "CVE-2021-1111").unwrap();
    assert_eq!(by_cve[0].vulnerability.as_str(), "ACME-1");
    assert!(open.edges.iter().all(|edge| edge.state == EdgeState::Unresolved));
    assert_eq!((open.edges.len(), open.conflicts[0].chosen), (2, None));

    site.settings
        .decisions
        .insert(acme.clone(), ContentHash::of(&theirs));
    site.follow([&acme]);
    assert!(held_records(&site.rows).unwrap().is_empty());
    let advisory = site.fold("CVE-2021-1111", &package("npm", "a")).unwrap();
    assert_eq!(advisory.conflicts.len(), 1, "it is settled, not forgotten");

    // The decided content is no longer stated: the question is open again.
    site.set(REMOTE, &acme, &npm(&["CVE-2021-2222"], "a"));
    assert_eq!(held_records(&site.rows).unwrap(), [acme]);
}

#[test]
fn unresolved_record_shows_every_author_statement() {
    let mut site = site(ConflictStrategy::Fail);
    let acme = key("acme", "ACME-1");
    let record = |version: &str, name: &str, rest: &str| {
        body(&format!(
            r#""affected":[{{"package":{{"ecosystem":"npm","name":"{name}"}},"versions":["{version}"]}}]{rest}"#
        ))
    };
    site.set(LOCAL, &acme, &record("1", "a", ""));
    site.set(REMOTE, &acme, &record("2", "a", ""));
    let fold = |site: &Site, name: &str| site.fold("ACME-1", &package("npm", name));
    let open = fold(&site, "a").unwrap();
    assert_eq!(open.statements.len(), 2);
    assert!(
        open.statements
            .iter()
            .all(|stated| stated.is_unresolved && stated.weight.counts())
    );
    // A package that one of them names is known, and a withdrawal does not silence the other content.
    let gone = r#","withdrawn":"2024-01-01T00:00:00Z""#;
    site.set(REMOTE, &acme, &record("2", "b", gone));
    let live = fold(&site, "a").unwrap();
    assert_eq!(live.state, AdvisoryState::Live);
    assert_eq!(live.unresolved, std::slice::from_ref(&acme), "nobody has decided");
    assert!(fold(&site, "b").is_none());
    site.set(LOCAL, &acme, &record("1", "a", gone));
    for name in ["a", "b"] {
        assert_eq!(fold(&site, name).unwrap().state, AdvisoryState::Withdrawn);
    }
}

#[test]
fn missing_body_is_reported_and_used_when_it_arrives() {
    let mut site = site(ConflictStrategy::PreferRemote);
    let acme = key("acme", "ACME-1");
    let text = npm(&[], "a");
    site.set_quietly(LOCAL, &acme, &text);
    let lost = site.world.lose(&text);
    assert_eq!(
        site.follow([&acme]).problems,
        [(acme.clone(), Problem::BodyMissing)]
    );
    assert!(site.fold("ACME-1", &package("npm", "a")).is_none());
    site.world.find(lost);
    assert_eq!(site.follow([&acme]).advisories[0].action, Action::Created);
}

#[test]
fn source_records_include_withdrawn_but_not_absent() {
    let mut site = site(ConflictStrategy::PreferRemote);
    let gone = r#","withdrawn":"2024-01-01T00:00:00Z""#;
    site.set(LOCAL, &key("acme", "b"), &record("b", "", gone));
    site.set(LOCAL, &key("acme", "CVE-2021-1111"), &record("c", "", ""));
    site.set(LOCAL, &key("acme", "a"), &record("a", "", ""));
    site.set(LOCAL, &key("nvd", "CVE-2021-1111"), &record("n", "", ""));
    site.set(LOCAL, &key("acme", "d"), &record("d", "", ""));
    site.drop_record(LOCAL, &key("acme", "d"));
    let acme = "acme".parse().unwrap();
    let records = live_records(&site.rows, &acme).unwrap();
    assert_eq!(
        records
            .iter()
            .map(|record| record.id.as_str())
            .collect::<Vec<_>>(),
        ["CVE-2021-1111", "a", "b"]
    );
    assert_eq!(records[1].content, ContentHash::of(&record("a", "", "")));
    assert_eq!(live_record_counts(&site.rows).unwrap()[&acme], 3);
}
