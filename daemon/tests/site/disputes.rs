//! Contradictions between sources and between authors, and other sites' mutes.

use serde_json::{Value, json};
use starling_api_types::{
    AsOf, ConflictResolve, ConflictState, ExplainQuery, ExportRequest, ImportParams, MuteAdd, MuteListQuery,
    RecordConflict, SiteChange,
};

use crate::bench::{Bench, Site, advisory};
use crate::past;
use crate::scans::{decisions, scan};

/// Returns a record by which Express 4.17.0, the package of these tests, is affected or not.
const AFFECTED: &str = "9.0.0";
const FIXED: &str = "1.0.0";

fn resolve(site: &Site<'_>, choose: impl FnOnce(&mut ConflictResolve)) -> RecordConflict {
    let mut resolve = ConflictResolve {
        source: "shared".parse().unwrap(),
        record: "EX-1".to_owned(),
        site: None,
        content: None,
        reopen: false,
        reason: "a test".to_owned(),
        by: None,
    };
    choose(&mut resolve);
    site.wait(site.service.resolve_conflict(resolve)).unwrap()
}

#[test]
fn finding_lists_contradicting_statements() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    site.feed("ghsa", &[advisory("EX-1", "express", FIXED)]);
    site.feed("evil", &[advisory("EX-1", "express", AFFECTED)]);
    drop(site);
    let body = scan(&bench, None);
    let finding = &body["findings"][0];
    assert_eq!(finding["disputed"], true, "{finding}");
    assert_eq!(
        finding["statements"],
        json!([
            {"record": "EX-1", "says": "affected", "source": "evil"},
            {"record": "EX-1", "says": "not_affected", "source": "ghsa"},
        ])
    );
    assert_eq!(body["ecosystems"][0]["ecosystem"], "npm");
    let speaking = body["ecosystems"][0]["sources"].as_array().unwrap().len();
    assert_eq!((speaking, &body["not_judged"]["others"]), (2, &json!(0)));
    let query = ExplainQuery {
        purl: "pkg:npm/express@4.17.0".to_owned(),
        id: Some("EX-1".to_owned()),
        distro: None,
        as_of: None,
    };
    let site = bench.open("site-a");
    let explained = site.wait(site.service.explain(query)).unwrap();
    let advisory = &explained.advisories[0];
    assert!(advisory.disputed);
    assert_eq!(advisory.statements.len(), 2);
}

#[test]
fn unresolved_record_applies_until_a_decision() {
    let bench = Bench::new();
    let a = bench.site_with("site-a", "[view]\nconflict_strategy = \"fail\"\n");
    let b = bench.site("site-b");
    a.list(&b, &["*"]);
    a.feed("shared", &[advisory("EX-1", "express", FIXED)]);
    b.feed("shared", &[advisory("EX-1", "express", AFFECTED)]);
    a.import(&b.export(ExportRequest::default()), ImportParams::default())
        .unwrap();
    let open = a.wait(a.service.conflicts()).unwrap().conflicts;
    assert_eq!(
        (open.len(), open[0].state, open[0].claims.len()),
        (1, ConflictState::Open, 2)
    );
    assert_eq!(a.status().unresolved, 1);
    let (own, other) = (a.slug().to_string(), b.slug().to_string());
    drop(a);
    let undecided = scan(&bench, None);
    assert_eq!(undecided["findings"][0]["unresolved"], true, "{undecided}");

    let hash = |body: &Value| body["view_policy_hash"].clone();
    let mut hashes = vec![hash(&undecided)];
    for (site, found) in [(own, 0), (other, 1)] {
        let a = bench.open("site-a");
        let decided = resolve(&a, |resolve| resolve.site = Some(site));
        assert_eq!(decided.state, ConflictState::Decided);
        assert_eq!(a.status().unresolved, 0);
        drop(a);
        let body = scan(&bench, None);
        assert_eq!(body["findings"].as_array().unwrap().len(), found);
        assert!(!hashes.contains(&hash(&body)));
        hashes.push(hash(&body));
    }
    let a = bench.open("site-a");
    assert_eq!(
        resolve(&a, |resolve| resolve.reopen = true).state,
        ConflictState::Open
    );
    drop(a);
    assert_eq!(hash(&scan(&bench, None)), hashes[0]);
}

#[test]
fn as_of_scan_uses_the_decisions_of_that_time() {
    let bench = Bench::new();
    let a = bench.site_with("site-a", "[view]\nconflict_strategy = \"fail\"\n");
    let b = bench.site("site-b");
    a.list(&b, &["*"]);
    a.feed("shared", &[advisory("EX-1", "express", FIXED)]);
    b.feed("shared", &[advisory("EX-1", "express", AFFECTED)]);
    a.import(&b.export(ExportRequest::default()), ImportParams::default())
        .unwrap();
    let mut verdicts = vec![past::judged(&a)];
    for site in [a.slug().to_string(), b.slug().to_string()] {
        resolve(&a, |resolve| resolve.site = Some(site));
        verdicts.push(past::judged(&a));
    }
    resolve(&a, |resolve| resolve.reopen = true);
    verdicts.push(past::judged(&a));
    // Again, with claims between then and now.
    for _ in 0..2 {
        for (place, (time, verdict)) in verdicts.iter().enumerate() {
            let then = past::scan(&a, Some(AsOf::Time(*time)));
            assert_eq!(then.verdict.as_str(), verdict, "verdict {place}");
            assert!(then.known_since.unwrap() <= *time);
        }
        a.feed("shared", &[advisory("EX-1", "express", "2.0.0")]);
    }
}

#[test]
fn mutes_of_a_site_apply_only_if_its_entry_allows_it() {
    let bench = Bench::new();
    let (a, b) = (bench.site("site-a"), bench.site("site-b"));
    a.list(&b, &["*"]);
    b.feed("shared", &[advisory("EX-1", "express", AFFECTED)]);
    let mute = MuteAdd {
        vulnerability: "EX-1".to_owned(),
        forever: true,
        reason: "unreachable".to_owned(),
        ..MuteAdd::default()
    };
    b.wait(b.service.add_mute(mute)).unwrap();
    a.import(&b.export(ExportRequest::default()), ImportParams::default())
        .unwrap();
    let shown = a.wait(a.service.mutes(MuteListQuery::default())).unwrap().mutes;
    let why = shown[0].remark.as_deref().unwrap();
    assert!(
        !shown[0].counts && why.contains("site-b may not mute here"),
        "{why}"
    );
    let own = b.wait(b.service.mutes(MuteListQuery::default())).unwrap().mutes;
    assert_eq!((own[0].counts, &own[0].remark), (true, &None));
    drop(a);
    assert_eq!(decisions(&scan(&bench, None)), ["EX-1 warn any null"]);
    let a = bench.open("site-a");
    let change = SiteChange {
        may_mute: Some(true),
        ..SiteChange::default()
    };
    a.wait(a.service.change_site(&b.slug(), change)).unwrap();
    let shown = a.wait(a.service.mutes(MuteListQuery::default())).unwrap().mutes;
    assert_eq!((shown[0].counts, &shown[0].remark), (true, &None));
    drop(a);
    let body = scan(&bench, None);
    assert_eq!(body["findings"][0]["action"], "ignore", "{body}");
}
