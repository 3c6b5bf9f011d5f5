//! A site's earlier knowledge: the earlier verdict, with the same bytes.

use std::sync::Arc;
use std::thread::yield_now;
use std::time::SystemTime;

use serde_json::{Value, json};
use starling_api::ScanDocuments;
use starling_api_types::{
    AdvisoryQuery, AsOf, Conclusion, ErrorCode, ExplainQuery, ExportRequest, ImportParams, ScanParams,
    Timestamp, VerdictEnvelope,
};
use starling_daemon::{OpeningWatcher, convert_store, scan_without_store};

use crate::bench::{Bench, Site, advisory, code};

const NAME: &str = "site-a";
const AT: &str = "2025-06-01T00:00:00.000Z";

fn sbom() -> ScanDocuments {
    let component = |name: &str, version: &str| json!({"type": "library", "name": name, "version": version, "purl": format!("pkg:npm/{name}@{version}")});
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
        component("express", "4.17.0"), component("lodash", "4.17.20"), component("left-pad", "1.0.0")]});
    bytes::Bytes::from(sbom.to_string()).into()
}

fn params(as_of: Option<AsOf>) -> ScanParams {
    ScanParams {
        at: Some(AT.parse().unwrap()),
        as_of,
        ..ScanParams::default()
    }
}

pub(crate) fn scan(site: &Site<'_>, as_of: Option<AsOf>) -> VerdictEnvelope {
    site.wait(site.service.scan(sbom(), params(as_of))).unwrap()
}

/// Waits until the clock shows a later millisecond, the unit of the times of claims and verdicts.
fn next_millisecond() {
    let shown = || {
        let since = SystemTime::UNIX_EPOCH.elapsed();
        since.map_or(0, |since| since.as_millis())
    };
    let now = shown();
    while shown() <= now + 1 {
        yield_now();
    }
}

/// Scans now, in a millisecond of its own, and returns the verdict and the time.
pub(crate) fn judged(site: &Site<'_>) -> (Timestamp, String) {
    next_millisecond();
    let envelope = scan(site, None);
    assert_eq!(envelope.known_since, None);
    next_millisecond();
    (envelope.time, envelope.verdict.as_str().to_owned())
}

fn assert_told_again(site: &Site<'_>, verdicts: &[(Timestamp, String)], when: &str) {
    for (place, (time, verdict)) in verdicts.iter().enumerate() {
        let again = scan(site, Some(AsOf::Time(*time)));
        assert_eq!(again.verdict.as_str(), verdict, "{when}, verdict {place}");
        assert!(again.known_since.unwrap() <= *time);
    }
}

/// Returns a site whose knowledge changed in every possible way, with the verdict after each change.
fn lived<'b>(bench: &'b Bench) -> (Site<'b>, Vec<(Timestamp, String)>) {
    let (site, other) = (bench.site(NAME), bench.site("site-b"));
    let mut verdicts = vec![judged(&site)];
    site.feed(
        "mine",
        &[
            advisory("EX-1", "express", "9.0.0"),
            advisory("EX-2", "lodash", "9.0.0"),
        ],
    );
    verdicts.push(judged(&site));
    site.feed("mine", &[advisory("EX-1", "express", "4.0.0")]);
    verdicts.push(judged(&site));
    site.list(&other, &["*"]);
    other.feed("theirs", &[advisory("EX-3", "left-pad", "2.0.0")]);
    site.import(&other.export(ExportRequest::default()), ImportParams::default())
        .unwrap();
    verdicts.push(judged(&site));
    site.feed_whole("mine", &[advisory("EX-1", "express", "4.0.0")]);
    verdicts.push(judged(&site));
    site.wait(site.service.remove_site(&other.slug())).unwrap();
    verdicts.push(judged(&site));
    let distinct: std::collections::BTreeSet<&String> = verdicts.iter().map(|(_, verdict)| verdict).collect();
    assert_eq!(distinct.len(), verdicts.len(), "each change is seen");
    (site, verdicts)
}

#[test]
fn as_of_verdicts_have_the_earlier_bytes() {
    let bench = Bench::new();
    let (site, verdicts) = lived(&bench);
    assert_told_again(&site, &verdicts, "at once");
    drop(site);
    let site = bench.open(NAME);
    assert_told_again(&site, &verdicts, "after a restart");
    assert_eq!(
        judged(&site).1,
        verdicts.last().unwrap().1,
        "the present is as it was"
    );
    let at = params(Some(AsOf::Time(verdicts[1].0)));
    assert!(scan_without_store(&bench.home(NAME), &sbom(), &at).is_none());
    drop(site);
    convert_store(&bench.home(NAME), "sled", OpeningWatcher(Arc::new(|_| {}))).unwrap();
    assert_told_again(&bench.open(NAME), &verdicts, "in another engine");
}

#[test]
fn cursor_stands_for_the_time_of_its_acceptance() {
    let bench = Bench::new();
    let (site, other) = (bench.site(NAME), bench.site("site-b"));
    site.list(&other, &["*"]);
    other.feed("theirs", &[advisory("EX-3", "left-pad", "2.0.0")]);
    let first = other.status().head.unwrap();
    site.import(&other.export(ExportRequest::default()), ImportParams::default())
        .unwrap();
    let then = judged(&site);
    other.feed("theirs", &[advisory("EX-3", "left-pad", "1.0.0")]);
    site.import(&other.export(ExportRequest::default()), ImportParams::default())
        .unwrap();
    assert_ne!(judged(&site).1, then.1);
    let ask = |text: String| site.wait(site.service.scan(sbom(), params(Some(text.parse().unwrap()))));
    for text in [first.to_string(), format!("site-b@{first}")] {
        assert_eq!(ask(text).unwrap().verdict.as_str(), then.1);
    }
    let identity = other.home.chain().site();
    assert_eq!(
        ask(format!("{identity}@{first}")).unwrap().verdict.as_str(),
        then.1
    );
    // Without a given time, the scan's time is that one.
    let params = ScanParams {
        as_of: Some(first.to_string().parse().unwrap()),
        ..ScanParams::default()
    };
    let envelope = site.wait(site.service.scan(sbom(), params)).unwrap();
    let body: Value = serde_json::from_str(envelope.verdict.as_str()).unwrap();
    assert_eq!(body["as_of"], envelope.known_since.unwrap().to_string());
    let not_mine = format!("{NAME}@{first}");
    assert_eq!(code(ask(not_mine)), ErrorCode::InvalidCursor);
    assert_eq!(code(ask(format!("nobody@{first}"))), ErrorCode::SiteNotFound);
    assert_eq!(
        code(ask("2001-01-15T10:30:00.000Z#1".to_owned())),
        ErrorCode::InvalidCursor
    );
}

#[test]
fn explanations_and_advisories_support_as_of() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    site.feed("mine", &[advisory("EX-1", "express", "9.0.0")]);
    let (then, _) = judged(&site);
    site.feed("mine", &[advisory("EX-1", "express", "4.0.0")]);
    let conclusion = |as_of: Option<AsOf>| {
        let query = ExplainQuery {
            purl: "pkg:npm/express@4.17.0".to_owned(),
            id: Some("EX-1".to_owned()),
            distro: None,
            as_of,
        };
        site.wait(site.service.explain(query)).unwrap().conclusion
    };
    assert_eq!(conclusion(None), Conclusion::NotAffected);
    assert_eq!(conclusion(Some(AsOf::Time(then))), Conclusion::Affected);
    let shown = |as_of: Option<AsOf>| {
        let found = site.wait(site.service.advisory("EX-1", AdvisoryQuery { as_of }));
        serde_json::to_string(&found.unwrap()).unwrap()
    };
    assert!(shown(None).contains("4.0.0") && !shown(None).contains("9.0.0"));
    assert!(shown(Some(AsOf::Time(then))).contains("9.0.0"));
}

#[test]
fn time_before_the_history_is_refused() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let since = site.status().store.known_back_to.unwrap();
    let ask = |text: &str| {
        let asked = params(Some(text.parse().unwrap()));
        site.wait(site.service.scan(sbom(), asked))
    };
    let problem = ask("2020-01-01").unwrap_err();
    assert_eq!(problem.code, ErrorCode::HistoryExpired);
    assert_eq!(problem.exit_status().code(), 4);
    assert!(problem.detail.contains(&since.to_string()), "{problem}");
    // A day that is not over is known up to now.
    let today = since.to_string()[..10].to_owned();
    assert_eq!(ask(&today).unwrap().verdict, scan(&site, None).verdict);
}

#[test]
fn import_without_a_daemon_keeps_recent_history() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    site.feed("mine", &[advisory("EX-1", "express", "9.0.0")]);
    let since = site.status().store.known_back_to.unwrap();
    site.feed("mine", &[advisory("EX-1", "express", "4.0.0")]);
    assert_eq!(
        site.status().store.known_back_to.unwrap(),
        since,
        "thirty days are kept"
    );
}
