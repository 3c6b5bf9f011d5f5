//! Common parts of the connectors' tests, and tests for all connectors.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{CONNECTORS, Kind};
use crate::osv::{FeedRecord, Outcome, Part};

fn kind(name: &str) -> Kind {
    name.parse().unwrap()
}

fn parts_of(kind: Kind, bytes: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    kind.read(bytes, "document", &mut |part| {
        if let Outcome::Record(record) = &part.outcome {
            assert!(starling_protocol::json::is_canonical(&record.canonical));
        }
        parts.push(part);
    });
    assert!(!parts.is_empty(), "every document says what became of it");
    parts
}

/// Reads the records of a document.
pub(super) fn read(name: &str, bytes: &[u8]) -> Vec<FeedRecord> {
    let records = parts_of(kind(name), bytes)
        .into_iter()
        .filter_map(|part| match part.outcome {
            Outcome::Record(record) => Some(record),
            _ => None,
        });
    records.collect()
}

/// Returns the records of a document as text.
pub(super) fn only_records(name: &str, bytes: &[u8]) -> Vec<String> {
    let text = |record: FeedRecord| String::from_utf8(record.canonical).unwrap();
    read(name, bytes).into_iter().map(text).collect()
}

/// Returns the records of a document as JSON.
pub(super) fn json_records(name: &str, bytes: &[u8]) -> Vec<serde_json::Value> {
    let json = |record: FeedRecord| serde_json::from_slice(&record.canonical).unwrap();
    read(name, bytes).into_iter().map(json).collect()
}

/// Returns the rejected parts of a document: place and reason.
pub(super) fn rejected(name: &str, bytes: &[u8]) -> Vec<String> {
    let refused = parts_of(kind(name), bytes)
        .into_iter()
        .filter_map(|part| match part.outcome {
            Outcome::Rejected(why) => Some(format!("{}: {why}", part.pointer)),
            _ => None,
        });
    refused.collect()
}

/// Returns the skipped parts of a document: place and reason.
pub(super) fn ignored(name: &str, bytes: &[u8]) -> Vec<String> {
    let passed = parts_of(kind(name), bytes)
        .into_iter()
        .filter_map(|part| match part.outcome {
            Outcome::NoRecord(why) => Some(format!("{}: {why}", part.pointer)),
            _ => None,
        });
    passed.collect()
}

/// Returns the notes about a document as a whole.
pub(super) fn noted(name: &str, bytes: &[u8]) -> Vec<String> {
    let notes = parts_of(kind(name), bytes)
        .into_iter()
        .filter_map(|part| match part.outcome {
            Outcome::Noted(what) => Some(what),
            _ => None,
        });
    notes.collect()
}

#[test]
fn pages_say_their_place_in_the_list() {
    let told = |name: &str, text: &str| {
        let parts = parts_of(kind(name), text.as_bytes()).into_iter();
        let pages = parts.filter_map(|part| match part.outcome {
            Outcome::Page(page) => Some((page.total, page.start, page.count)),
            _ => None,
        });
        pages.collect::<Vec<_>>()
    };
    for (name, text, expected) in [
        (
            "nvd",
            r#"{"resultsPerPage":1,"startIndex":20,"totalResults":50,"vulnerabilities":[{"cve":{"id":"CVE-2030-0001"}}]}"#,
            (50, Some(20), 1),
        ),
        (
            "euvd",
            r#"{"items":[{"id":"EUVD-2030-1"},{"id":"X"}],"total":50}"#,
            (50, None, 2),
        ),
        (
            "jvn",
            r#"<rdf:RDF xmlns:rdf="r" xmlns:status="s"><item><sec:identifier>JVNDB-2030-1</sec:identifier></item>
            <status:Status retCd="0" totalRes="50" totalResRet="1" firstRes="21"/></rdf:RDF>"#,
            (50, Some(20), 1),
        ),
        (
            "jvn",
            r#"{"$schema":"https://jvndb.jvn.jp/schema/x","feed":{"entry":[{"id":"JVNDB-2030-1"}]},
            "status":{"retCd":"0","totalRes":"50","totalResRet":"1","firstRes":"21"}}"#,
            (50, Some(20), 1),
        ),
        (
            "rocky",
            r#"{"advisories":[{"name":"RLSA-2030:1"}],"total":50,"page":3,"size":10}"#,
            (50, Some(20), 1),
        ),
        (
            "fedora",
            r#"{"updates":[{"updateid":"FEDORA-2030-1"}],"total":50,"page":3,"pages":5,"rows_per_page":10}"#,
            (50, Some(20), 1),
        ),
        (
            "ubuntu",
            r#"{"notices":[{"id":"USN-1-1"}],"offset":20,"limit":10,"total_results":50}"#,
            (50, Some(20), 1),
        ),
    ] {
        assert_eq!(told(name, text), [expected], "{name}");
    }
    // A file of a year is all of its list.
    let year = r#"<VULDEF-Document><Vulinfo/><status:Status retCd="0" totalRes="9" totalResRet="1" firstRes=""/></VULDEF-Document>"#;
    assert!(told("jvn", year).is_empty());
}

/// Very many ids took time that grew with the square of their number: these took minutes.
#[test]
fn very_many_ids_are_read_at_once() {
    let ids: Vec<String> = (0..60_000)
        .map(|number| format!("CVE-2030-{:05}", 10_000 + number))
        .collect();
    let text = serde_json::json!({ "id": "EUVD-2030-1", "description": "d", "aliases": ids.join("\n"),
        "references": ids.iter().map(|id| format!("https://example.org/{id}")).collect::<Vec<_>>().join("\n") });
    let record = &json_records("euvd", text.to_string().as_bytes())[0];
    assert_eq!(record["upstream"].as_array().map(Vec::len), Some(60_000));
    assert_eq!(record["references"].as_array().map(Vec::len), Some(60_000));
}

/// Returns the warnings of all records of a document.
pub(super) fn warnings(name: &str, bytes: &[u8]) -> Vec<String> {
    let records = read(name, bytes).into_iter();
    records
        .flat_map(|record| record.warnings)
        .map(|warning| warning.to_string())
        .collect()
}

/// Returns ecosystem, name and events of all ranges of a record, one line each.
pub(super) fn ranges(record: &serde_json::Value) -> Vec<String> {
    let mut lines = Vec::new();
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    for entry in list(&record["affected"]) {
        let package = format!(
            "{} {}",
            entry["package"]["ecosystem"].as_str().unwrap_or_default(),
            entry["package"]["name"].as_str().unwrap_or_default()
        );
        for range in list(&entry["ranges"]) {
            let mut line = package.clone();
            for event in list(&range["events"]) {
                for (kind, version) in event.as_object().unwrap() {
                    line.push_str(&format!(" {kind}={}", version.as_str().unwrap()));
                }
            }
            lines.push(line);
        }
        for version in list(&entry["versions"]) {
            lines.push(format!("{package} =={}", version.as_str().unwrap()));
        }
        if entry["ranges"].is_null() && entry["versions"].is_null() {
            lines.push(package);
        }
    }
    lines
}

#[test]
fn names_of_kinds_are_sorted_distinct_and_documented() {
    let names: Vec<&str> = CONNECTORS.iter().map(|connector| connector.name()).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let page = include_str!("../../../../docs/sources/README.md");
    for name in Kind::names() {
        assert_eq!(kind(name).name(), name);
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/sources/README.md does not name {name}"
        );
    }
    let unknown = "nothing".parse::<Kind>().unwrap_err().to_string();
    assert!(
        unknown.contains("expected one of") && unknown.contains("osv"),
        "{unknown}"
    );
}

#[test]
fn unknown_beginning_matches_no_connector() {
    for text in [
        "",
        "{}",
        "[]",
        "[{}]",
        "{\"id\":\"X\",\"modified\":\"2024-01-01T00:00:00Z\"}",
        "id: X\n",
        "<html><body>",
        "plain text",
        "{\"vulnerabilities\":[]}",
        "{\"data\":[]}",
        "{\"packages\":[]}",
    ] {
        assert_eq!(Kind::detect(text.as_bytes()), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_by_every_connector(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for connector in CONNECTORS {
            parts_of(kind(connector.name()), &bytes);
        }
    }

    #[test]
    fn any_xml_is_read_by_every_connector(text in XML) {
        for connector in CONNECTORS {
            parts_of(kind(connector.name()), text.as_bytes());
        }
    }

    #[test]
    fn any_lines_are_read_by_every_connector(text in LINES) {
        for connector in CONNECTORS {
            parts_of(kind(connector.name()), text.as_bytes());
        }
    }

    #[test]
    fn any_json_is_read_by_every_connector(value in json_value(3)) {
        for connector in CONNECTORS {
            parts_of(kind(connector.name()), value.to_string().as_bytes());
        }
    }
}

/// Fragments of the XML that connectors read, in any order.
const XML: &str = "(<updates>|<update>|</update>|<id>|ALAS-2030-1|ALSA-2030:1|</id>|<pkglist>|<collection short=\"f\">|</collection>|\
    <package name=\"p\" version=\"1\" release=\"2.el9\"/>|</pkglist>|<definition version=\"1\">|</definition>|<metadata>|</metadata>|\
    <title>|</title>|ELSA-2030:1|<criteria>|</criteria>|<criterion comment=\"p is earlier than 1:2-3\"/>|<entry>|</entry>|<vuln-id>|\
    </vuln-id>|CNNVD-2030-1|<vul>|</vul>|<identifier>|</identifier>|BDU:2030-1|<vulnerability>|</vulnerability>|<number>|</number>|\
    CNVD-2030-1|<Vulinfo>|</Vulinfo>|<VulinfoID>|</VulinfoID>|JVNDB-2030-1|<item>|</item>|&a;|&|<|x|漏){0,40}";

/// Fragments of the texts that connectors read, in any order.
const LINES: &str = "(cve,epss\n|#model_version:v1,|CVE-2030-0001|,0\\.5|\n|\"|cveID,vendorProject\n|\\[19 Jul 2030\\] DSA-1-1 p\n|\t\\{CVE-2030-0001\\}\n|\
    \t\\[bookworm\\] - p 1\n|\t- p <unfixed>\n|```toml\n|\\[advisory\\]\n|id = \"RUSTSEC-2030-1\"\n|package = \"p\"\n|```\n|\
    \\[versions\\]\n|patched = \\[\">= 1, < 2\"\\]\n|é){0,30}";

/// JSON with the keys that connectors use, and values of every type at each place.
fn json_value(depth: u32) -> impl Strategy<Value = serde_json::Value> {
    let key = prop::sample::select(vec![
        "vulnerabilities",
        "cve",
        "cveID",
        "id",
        "document",
        "tracking",
        "product_tree",
        "branches",
        "product",
        "product_status",
        "fixed",
        "cveMetadata",
        "cveId",
        "containers",
        "cna",
        "adp",
        "affected",
        "versions",
        "version",
        "packages",
        "pkg",
        "name",
        "secfixes",
        "data",
        "epss",
        "metrics",
        "cvssMetricV31",
        "cvssData",
        "vectorString",
        "releases",
        "status",
        "notices",
        "updates",
        "items",
        "aliases",
        "references",
        "url",
        "advisories",
        "builds",
    ]);
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        prop::sample::select(vec![
            "",
            "CVE-2030-0001",
            "1.2-3",
            "x",
            "2030-01-01",
            "CVSS:3.1/AV:N"
        ])
        .prop_map(Into::into),
    ];
    leaf.prop_recursive(depth * 2, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map(key.clone(), inner, 0..6).prop_map(|map| map
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

#[test]
fn empty_documents_and_pages_are_refused_by_every_connector() {
    for connector in CONNECTORS {
        for empty in ["", " \n", "\u{FEFF}"] {
            assert_eq!(
                rejected(connector.name(), empty.as_bytes()),
                [": the document is empty"]
            );
        }
        let page = rejected(
            connector.name(),
            b"\n<!DOCTYPE html><html><body>503</body></html>",
        );
        assert!(page.len() == 1 && page[0].contains("a page of HTML"), "{page:?}");
    }
}
