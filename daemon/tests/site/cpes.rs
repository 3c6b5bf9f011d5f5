//! Components with only a CPE name, from the documents of sources to the verdict.

use serde_json::{Value, json};
use starling_api::ScanDocuments;
use starling_api_types::{Conclusion, ErrorCode, ExplainQuery};
use starling_scanner::cpe::CPE_ECOSYSTEM;

use crate::bench::{Bench, advisory, code};
use crate::indexes::index;
use crate::scans::{decisions, scan_documents};

const NAME: &str = "site-a";

/// Returns an entry of the NVD about a product below a version, running on Windows if asked for.
fn entry(id: &str, product: &str, below: &str, modified: &str, on_windows: bool) -> Value {
    let affected = json!({"operator": "OR", "negate": false, "cpeMatch": [{"vulnerable": true,
        "criteria": format!("cpe:2.3:{product}:*:*:*:*:*:*:*:*"), "versionEndExcluding": below}]});
    let windows = json!({"operator": "OR", "negate": false, "cpeMatch": [{"vulnerable": false,
        "criteria": "cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*"}]});
    let configuration = if on_windows {
        json!({"operator": "AND", "nodes": [affected, windows]})
    } else {
        json!({"nodes": [affected]})
    };
    json!({"cve": {"id": id, "sourceIdentifier": "x@example.org", "published": "2024-01-01T00:00:00.000",
        "lastModified": modified, "vulnStatus": "Analyzed",
        "descriptions": [{"lang": "en", "value": "A flaw in a rocket."}], "references": [],
        "metrics": {"cvssMetricV31": [{"type": "Primary", "cvssData": {"version": "3.1",
            "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "baseScore": 9.8}}]},
        "configurations": [configuration]}})
}

fn page(entries: &[Value]) -> String {
    let count = entries.len();
    json!({"resultsPerPage": count, "startIndex": 0, "totalResults": count, "format": "NVD_CVE", "version": "2.0",
        "timestamp": "2024-02-01T00:00:00.000", "vulnerabilities": entries})
    .to_string()
}

const POLICY: &str = "\
format: starling-policy/1
fail: [{severity: high}]
rules:
  - {id: a-hint, action: warn, reason: by a CPE name only, when: {matched_by: [cpe]}}
";

fn documents(components: &[Value], policy: Option<&str>) -> ScanDocuments {
    let sbom = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": components});
    ScanDocuments {
        policy: policy.map(|text| text.to_owned().into()),
        ..ScanDocuments::from(bytes::Bytes::from(sbom.to_string()))
    }
}

fn named(version: &str) -> Value {
    json!({"type": "firmware", "name": "rocket", "version": version,
        "cpe": format!("cpe:2.3:a:acme:rocket:{version}:*:*:*:*:*:*:*")})
}

#[test]
fn component_with_a_cpe_name_is_judged_by_index_and_view() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let first = "2024-02-01T00:00:00.000";
    let entries = [
        entry("CVE-2024-0001", "a:acme:rocket", "2.0", first, false),
        entry("CVE-2024-0002", "a:acme:rocket", "1.5", first, true),
        entry("CVE-2024-0003", "o:acme:os", "3", first, false),
    ];
    let report = site.take_in("nvd", &page(&entries), None).unwrap();
    assert_eq!(report.out_of_reach, []);
    // Another source's rating of the same vulnerability reaches the finding.
    site.feed("mine", &[advisory("EX-1", "express", "4.17.1")]);
    drop(site);
    let npm = json!({"type": "library", "name": "express", "purl": "pkg:npm/express@4.17.0",
        "cpe": "cpe:2.3:a:acme:rocket:1.0:*:*:*:*:*:*:*"});
    let unheard = json!({"type": "firmware", "name": "x", "cpe": "cpe:2.3:a:acme:unheard:1:*:*:*:*:*:*:*"});
    let body = scan_documents(&bench, &documents(&[named("1.0"), npm, unheard], Some(POLICY)));
    assert_eq!(
        decisions(&body),
        [
            "CVE-2024-0001 warn a-hint null",
            "CVE-2024-0002 warn a-hint null",
            "EX-1 warn any null"
        ]
    );
    let finding = &body["findings"][1];
    assert_eq!(finding["matched_by"], "cpe");
    assert_eq!(finding["package"]["ecosystem"], CPE_ECOSYSTEM);
    assert_eq!(finding["package"]["name"], "a:acme:rocket");
    assert_eq!(finding["severity"]["level"], "critical");
    assert_eq!(finding["fixed"], json!(["1.5"]));
    assert_eq!(
        finding["rules"][0]["running_on"],
        json!(["cpe:2.3:o:microsoft:windows:-:*:*:*:*:*:*:*"])
    );
    assert_eq!(finding["provenance"][0]["record"], "CVE-2024-0002");
    assert!(body["findings"][2].get("matched_by").is_none());
    assert_eq!(body["not_judged"]["packages"][0]["reason"], "no_knowledge");
    assert_eq!(
        body["not_judged"]["packages"][0]["cpe"],
        "cpe:2.3:a:acme:unheard:1:*:*:*:*:*:*:*"
    );
    let ecosystems: Vec<&str> = body["ecosystems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["ecosystem"].as_str().unwrap())
        .collect();
    assert_eq!(ecosystems, [CPE_ECOSYSTEM, "npm"]);
    assert_eq!(body["ecosystems"][0]["sources"][0]["source"], "nvd");
}

#[test]
fn product_is_explained_by_its_name() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let first = "2024-02-01T00:00:00.000";
    site.take_in(
        "nvd",
        &page(&[entry("CVE-2024-0001", "a:acme:rocket", "2.0", first, true)]),
        None,
    )
    .unwrap();
    let explain = |name: &str, id: &str, distro: Option<&str>| {
        let query = ExplainQuery {
            purl: name.to_owned(),
            id: Some(id.to_owned()),
            distro: distro.map(str::to_owned),
            as_of: None,
        };
        site.wait(site.service.explain(query))
    };
    let conclusion = |version: &str, id: &str, distro| {
        let name = format!("cpe:2.3:a:acme:rocket:{version}");
        explain(&name, id, distro).unwrap().conclusion
    };
    for (version, id, distro, expected) in [
        ("1.0", "CVE-2024-0001", None, Conclusion::Affected),
        ("1.0", "cve-2024-0001", Some("debian-12"), Conclusion::NotAffected),
        ("2.0", "CVE-2024-0001", None, Conclusion::NotAffected),
        ("*", "CVE-2024-0001", None, Conclusion::CannotSay),
        ("nightly", "CVE-2024-0001", None, Conclusion::CannotSay),
        ("1.0", "CVE-2024-0009", None, Conclusion::CannotSay),
    ] {
        assert_eq!(
            conclusion(version, id, distro),
            expected,
            "{version} {id} {distro:?}"
        );
    }
    let found = explain("cpe:/a:acme:rocket:1.0", "CVE-2024-0001", None).unwrap();
    assert_eq!(found.advisories[0].fixed, ["2.0"]);
    assert_eq!(found.advisories[0].statements[0].record, "CVE-2024-0001");
    assert!(
        found.advisories[0].rules[0]
            .rule
            .contains("running on cpe:2.3:o:microsoft:windows")
    );
    assert_eq!(
        code(explain("cpe:2.3:x:y", "CVE-2024-0001", None)),
        ErrorCode::BadRequest
    );
    let vague = explain("cpe:2.3:a:*:rocket:1", "CVE-2024-0001", None).unwrap();
    assert_eq!(vague.conclusion, Conclusion::CannotSay);
}

#[test]
fn changed_configurations_change_the_next_index() {
    let bench = Bench::new();
    let site = bench.site(NAME);
    let (first, second) = ("2024-02-01T00:00:00.000", "2024-03-01T00:00:00.000");
    let rocket = |below, modified| entry("CVE-2024-0001", "a:acme:rocket", below, modified, false);
    site.take_in(
        "nvd",
        &page(&[
            rocket("2.0", first),
            entry("CVE-2024-0003", "o:acme:os", "3", first, false),
        ]),
        None,
    )
    .unwrap();
    drop(site);
    assert_eq!(index(&bench), ["CPE a:acme:rocket", "CPE o:acme:os"]);
    let found = |version: &str| decisions(&scan_documents(&bench, &documents(&[named(version)], None))).len();
    assert_eq!((found("1.9"), found("2.1")), (1, 0));

    // Another range of one product, and another product of the other record.
    let site = bench.open(NAME);
    let moved = entry("CVE-2024-0003", "a:acme:launcher", "3", second, false);
    site.take_in("nvd", &page(&[rocket("3.0", second), moved]), None)
        .unwrap();
    drop(site);
    assert_eq!(index(&bench), ["CPE a:acme:launcher", "CPE a:acme:rocket"]);
    assert_eq!((found("2.1"), found("3.0")), (1, 0));

    // A statement about the vulnerability alone changes the product's advisory too.
    let site = bench.open(NAME);
    let scored = json!({"schema_version": "1.6.0", "id": "CVE-2024-0001", "modified": "2025-02-01T00:00:00Z",
        "severity": [{"type": "EPSS", "score": "0.9"}]});
    site.feed("epss", &[scored]);
    drop(site);
    index(&bench);
    let body = scan_documents(&bench, &documents(&[named("1.0")], None));
    assert_eq!(body["findings"][0]["epss"], "0.90000");

    // A rejected entry says nothing.
    let site = bench.open(NAME);
    let mut rejected = rocket("3.0", "2024-04-01T00:00:00.000");
    rejected["cve"]["vulnStatus"] = json!("Rejected");
    site.take_in("nvd", &page(&[rejected]), None).unwrap();
    drop(site);
    index(&bench);
    assert_eq!(found("1.0"), 0);
}

/// A withdrawal to come hid what a record states of a product and of a package.
#[test]
fn record_is_found_by_product_and_package_until_its_withdrawal() {
    let bench = Bench::new();
    drop(bench.site(NAME));
    let npm = json!({"type": "library", "name": "express", "purl": "pkg:npm/express@4.17.0"});
    let documents = || documents(&[named("1.0"), npm.clone()], None);
    let state = |withdrawn: &str| {
        let configurations =
            entry("CVE-2024-0001", "a:acme:rocket", "2.0", "", false)["cve"]["configurations"].clone();
        let mut of_product = json!({"id": "CVE-2024-0001", "database_specific": {"native": {"configurations": configurations}}});
        let mut of_package = advisory("EX-1", "express", "4.17.1");
        // Another record about the same vulnerability stays, and says nothing of this version.
        let mut other = advisory("EX-2", "express", "4.0.0");
        other["aliases"] = json!(["EX-1"]);
        for record in [&mut of_product, &mut of_package] {
            record["modified"] = json!("2024-01-01T00:00:00Z");
            record["withdrawn"] = json!(withdrawn);
        }
        let site = bench.open(NAME);
        site.feed("mine", &[of_product, of_package]);
        site.feed("other", &[other]);
    };
    let found = || {
        let body: Value = scan_documents(&bench, &documents());
        let findings = body["findings"].as_array().unwrap().iter();
        findings
            .map(|finding| finding["vulnerability"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    state("2999-01-01T00:00:00Z");
    assert_eq!(found(), ["CVE-2024-0001", "EX-1"]);
    state("2024-01-01T00:00:00Z");
    assert_eq!(found(), [""; 0]);
}
