//! Components that are looked up by CPE names.

use super::limits::Limits;
use super::*;
use crate::cpe::{CPE_ECOSYSTEM, configurations};
use crate::index::{IndexWriter, MatchIndex};
use crate::knowledge::{Advisory, Provenance};
use crate::sbom;

const ROCKET: &str = "cpe:2.3:a:acme:rocket:1.0:*:*:*:*:*:*:*";

/// Returns the advisory of a CVE about one product below a version.
fn advisory(id: &str, product: &str, below: &str) -> Advisory {
    let body = format!(
        r#"{{"id":"{id}","database_specific":{{"native":{{"configurations":[{{"nodes":[{{"operator":"OR","cpeMatch":[
            {{"vulnerable":true,"criteria":"cpe:2.3:{product}:*:*:*:*:*:*:*:*","versionEndExcluding":"{below}"}}]}}]}}]}}}}}}"#
    );
    Advisory {
        merge_hash: id.to_owned(),
        vulnerability: id.to_owned(),
        configurations: configurations(body.as_bytes()).about(product),
        provenance: vec![Provenance {
            source: "nvd".into(),
            record: id.to_owned(),
            sites: Vec::new(),
        }],
        ..Advisory::default()
    }
}

fn knowledge() -> MatchIndex<Vec<u8>> {
    let mut writer = IndexWriter::new(Vec::new());
    let mut add = |product: &str, ids: &[&str]| {
        let list: Vec<_> = ids.iter().map(|id| advisory(id, product, "2.0")).collect();
        writer.add(CPE_ECOSYSTEM, product, &list).unwrap();
    };
    add("a:acme:rocket", &["CVE-2024-1", "CVE-2024-2"]);
    add("a:acme:rocket_launcher", &["CVE-2024-1"]);
    add("o:redhat:enterprise_linux", &["CVE-2024-3"]);
    add("h:acme:box", &["CVE-2024-4"]);
    MatchIndex::open(writer.finish(&[0; 32]).unwrap()).unwrap()
}

fn inventory(components: &[String]) -> Inventory {
    let list = components.join(",");
    let bom = format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{list}]}}"#);
    sbom::read(bom.as_bytes()).unwrap()
}

fn component(fields: &str) -> String {
    format!(r#"{{"type":"library","name":"c",{fields}}}"#)
}

fn run(fields: &str) -> ScanResult {
    scan(
        &inventory(&[component(fields)]),
        &knowledge(),
        &ScanOptions::default(),
    )
    .unwrap()
}

fn found(result: &ScanResult) -> Vec<&str> {
    result
        .findings
        .iter()
        .map(|finding| finding.vulnerability.as_str())
        .collect()
}

fn standing(result: &ScanResult) -> Standing {
    result.gaps.first().map_or(Standing::Matched, |gap| gap.standing)
}

#[test]
fn component_with_only_a_name_is_matched_by_it() {
    let result = run(&format!(r#""cpe":"{ROCKET}""#));
    assert_eq!(
        (found(&result), standing(&result)),
        (vec!["CVE-2024-1", "CVE-2024-2"], Standing::Matched)
    );
    let first = &result.findings[0];
    assert_eq!(first.matched_by, Some(MatchedBy::Cpe));
    assert_eq!(
        (
            first.package.ecosystem.as_str(),
            first.package.name.as_str(),
            first.package.version.as_str()
        ),
        ("CPE", "a:acme:rocket", "1.0")
    );
    assert_eq!(
        (first.package.purl.as_str(), first.package.cpe.as_deref()),
        ("", Some(ROCKET))
    );
    assert_eq!(first.package.purls().collect::<Vec<_>>(), [ROCKET]);
    assert_eq!(
        (first.fixed.as_slice(), first.rules[0].kind.as_str()),
        (&["2.0".to_owned()][..], "CPE")
    );
    let sources = result.ecosystems["CPE"].clone().unwrap();
    assert!(sources.contains("nvd"));
    // Its own version is used if the name has none.
    assert_eq!(
        found(&run(r#""version":"1.9","cpe":"cpe:/a:acme:rocket""#)).len(),
        2
    );
    assert_eq!(
        found(&run(r#""version":"2.0","cpe":"cpe:/a:acme:rocket""#)).len(),
        0
    );
}

#[test]
fn package_url_of_a_registry_has_priority() {
    for (purl, by_name) in [
        ("pkg:npm/c@1.0", false),
        ("pkg:deb/debian/c@1.0", false),
        ("pkg:rpm/c@1.0", false),
        ("pkg:generic/c@1.0", true),
        ("pkg:docker/c@1.0", true),
        ("pkg:oci/c@1.0", true),
    ] {
        let result = run(&format!(r#""purl":"{purl}","cpe":"{ROCKET}""#));
        assert_eq!(!found(&result).is_empty(), by_name, "{purl}");
        if by_name {
            assert_eq!(result.findings[0].package.purl, purl);
            assert_eq!(standing(&result), Standing::Matched);
        } else {
            assert!(standing(&result).is_gap(), "{purl}");
        }
    }
}

#[test]
fn names_without_information_are_not_clean() {
    for (fields, expected) in [
        (
            r#""cpe":"cpe:2.3:a:acme:unheard:1:*:*:*:*:*:*:*""#,
            Standing::NoKnowledge,
        ),
        (
            r#""cpe":"cpe:2.3:a:acme:rocket:*:*:*:*:*:*:*:*""#,
            Standing::Unversioned,
        ),
        (
            r#""cpe":"cpe:2.3:a:acme:rocket:nightly:*:*:*:*:*:*:*""#,
            Standing::Undecided,
        ),
        (r#""cpe":"cpe:2.3:a:*:rocket:1:*:*:*:*:*:*:*""#, Standing::Unknown),
        (r#""cpe":"nonsense""#, Standing::Unknown),
        (r#""cpe":7"#, Standing::Unknown),
        (r#""version":"1""#, Standing::Unknown),
    ] {
        let result = run(fields);
        assert_eq!(
            (standing(&result), found(&result).len()),
            (expected, 0),
            "{fields}"
        );
    }
    let notes = inventory(&[component(r#""cpe":"nonsense""#)]).notes;
    assert!(notes[0].text.contains("not a CPE name"), "{notes:?}");
}

#[test]
fn devices_are_matched_and_distributions_are_not() {
    let scanned = |kind: &str, cpe: &str| {
        let list = [format!(r#"{{"type":"{kind}","name":"c","cpe":"{cpe}"}}"#)];
        scan(&inventory(&list), &knowledge(), &ScanOptions::default()).unwrap()
    };
    assert_eq!(
        found(&scanned("device", "cpe:2.3:h:acme:box:1:*:*:*:*:*:*:*")),
        ["CVE-2024-4"]
    );
    let system = scanned(
        "operating-system",
        "cpe:2.3:o:redhat:enterprise_linux:1:*:*:*:*:*:*:*",
    );
    assert_eq!((found(&system).len(), system.coverage.not_a_package), (0, 1));
}

#[test]
fn repeated_components_are_one_finding_with_all_places() {
    let mut list: Vec<String> = (0..1_500)
        .map(|_| component(&format!(r#""cpe":"{ROCKET}""#)))
        .collect();
    list.push(component(r#""cpe":"cpe:2.3:a:acme:rocket:1.1:*:*:*:*:*:*:*""#));
    let inventory = inventory(&list);
    let by = |workers| {
        let options = ScanOptions {
            workers,
            ..ScanOptions::default()
        };
        scan(&inventory, &knowledge(), &options).unwrap()
    };
    let alone = by(1);
    assert_eq!(alone.findings.len(), 4);
    assert_eq!(alone.findings[0].places.len(), 1_500);
    assert_eq!(by(3), alone);
}

#[test]
fn several_names_of_a_component_find_a_vulnerability_once() {
    let document = format!(
        r#"{{"spdxVersion":"SPDX-2.3","name":"d","packages":[{{"name":"c","SPDXID":"SPDXRef-1","externalRefs":[
            {{"referenceType":"cpe23Type","referenceLocator":"{ROCKET}"}},
            {{"referenceType":"cpe23Type","referenceLocator":"cpe:2.3:a:acme:unheard:1.0"}},
            {{"referenceType":"cpe22Type","referenceLocator":"cpe:/a:acme:rocket_launcher:1.0"}}]}}]}}"#
    );
    let inventory = sbom::read(document.as_bytes()).unwrap();
    let result = scan(&inventory, &knowledge(), &ScanOptions::default()).unwrap();
    assert_eq!(
        (found(&result), standing(&result)),
        (vec!["CVE-2024-1", "CVE-2024-2"], Standing::Matched)
    );
}

#[test]
fn number_of_comparisons_is_limited_for_any_number_of_threads() {
    let list: Vec<String> = (0..1_500)
        .map(|_| component(&format!(r#""cpe":"{ROCKET}""#)))
        .collect();
    let inventory = inventory(&list);
    for workers in [1, 3] {
        let options = ScanOptions {
            workers,
            ..ScanOptions::default()
        };
        let by = |compared| {
            let limits = Limits {
                compared,
                ..Limits::default()
            };
            scan_within(limits, &inventory, &knowledge(), &options).is_ok()
        };
        assert!(by(3_000) && !by(2_999), "{workers}");
    }
}

#[test]
fn names_are_read_from_every_format() {
    let tag = format!(
        "SPDXVersion: SPDX-2.3\nDocumentName: d\nPackageName: c\nSPDXID: SPDXRef-1\n\
         ExternalRef: SECURITY cpe23Type {ROCKET}\n"
    );
    let yaml = format!(
        "spdxVersion: SPDX-2.3\nname: d\npackages:\n- name: c\n  SPDXID: SPDXRef-1\n  externalRefs:\n  \
         - referenceType: http://spdx.org/rdf/references/cpe23Type\n    referenceLocator: '{ROCKET}'\n"
    );
    let rdf = format!(
        "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns:s=\"http://spdx.org/rdf/terms#\">\
         <s:SpdxDocument rdf:about=\"x#SPDXRef-DOCUMENT\"><s:specVersion>SPDX-2.3</s:specVersion><s:name>d</s:name>\
         <s:relationship><s:Relationship><s:relatedSpdxElement><s:Package rdf:about=\"x#SPDXRef-1\"><s:name>c</s:name>\
         <s:externalRef><s:ExternalRef><s:referenceType rdf:resource=\"http://spdx.org/rdf/references/cpe23Type\"/>\
         <s:referenceLocator>{ROCKET}</s:referenceLocator></s:ExternalRef></s:externalRef></s:Package>\
         </s:relatedSpdxElement></s:Relationship></s:relationship></s:SpdxDocument></rdf:RDF>"
    );
    let spdx3 = format!(
        r#"{{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[
            {{"type":"CreationInfo","specVersion":"3.0.1"}},
            {{"type":"software_Package","spdxId":"x:1","name":"c","externalIdentifier":[
                {{"type":"ExternalIdentifier","externalIdentifierType":"cpe23","identifier":"{ROCKET}"}}]}}]}}"#
    );
    let syft = |cpes: &str| {
        format!(
            r#"{{"artifacts":[{{"id":"1","name":"c","version":"1","type":"binary","cpes":[{cpes}]}}],
                "source":{{"type":"image"}},"descriptor":{{"name":"syft"}},"schema":{{"version":"16.0.0"}}}}"#
        )
    };
    let xml = format!(
        "<bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\"><components><component type=\"library\"><name>c</name>\
         <cpe>{ROCKET}</cpe></component></components></bom>"
    );
    let protobuf = format!(
        r#"{{"specVersion":"1.5","components":[{{"type":"CLASSIFICATION_LIBRARY","name":"c","cpe":"{ROCKET}"}}]}}"#
    );
    for document in [
        tag,
        yaml,
        rdf,
        spdx3,
        syft(&format!("\"{ROCKET}\"")),
        syft(&format!(r#"{{"cpe":"{ROCKET}","source":"x"}},7"#)),
        xml,
        protobuf,
    ] {
        let inventory = sbom::read(document.as_bytes()).unwrap_or_else(|error| panic!("{error}: {document}"));
        let names: Vec<&str> = inventory
            .components
            .iter()
            .flat_map(|c| c.cpes.iter().flatten())
            .map(|n| &**n)
            .collect();
        assert_eq!(names, [ROCKET], "{document}");
    }
}

#[test]
fn product_without_a_finding_is_not_clean() {
    // Versions are written in more ways than can be compared: `8.5p1` may be the record's `8.5`, update `p1`.
    for fields in [
        r#""cpe":"cpe:2.3:a:acme:rocket:2.0:*:*:*:*:*:*:*""#,
        r#""cpe":"cpe:2.3:a:acme:rocket:8.5p1:*:*:*:*:*:*:*""#,
        r#""version":"3.0","cpe":"cpe:/a:acme:rocket:-""#,
    ] {
        let result = run(fields);
        assert!(found(&result).is_empty(), "{fields}");
        assert!(standing(&result).is_gap(), "{fields}");
    }
}

#[test]
fn components_with_one_name_keep_their_own_addresses() {
    let one = |purl: &str| component(&format!(r#"{purl}"cpe":"{ROCKET}""#));
    let components = [
        one(r#""purl":"pkg:generic/a@1.0","#),
        one(r#""purl":"pkg:generic/b@1.0","#),
        one(""),
    ];
    let result = scan(&inventory(&components), &knowledge(), &ScanOptions::default()).unwrap();
    let first = &result.findings[0];
    let addresses: Vec<&str> = first.package.purls().collect();
    assert_eq!(addresses, ["pkg:generic/a@1.0", ROCKET, "pkg:generic/b@1.0"]);
    assert_eq!(first.places.len(), 3);
}

#[test]
fn two_records_of_one_vulnerability_keep_both_their_fixes() {
    let mut writer = IndexWriter::new(Vec::new());
    let mut other = advisory("CVE-2024-1", "a:acme:rocket", "1.9");
    other.merge_hash = "other".to_owned();
    let list = [advisory("CVE-2024-1", "a:acme:rocket", "2.0"), other];
    writer.add(CPE_ECOSYSTEM, "a:acme:rocket", &list).unwrap();
    let index = MatchIndex::open(writer.finish(&[0; 32]).unwrap()).unwrap();
    let components = [component(&format!(r#""cpe":"{ROCKET}""#))];
    let result = scan(&inventory(&components), &index, &ScanOptions::default()).unwrap();
    assert_eq!(result.findings.len(), 1);
    let mut fixed = result.findings[0].fixed.clone();
    fixed.sort();
    assert_eq!(fixed, ["1.9", "2.0"]);
    assert_eq!(result.findings[0].rules.len(), 2);
}

#[test]
fn subject_with_a_known_product_in_doubt_is_counted() {
    let scanned = |fields: &str| {
        let bom = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[],"metadata":{{"component":{{"type":"application","name":"s",{fields}}}}}}}"#
        );
        let inventory = sbom::read(bom.as_bytes()).unwrap();
        scan(&inventory, &knowledge(), &ScanOptions::default()).unwrap()
    };
    for (fields, expected) in [
        (
            r#""version":"9","cpe":"cpe:/a:acme:rocket""#,
            Some(Standing::Undecided),
        ),
        (r#""cpe":"cpe:/a:acme:rocket""#, Some(Standing::Unversioned)),
        (r#""version":"9","cpe":"cpe:/a:acme:unheard""#, None),
        (r#""version":"9","purl":"pkg:npm/s@9""#, None),
    ] {
        let result = scanned(fields);
        let gap = result.gaps.first().map(|gap| gap.standing);
        assert_eq!(gap, expected, "{fields}");
        assert_eq!(result.coverage.total(), u64::from(expected.is_some()), "{fields}");
    }
    let affected = scanned(r#""version":"1.0","cpe":"cpe:/a:acme:rocket""#);
    assert_eq!((affected.findings.len(), affected.coverage.matched), (2, 1));
}
