//! Lookups of advisories.

use serde_json::json;
use starling_api_types::{
    AdvisoryListQuery, AdvisoryLookup, AdvisoryQuery, Conclusion, DumpQuery, ErrorCode, ExplainQuery,
    ExportRequest, FeedImportOptions, ImportParams,
};

use crate::bench::{Bench, Site, advisory, code};

fn of_purl(site: &Site<'_>, purl: &str) -> Vec<String> {
    let query = AdvisoryListQuery {
        purl: Some(purl.to_owned()),
        ..AdvisoryListQuery::default()
    };
    let page = site.wait(site.service.advisories(query)).unwrap();
    page.advisories.into_iter().map(|row| row.vulnerability).collect()
}

#[test]
fn versioned_package_url_gives_affecting_advisories() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let mut withdrawn = advisory("EX-4", "express", "9.0.0");
    withdrawn["withdrawn"] = json!("2025-02-04T00:00:00Z");
    site.feed(
        "mine",
        &[
            advisory("EX-1", "express", "4.18.0"),
            advisory("EX-2", "express", "4.20.0"),
            advisory("EX-3", "lodash", "4.17.21"),
            withdrawn,
        ],
    );
    assert_eq!(of_purl(&site, "pkg:npm/express"), ["EX-1", "EX-2", "EX-4"]);
    assert_eq!(of_purl(&site, "pkg:npm/express@4.17.3"), ["EX-1", "EX-2"]);
    assert_eq!(of_purl(&site, "pkg:npm/express@4.18.0"), ["EX-2"]);
    assert!(of_purl(&site, "pkg:npm/express@5.0.0").is_empty());

    let get = |purl: &str| site.wait(site.service.advisory(purl, AdvisoryQuery::default()));
    assert_eq!(get("pkg:npm/express").unwrap().advisories.len(), 3);
    let found = get("pkg:npm/express@4.18.0").unwrap();
    assert_eq!(found.advisories.len(), 1);
    let problem = get("pkg:npm/express@5.0.0").unwrap_err();
    assert_eq!(problem.code, ErrorCode::AdvisoryNotFound);
    assert!(
        problem
            .detail
            .contains("3 advisories are about the package, but none affects version 5.0.0"),
        "{problem}"
    );
    assert_eq!(code(get("pkg:npm/unheard-of@1.0.0")), ErrorCode::AdvisoryNotFound);
}

#[test]
fn page_after_an_advisory_that_is_not_listed_is_refused() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let all = [
        advisory("EX-1", "express", "4.18.0"),
        advisory("EX-2", "express", "4.20.0"),
        advisory("EX-3", "lodash", "4.17.21"),
    ];
    site.feed("mine", &all);
    let page = |after: Option<String>, purl: Option<&str>| {
        let query = AdvisoryListQuery {
            limit: Some(1),
            after,
            purl: purl.map(str::to_owned),
            ..AdvisoryListQuery::default()
        };
        site.wait(site.service.advisories(query))
    };
    let first = page(None, None).unwrap();
    let second = page(first.next.clone(), None).unwrap();
    assert_eq!(second.advisories[0].vulnerability, "EX-2");
    let third = page(second.next, None).unwrap();
    assert_eq!((third.advisories.len(), third.next), (1, None));
    // An empty last page would read as the end of the list.
    for digit in ["0", "f"] {
        let altered = format!("blake3:{}", digit.repeat(64));
        assert_eq!(code(page(Some(altered), None)), ErrorCode::InvalidCursor);
    }
    let of_another = page(first.next, Some("pkg:npm/lodash"));
    assert_eq!(code(of_another), ErrorCode::InvalidCursor);
}

#[test]
fn list_by_two_names_of_a_package_is_refused() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    site.feed("mine", &[advisory("EX-1", "express", "4.18.0")]);
    let query = AdvisoryListQuery {
        purl: Some("pkg:npm/express".to_owned()),
        package: Some("npm/lodash".to_owned()),
        ..AdvisoryListQuery::default()
    };
    let listed = site.wait(site.service.advisories(query));
    assert_eq!(code(listed), ErrorCode::BadRequest);
}

#[test]
fn dump_of_unknown_source_is_refused_and_of_empty_one_empty() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    site.feed("mine", &[advisory("EX-1", "express", "4.18.0")]);
    let dump = |source: &str| {
        let source = Some(source.parse().unwrap());
        site.wait(site.service.dump(DumpQuery { source })).map(|_| ())
    };
    dump("mine").unwrap();
    let problem = dump("mime").unwrap_err();
    assert_eq!(problem.code, ErrorCode::AdvisoryNotFound);
    let hint = problem.hint.clone().unwrap();
    assert!(hint.starts_with("did you mean mine?"), "{hint}");
    let emptied = FeedImportOptions {
        complete: true,
        allow_empty: true,
        approve: true,
        ..FeedImportOptions::default()
    };
    site.feed_with("mine", &[], emptied);
    dump("mine").unwrap();
}

#[test]
fn misspelt_ecosystem_or_distribution_gets_a_suggestion() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let query = AdvisoryListQuery {
        package: Some("npn/express".to_owned()),
        ..AdvisoryListQuery::default()
    };
    let problem = site.wait(site.service.advisories(query)).unwrap_err();
    let hint = problem.hint.clone().unwrap();
    assert!(hint.starts_with("did you mean npm/express?"), "{hint}");
    let explain = |distro: &str| {
        site.wait(site.service.explain(ExplainQuery {
            purl: "pkg:deb/debian/curl@7.88.1-10".to_owned(),
            id: Some("CVE-2023-38545".to_owned()),
            distro: Some(distro.to_owned()),
            as_of: None,
        }))
    };
    let problem = explain("debain-12").unwrap_err();
    assert_eq!(
        (problem.code, problem.hint.as_deref()),
        (ErrorCode::BadRequest, Some("did you mean debian-12?"))
    );
    explain("debian-12").unwrap();
    let reason = explain("elsewhere-1").unwrap().reason;
    assert!(
        reason.ends_with("\"elsewhere-1\" is not a distribution that is known here"),
        "{reason}"
    );
}

#[test]
fn record_of_many_packages_is_read_once_and_truncation_counted() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let packages = AdvisoryLookup::MOST + 50;
    let affected: Vec<_> = (0..packages)
        .map(|number| json!({"package": {"ecosystem": "npm", "name": format!("n{number}")}}))
        .collect();
    site.feed(
        "mine",
        &[json!({"id": "EX-1", "modified": "2025-01-01T00:00:00Z", "affected": affected})],
    );
    // Reading the record again for each package takes minutes.
    let lookup = site.wait(site.service.advisory("EX-1", AdvisoryQuery::default()));
    let lookup = lookup.unwrap();
    assert_eq!(
        (lookup.advisories.len(), lookup.left_out),
        (AdvisoryLookup::MOST, 50)
    );
    let one = site.wait(site.service.advisory("pkg:npm/n7", AdvisoryQuery::default()));
    assert_eq!(one.unwrap().left_out, 0);
}

#[test]
fn explanation_finds_an_id_in_any_spelling() {
    let bench = Bench::new();
    let site = bench.site("site-a");
    let mut record = advisory("GHSA-aaaa-bbbb-cccc", "express", "4.18.0");
    record["aliases"] = json!(["CVE-2024-1"]);
    site.feed("mine", &[record]);
    let explain = |id: &str| {
        site.wait(site.service.explain(ExplainQuery {
            purl: "pkg:npm/express@4.17.0".to_owned(),
            id: Some(id.to_owned()),
            distro: None,
            as_of: None,
        }))
    };
    for id in ["CVE-2024-1", "cve-2024-1", " CVE-2024-1 ", "ghsa-AAAA-bbbb-cccc"] {
        assert_eq!(explain(id).unwrap().conclusion, Conclusion::Affected, "{id}");
    }
    site.feed("other", &[advisory("CVE-2024-2", "lodash", "1.0.0")]);
    assert_eq!(explain("CVE-2024-2").unwrap().conclusion, Conclusion::NotAbout);
    let unknown = explain("CVE-9999-1").unwrap();
    assert_eq!(unknown.conclusion, Conclusion::CannotSay);
    assert!(
        unknown.reason.starts_with("no record here is named CVE-9999-1; "),
        "{}",
        unknown.reason
    );
    let swapped = ExplainQuery {
        purl: "CVE-2024-1".to_owned(),
        id: Some("pkg:npm/express@4.17.0".to_owned()),
        distro: None,
        as_of: None,
    };
    let problem = site.wait(site.service.explain(swapped)).unwrap_err();
    assert_eq!(problem.code, ErrorCode::BadRequest);
    assert_eq!(
        problem.hint.as_deref(),
        Some("`starling explain pkg:npm/express@4.17.0 CVE-2024-1`")
    );
    assert_eq!(code(explain(" ")), ErrorCode::BadRequest);
}

#[test]
fn dropped_record_is_reported_with_its_author() {
    let bench = Bench::new();
    let (a, b) = (bench.site("site-a"), bench.site("site-b"));
    b.list(&a, &["*"]);
    let kept = advisory("EX-1", "express", "4.18.0");
    a.feed_whole("mine", &[kept.clone(), advisory("EX-2", "lodash", "1.0.0")]);
    assert_eq!(a.status().records, 2);
    a.feed_whole("mine", std::slice::from_ref(&kept));
    b.import(&a.export(ExportRequest::default()), ImportParams::default())
        .unwrap();
    for site in [&a, &b] {
        let status = site.status();
        assert_eq!(
            (status.records, status.feeds[0].records, status.advisories),
            (1, 1, 1)
        );
        let problem = site.get("EX-2").unwrap_err();
        assert_eq!(problem.code, ErrorCode::AdvisoryNotFound);
        let since = a.status().head.unwrap();
        let who = format!("the source has dropped it: mine EX-2, absent by site-a at {since}");
        assert!(problem.detail.contains(&who), "{problem}");
    }
    // The same statement by two authors is one record.
    b.feed_whole("mine", &[kept]);
    assert_eq!(b.status().records, 1);
    let doctor = b.wait(b.service.doctor(Default::default())).unwrap();
    assert!(doctor.ok, "{doctor:?}");
}

#[test]
fn verdict_contains_the_view_policy_hash() {
    let bench = Bench::new();
    let local = bench.site_with("site-a", "[view]\nconflict_strategy = \"prefer_local\"");
    let other = bench.site("site-b");
    let named = |site: &Site<'_>| {
        let sbom = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[]}"#;
        let scan = site
            .service
            .scan(bytes::Bytes::from(sbom).into(), Default::default());
        let verdict: serde_json::Value =
            serde_json::from_str(site.wait(scan).unwrap().verdict.as_str()).unwrap();
        verdict["view_policy_hash"].as_str().unwrap().to_owned()
    };
    assert!(named(&local).starts_with("blake3:"));
    assert_ne!(named(&local), named(&other));
    assert_eq!(named(&other), named(&bench.site("site-c")));
}

// Names were once looked up in the store while its view was held: with a writer between the two, both waited forever.
// The store now panics on that in builds with debug assertions, such as this one.
#[test]
fn advisory_names_its_site_during_imports() {
    let bench = Bench::new();
    let (a, b) = (bench.site("site-a"), bench.site("site-b"));
    b.list(&a, &["*"]);
    a.feed("mine", &[advisory("EX-1", "express", "4.18.0")]);
    b.import(&a.export(ExportRequest::default()), ImportParams::default())
        .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let found = b.get("EX-1").unwrap();
                    let edge = &found.advisories[0].edges[0];
                    assert_eq!(edge.provenance.site_id.as_ref(), Some(&a.slug()));
                }
            });
        }
        for number in 2..6 {
            b.feed("other", &[advisory(&format!("EX-{number}"), "lodash", "1.0.0")]);
        }
    });
}
