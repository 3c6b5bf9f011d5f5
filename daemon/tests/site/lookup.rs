//! Looking advisories up.

use serde_json::json;
use starling_api_types::{AdvisoryListQuery, ErrorCode};

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
fn a_package_url_with_a_version_gives_what_affects_that_version_alone() {
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

    let get = |purl: &str| site.wait(site.service.advisory(purl));
    assert_eq!(get("pkg:npm/express").unwrap().advisories.len(), 3);
    let found = get("pkg:npm/express@4.18.0").unwrap();
    assert_eq!(found.advisories.len(), 1);
    let problem = get("pkg:npm/express@5.0.0").unwrap_err();
    assert_eq!(problem.code, ErrorCode::AdvisoryNotFound);
    assert!(
        problem
            .detail
            .contains("3 advisories are about the package, none affects version 5.0.0"),
        "{problem}"
    );
    assert_eq!(code(get("pkg:npm/unheard-of@1.0.0")), ErrorCode::AdvisoryNotFound);
}
