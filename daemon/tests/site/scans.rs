//! One verdict, from every way of scanning: the index of an open store, the index alone, the view.

use serde_json::{Value, json};
use starling_api::ScanDocuments;
use starling_api_types::{AdvisoryQuery, ErrorCode, ExplainQuery, ScanParams};
use starling_daemon::scan_without_store;

use crate::bench::{Bench, Site, advisory, code};

pub(crate) const NAME: &str = "site-a";

pub(crate) const POLICY: &str = "\
format: starling-policy/1
fail: [{kev: true}, {epss: 0.9}]
rules:
  - {id: unexploited, action: ignore, reason: nobody does, when: {kev: false, epss_below: 0.5, age: 30d}}
";

/// Returns an SBOM, and a supplier's VEX document that excuses one of its findings.
pub(crate) fn documents(policy: Option<&str>) -> ScanDocuments {
    let component = |name: &str, version: &str| json!({"type": "library", "name": name, "version": version, "purl": format!("pkg:npm/{name}@{version}")});
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
        component("express", "4.17.0"), component("lodash", "4.17.20")]});
    let vex = json!({"@context": "https://openvex.dev/ns/v0.2.0", "author": "supplier", "statements": [
        {"vulnerability": {"name": "EX-4"}, "products": [{"@id": "pkg:npm/lodash@4.17.20"}],
         "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"}]});
    ScanDocuments {
        sbom: sbom.to_string().into(),
        baseline: None,
        policy: policy.map(|text| text.to_owned().into()),
        rego: None,
        vex: vec![vex.to_string().into()],
    }
}

pub(crate) fn params() -> ScanParams {
    ScanParams {
        at: Some("2025-06-01T00:00:00.000Z".parse().unwrap()),
        fail_on_unused: true,
        ..ScanParams::default()
    }
}

/// Scans in every way, and returns the one verdict body.
pub(crate) fn scan(bench: &Bench, policy: Option<&str>) -> Value {
    scan_documents(bench, &documents(policy))
}

/// Scans these documents in every way, and returns the one verdict body.
pub(crate) fn scan_documents(bench: &Bench, documents: &ScanDocuments) -> Value {
    let open = || {
        let site = bench.open(NAME);
        site.wait(site.service.scan(documents.clone(), params())).unwrap()
    };
    let by_index = open();
    let home = bench.home(NAME);
    let cold = || scan_without_store(&home, documents, &params());
    assert_eq!(cold().unwrap().unwrap().verdict, by_index.verdict, "cold");
    // A folder in place of the index leaves only the view.
    let index = home.join("match.idx");
    std::fs::remove_file(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    assert!(cold().is_none(), "without an index the store has to be opened");
    assert_eq!(open().verdict, by_index.verdict, "by the view");
    std::fs::remove_dir(&index).unwrap();
    assert_eq!(open().verdict, by_index.verdict, "the index is rebuilt");
    serde_json::from_str(by_index.verdict.as_str()).unwrap()
}

/// Returns the decision about each finding, its cause, and if it is exploited.
pub(crate) fn decisions(body: &Value) -> Vec<String> {
    let findings = body["findings"].as_array().unwrap().iter();
    let told = findings.map(|finding| {
        let of = |field: &Value| field.as_str().unwrap_or("-").to_owned();
        let (name, action) = (of(&finding["vulnerability"]), of(&finding["action"]));
        // A statement is identified by its document's hash.
        let by = &finding["decided_by"];
        let by = of(&by[if by["kind"] == "vex" { "kind" } else { "id" }]);
        format!("{name} {action} {by} {}", finding["kev"])
    });
    told.collect()
}

/// Advisories, one with a high exploitation probability and one without any.
pub(crate) fn feed(site: &Site<'_>) {
    let scored = |id: &str, package: &str, epss: &str| {
        let mut record = advisory(id, package, "9.0.0");
        record["severity"] = json!([{"type": "EPSS", "score": epss}]);
        record["published"] = json!("2025-01-01T00:00:00Z");
        record
    };
    let records = [
        scored("EX-1", "express", "0.1"),
        scored("EX-2", "express", "0.97425"),
        advisory("EX-3", "lodash", "9.0.0"),
        scored("EX-4", "lodash", "0.6"),
    ];
    site.feed("mine", &records);
}

/// Returns a catalogue's record: no package, no range, only the exploitation.
fn listed(id: &str, alias: &str) -> Value {
    json!({"schema_version": "1.6.0", "id": id, "modified": "2025-02-01T00:00:00Z", "aliases": [alias]})
}

#[test]
fn exploitation_data_is_equal_in_index_and_view() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    feed(&site);
    drop(site);
    let before = scan(&bench, Some(POLICY));
    assert_eq!(
        decisions(&before),
        [
            "EX-1 warn any null",
            "EX-2 fail fail[1] null",
            "EX-3 warn any null",
            "EX-4 ignore vex null"
        ],
        "no catalogue is held, and not to be listed in none says nothing"
    );

    let site = bench.open(NAME);
    site.feed("kev", &[listed("KEV-3", "EX-3")]);
    // An advisory and its explanation say what a scan says.
    let exploited = |id: &str| {
        let found = site
            .wait(site.service.advisory(id, AdvisoryQuery::default()))
            .unwrap();
        found.advisories[0].exploited.clone()
    };
    assert_eq!(
        exploited("EX-3").unwrap().to_string(),
        "known to be exploited, since 2025-02-01"
    );
    assert_eq!(exploited("EX-1"), None);
    let query = ExplainQuery {
        purl: "pkg:npm/lodash@1.0.0".to_owned(),
        id: None,
        distro: None,
        as_of: None,
    };
    let explained = site.wait(site.service.explain(query)).unwrap();
    let explained: Vec<_> = explained
        .advisories
        .iter()
        .map(|one| {
            (
                one.vulnerability.as_str(),
                one.exploited.clone().and_then(|entry| entry.since),
            )
        })
        .collect();
    assert!(
        explained.contains(&("EX-3", Some("2025-02-01".to_owned()))),
        "{explained:?}"
    );
    assert!(explained.len() > 1 && explained.iter().filter(|(_, since)| since.is_some()).count() == 1);
    drop(site);
    let after = scan(&bench, Some(POLICY));
    assert_eq!(
        decisions(&after),
        [
            "EX-1 ignore unexploited false",
            "EX-2 fail fail[1] false",
            "EX-3 fail fail[0] true",
            "EX-4 ignore vex false"
        ]
    );
    assert_eq!(after["findings"][1]["epss"], "0.97425");
    assert_ne!(after["knowledge_root"], before["knowledge_root"]);

    // A withdrawn listing does not apply.
    let site = bench.open(NAME);
    let mut withdrawn = listed("KEV-3", "EX-3");
    withdrawn["withdrawn"] = json!("2025-03-01T00:00:00Z");
    withdrawn["modified"] = json!("2025-03-01T00:00:00Z");
    site.feed("kev", &[withdrawn]);
    drop(site);
    assert_eq!(decisions(&scan(&bench, Some(POLICY)))[2], "EX-3 warn any false");
}

#[test]
fn native_catalogue_and_scores_reach_findings() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    site.feed(
        "mine",
        &[
            advisory("CVE-2030-0001", "express", "9.0.0"),
            advisory("CVE-2030-0002", "lodash", "9.0.0"),
        ],
    );
    let catalogue = json!({"title": "c", "catalogVersion": "2030.01.01", "count": 1, "vulnerabilities": [
        {"cveID": "CVE-2030-0001", "vendorProject": "a", "product": "b", "vulnerabilityName": "n", "dateAdded": "2030-01-01"}]});
    let report = site.take_in("kev", &catalogue.to_string(), None).unwrap();
    assert_eq!((report.stored, report.warning_count), (1, 0));
    let scores = "#model_version:v1,score_date:2030-01-01T00:00:00Z\ncve,epss,percentile\nCVE-2030-0001,0.5,0.9\nCVE-2030-0002,0.97425,0.99\nX,1,1\n";
    let report = site.take_in("epss", scores, None).unwrap();
    assert_eq!((report.stored, report.rejected), (2, 1));
    assert_eq!(report.warning_count, 1, "{:?}", report.warnings);
    assert!(report.warnings[0].contains("percentiles of 3 rows"));

    let unknown = site.take_in("x", "{}", Some("strange")).unwrap_err();
    assert_eq!(unknown.code, ErrorCode::BadRequest);
    assert!(unknown.detail.contains("expected one of"), "{}", unknown.detail);
    let foreign = site.take_in("x", "<strange/>", None).unwrap_err();
    assert!(
        foreign.detail.contains("unknown kind of XML document"),
        "{}",
        foreign.detail
    );
    drop(site);

    let body = scan(&bench, None);
    let shown: Vec<String> = body["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            format!(
                "{} {} {}",
                finding["vulnerability"], finding["kev"], finding["epss"]
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#""CVE-2030-0001" true "0.50000""#,
            r#""CVE-2030-0002" false "0.97425""#
        ]
    );
}

#[test]
fn data_of_upstream_vulnerabilities_applies() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let made_from = |id: &str, package: &str, cves: &[&str]| {
        let mut record = advisory(id, package, "9.0.0");
        record["upstream"] = json!(cves);
        record
    };
    let records = [
        made_from("DEB-1", "express", &["CVE-2024-1"]),
        made_from("DEB-2", "lodash", &["CVE-2024-2", "CVE-2024-3"]),
    ];
    site.feed("mine", &records);
    let rated = |id: &str, vector: &str, epss: &str| {
        json!({"schema_version": "1.6.0", "id": id, "modified": "2025-02-01T00:00:00Z",
            "severity": [{"type": "CVSS_V3", "score": format!("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/{vector}")},
                {"type": "EPSS", "score": epss}]})
    };
    let rows = |body: &Value| -> Vec<String> {
        let findings = body["findings"].as_array().unwrap().iter();
        let told = findings.map(|one| {
            let (level, epss) = (&one["severity"]["level"], &one["epss"]);
            format!("{} {level} {epss} {}", one["vulnerability"], one["kev"]).replace('"', "")
        });
        told.collect()
    };
    drop(site);
    assert_eq!(
        rows(&scan(&bench, None)),
        ["DEB-1 unknown null null", "DEB-2 unknown null null"]
    );
    // None of these names the packages; the index includes their data anyway.
    let site = bench.open(NAME);
    let severe = "C:H/I:H/A:H";
    site.feed(
        "nvd",
        &[
            rated("CVE-2024-1", severe, "0.9"),
            rated("CVE-2024-2", "C:L/I:N/A:N", "0.1"),
            rated("CVE-2024-3", severe, "0.3"),
        ],
    );
    site.feed(
        "kev",
        &[json!({"id": "CVE-2024-3", "modified": "2025-02-01T00:00:00Z"})],
    );
    drop(site);
    let body = scan(&bench, None);
    assert_eq!(
        rows(&body),
        ["DEB-1 critical 0.90000 false", "DEB-2 critical 0.30000 true"]
    );
    // A single CVE is its name; several are not, but each leads to it.
    assert_eq!(body["findings"][0]["ids"], json!(["CVE-2024-1", "DEB-1"]));
    assert_eq!(body["findings"][1]["ids"], json!(["DEB-2"]));
    assert_eq!(
        body["findings"][1]["related"],
        json!(["CVE-2024-2", "CVE-2024-3"])
    );
}

#[test]
fn incomplete_source_is_stale_in_every_way_of_scanning() {
    let bench = Bench::new();
    let site = bench.site_with(NAME, "[scan]\nmax_age_hours = 48\n");
    site.feed_whole("mine", &[advisory("EX-1", "left-pad", "9.0.0")]);
    site.feed("acme", &[advisory("EX-2", "left-pad", "9.0.0")]);
    drop(site);
    let stale = |body: &Value| {
        let reasons = body["reasons"].as_array().unwrap().iter();
        let texts = reasons.filter(|reason| reason["code"] == "knowledge_stale");
        texts.map(|reason| reason["text"].to_string()).collect::<Vec<_>>()
    };
    let body = scan(&bench, None);
    assert_eq!(body["outcome"], "unknown");
    let [told] = stale(&body).try_into().unwrap();
    assert!(told.contains("source acme was never checked"), "{told}");
    let site = bench.open(NAME);
    site.feed_whole("acme", &[advisory("EX-2", "left-pad", "9.0.0")]);
    drop(site);
    assert!(stale(&scan(&bench, None)).is_empty());
}

#[test]
fn sbom_is_generated_from_current_knowledge() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    site.feed("mine", &[advisory("EX-1", "express", "9.0.0")]);
    drop(site);
    let options = starling_scanner::sbom::GenerateOptions {
        components: 1,
        affected_percent: 0,
        seed: 1,
        ecosystems: Vec::new(),
    };
    let made = || {
        let document = starling_daemon::generate_sbom(&bench.home(NAME), &options).unwrap();
        let document: Value = serde_json::from_slice(&document).unwrap();
        document["components"][0]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(made(), "express");
    let site = bench.open(NAME);
    site.feed_whole("mine", &[advisory("EX-2", "lodash", "9.0.0")]);
    drop(site);
    assert_eq!(made(), "lodash");
    // While another process uses the store, the existing index is used.
    let site = bench.open(NAME);
    assert_eq!(made(), "lodash");
    site.feed_whole("mine", &[advisory("EX-1", "express", "9.0.0")]);
    assert_eq!(made(), "lodash");
    drop(site);
    assert_eq!(made(), "express");
}

const HIGH: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N";
const CRITICAL: &str = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";

#[test]
fn vulnerability_data_applies_to_all_its_packages() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let about = |mut record: Value, kind: &str, score: &str| {
        record["aliases"] = json!(["CVE-2025-1"]);
        record["severity"] = json!([{"type": kind, "score": score}]);
        record
    };
    let mut plain = advisory("EX-1", "express", "9.0.0");
    plain["aliases"] = json!(["CVE-2025-1"]);
    site.feed("mine", &[plain]);
    drop(site);
    let shown = |body: &Value| {
        let finding = &body["findings"][0];
        let severity = &finding["severity"];
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        [
            &severity["level"],
            &severity["stated"]["source"],
            &finding["epss"],
        ]
        .map(text)
        .join(" ")
    };
    assert_eq!(shown(&scan(&bench, None)), "unknown - -");

    // None of these names the package; one names another.
    let site = bench.open(NAME);
    site.feed("nvd", &[about(listed("CVE-2025-1", "EX-9"), "CVSS_V3", CRITICAL)]);
    site.feed("epss", &[about(listed("EPSS-1", "EX-9"), "EPSS", "0.97425")]);
    site.feed(
        "ghsa",
        &[about(advisory("OTHER-1", "left-pad", "1.0.0"), "CVSS_V3", HIGH)],
    );
    drop(site);
    assert_eq!(
        shown(&scan(&bench, None)),
        "high ghsa 0.97425",
        "nvd comes last unless it is preferred"
    );
    let preferred = "format: starling-policy/1\nseverity_sources: [nvd]\n";
    assert_eq!(shown(&scan(&bench, Some(preferred))), "critical nvd 0.97425");

    // A source's statement about the package has priority over its statements elsewhere.
    let site = bench.open(NAME);
    let own = about(advisory("OTHER-2", "express", "9.0.0"), "severity", "low");
    site.feed("ghsa", &[own]);
    drop(site);
    assert_eq!(shown(&scan(&bench, None)), "low ghsa 0.97425");
    assert_eq!(shown(&scan(&bench, Some(preferred))), "critical nvd 0.97425");

    // A source outside of the order lowers no rating, even for the package itself.
    let site = bench.open(NAME);
    let lower = about(advisory("EVIL-1", "express", "9.0.0"), "severity", "none");
    site.feed("evil", &[lower]);
    drop(site);
    assert_eq!(shown(&scan(&bench, None)), "low ghsa 0.97425");

    // A withdrawn record does not apply.
    let site = bench.open(NAME);
    let mut gone = about(listed("CVE-2025-1", "EX-9"), "CVSS_V3", CRITICAL);
    gone["withdrawn"] = json!("2025-03-01T00:00:00Z");
    gone["modified"] = json!("2025-03-01T00:00:00Z");
    site.feed("nvd", &[gone]);
    drop(site);
    assert_eq!(shown(&scan(&bench, Some(preferred))), "low ghsa 0.97425");
}

#[test]
fn time_that_no_clock_shows_is_refused() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    site.feed("mine", &[advisory("EX-1", "express", "4.18.0")]);
    let scan_at = |at: &str| {
        let params = ScanParams {
            at: Some(at.parse().unwrap()),
            ..ScanParams::default()
        };
        site.wait(site.service.scan(documents(None), params))
    };
    assert_eq!(code(scan_at("1969-12-31T23:59:59.999Z")), ErrorCode::BadRequest);
    assert!(scan_at("1970-01-01T00:00:00Z").is_ok());
}
