use super::super::Kind;
use super::super::tests::{json_records, ranges, rejected, warnings};

/// A document in which `%P` stands for the publisher's address.
const DOCUMENT: &str = r#"{"document":{"category":"csaf_security_advisory","csaf_version":"2.0","title":"Rocket: two flaws",
 "aggregate_severity":{"text":"hoch"},"publisher":{"category":"vendor","name":"Acme","namespace":"%P"},
 "notes":[{"category":"legal_disclaimer","text":"law"},{"category":"summary","text":"What it is."}],
 "references":[{"category":"self","url":"https://example.org/a"},{"category":"external","url":"https://example.org/b"}],
 "tracking":{"id":"ACME-2030-1","status":"final","initial_release_date":"2030-01-01T00:00:00+01:00","current_release_date":"2030-02-01T00:00:00Z"}},
"product_tree":{"branches":[{"category":"vendor","name":"Acme","branches":[
  {"category":"product_name","name":"Rocket","branches":[
   {"category":"product_version_range","name":"vers:npm/>=1.0|<1.2","product":{"name":"R","product_id":"P1","product_identification_helper":{"purl":"pkg:npm/rocket"}}},
   {"category":"product_version","name":"2.0","product":{"name":"R2","product_id":"P2","product_identification_helper":{"purl":"pkg:npm/rocket@2.0"}}}]},
  {"category":"product_name","name":"Box","product":{"name":"Box","product_id":"P3","product_identification_helper":{"cpe":"cpe:/a:acme:box"}}},
  {"category":"product_version","name":"5","product":{"name":"S","product_id":"P4","product_identification_helper":{"purl":"pkg:pypi/sled@5"}}}]}],
 "product_groups":[{"group_id":"G","product_ids":["P2"]}]},
"vulnerabilities":[
 {"cve":"CVE-2030-0001","product_status":{"known_affected":["P1","P2","P3"],"fixed":["P4"],"known not affected":["P3"],"strange":["P3"]},
  "remediations":[{"category":"no_fix_planned","details":"no","group_ids":["G"]}],
  "scores":[{"products":["P1"],"cvss_v3":{"version":"3.1","baseScore":5.0,"vectorString":"CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:U/C:L/I:L/A:L"}}]},
 {"cve":"CVE-2030-0002","product_status":{"known_affected":["P9"]},
  "scores":[{"products":["P1"],"cvss_v3":{"version":"3.1","baseScore":9.8,"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}]}]}"#;

#[test]
fn document_becomes_a_record_about_its_packages() {
    let record = &json_records("csaf", DOCUMENT.as_bytes())[0];
    assert_eq!(record["id"], "ACME-2030-1");
    assert_eq!(record["published"], "2029-12-31T23:00:00Z");
    assert_eq!(
        record["upstream"],
        serde_json::json!(["CVE-2030-0001", "CVE-2030-0002"])
    );
    assert_eq!(
        (&record["summary"], &record["details"]),
        (&"Rocket: two flaws".into(), &"What it is.".into())
    );
    assert_eq!(record["database_specific"]["severity"], "high");
    assert_eq!(
        record["severity"][0]["score"], "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "the worst first"
    );
    assert_eq!(record["references"][0]["type"], "ADVISORY");
    assert_eq!(
        ranges(record),
        [
            "PyPI sled introduced=0 fixed=5",
            "npm rocket introduced=1.0 fixed=1.2",
            "npm rocket ==2.0"
        ]
    );
    assert_eq!(
        record["affected"][1]["database_specific"]["fix_state"],
        "will_not_fix"
    );
    let native = &record["database_specific"]["native"];
    assert_eq!(native["document"]["aggregate_severity"]["text"], "hoch");
    assert_eq!(
        native["vulnerabilities"][0]["product_status"]["known not affected"][0],
        "P3"
    );
    assert_eq!(
        warnings("csaf", DOCUMENT.as_bytes()),
        [
            "unknown product status \"strange\"",
            "the product \"P9\" is not in the product tree",
        ]
    );
}

#[test]
fn parts_of_another_form_are_reported() {
    for (from, to, warning) in [
        (
            "\"vulnerabilities\":[",
            "\"vulnerabilities\":7,\"x\":[",
            "vulnerabilities is a number instead",
        ),
        (
            "\"scores\":[{\"products\":[\"P1\"],",
            "\"scores\":[7,{\"products\":[\"P1\"],",
            "scores has an entry",
        ),
        (
            "\"branches\":[{\"category\":\"vendor\"",
            "\"branches\":7,\"x\":[{\"category\":\"vendor\"",
            "branches is a number",
        ),
        (
            "\"product_groups\":[",
            "\"product_groups\":7,\"relationships\":[7,{\"full_product_name\":{\"product_id\":\"R\"}}],\"x\":[",
            "product_groups is a number",
        ),
        (
            "\"product_groups\":[",
            "\"relationships\":[{\"full_product_name\":{\"product_id\":\"R\"}}],\"x\":[",
            "both of its products",
        ),
        (
            "\"cve\":\"CVE-2030-0001\"",
            "\"cve\":7",
            "is a number instead of a text",
        ),
        ("\"product_id\":\"P1\"", "\"product_id\":7", "has no product_id"),
        (
            "{\"purl\":\"pkg:npm/rocket\"}",
            "{\"purl\":7}",
            "the package URL of the product \"P1\" is not understood",
        ),
        (
            "{\"purl\":\"pkg:npm/rocket\"}",
            "{\"purls\":\"pkg:npm/rocket\"}",
            "purls is a string instead of a list",
        ),
    ] {
        assert!(DOCUMENT.contains(from), "{from}");
        let warnings = warnings("csaf", DOCUMENT.replacen(from, to, 1).as_bytes());
        assert!(
            warnings.iter().any(|found| found.contains(warning)),
            "{warnings:?}"
        );
    }
}

#[test]
fn other_names_of_a_document_are_links() {
    let text = DOCUMENT.replace(
        r#""id":"ACME-2030-1""#,
        r#""id":"ACME-2030-1","aliases":["VDE-2030-7","its old name"]"#,
    );
    let record = &json_records("csaf", text.as_bytes())[0];
    assert_eq!(record["related"], serde_json::json!(["VDE-2030-7"]));
    assert!(record["aliases"].is_null());
}

#[test]
fn words_of_other_languages_become_english() {
    for (word, expected) in [
        ("HOCH", "high"),
        ("Mittel", "medium"),
        ("HIGH", "HIGH"),
        ("odd", "odd"),
    ] {
        let text = DOCUMENT.replace("\"hoch\"", &format!("\"{word}\""));
        let record = &json_records("csaf", text.as_bytes())[0];
        assert_eq!(record["database_specific"]["severity"], expected);
    }
}

#[test]
fn publisher_decides_the_kind_of_a_document() {
    for (publisher, kind) in [
        ("https://example.org", "csaf"),
        ("https://www.redhat.com", "redhat"),
        ("https://www.suse.com/", "suse"),
        ("https://redhat.com.example.org/", "csaf"),
        ("https://notredhat.com", "csaf"),
        ("https://Access.RedHat.com:443/x", "redhat"),
    ] {
        let text = DOCUMENT.replace("%P", publisher);
        assert_eq!(
            Kind::detect(text.as_bytes()).map(Kind::name),
            Some(kind),
            "{publisher}"
        );
    }
}

#[test]
fn deleted_document_is_withdrawn_and_a_foreign_one_refused() {
    let deleted = DOCUMENT.replace("\"final\"", "\"deleted\"");
    assert_eq!(
        json_records("csaf", deleted.as_bytes())[0]["withdrawn"],
        "2030-02-01T00:00:00Z"
    );
    for (text, why) in [
        ("{}", "no member \"document\""),
        (r#"{"document":{"tracking":{}}}"#, "no document/tracking/id"),
        (r#"{"document":{"tracking":{"id":"a/../b"}}}"#, "parts of a path"),
        (&DOCUMENT[..900], "reading JSON"),
    ] {
        assert!(rejected("csaf", text.as_bytes())[0].contains(why), "{text}");
    }
}

/// Returns the ranges of a document about a package without a version and with versions 1 and 2, and about an image.
fn ranges_of(vulnerabilities: &str) -> (Vec<String>, Vec<String>) {
    let product = |id: &str, purl: &str| {
        format!(
            r#"{{"category":"product_name","name":"x","product":{{"name":"x","product_id":"{id}","product_identification_helper":{{"purl":"{purl}"}}}}}}"#
        )
    };
    let branches = [
        product("P", "pkg:npm/p"),
        product("P1", "pkg:npm/p@1"),
        product("P2", "pkg:npm/p@2"),
        product("I", "pkg:oci/i@sha256:1"),
    ];
    let text = format!(
        r#"{{"document":{{"csaf_version":"2.0","tracking":{{"id":"A-1","current_release_date":"2030-01-01T00:00:00Z"}}}},
        "product_tree":{{"branches":[{}]}},"vulnerabilities":[{vulnerabilities}]}}"#,
        branches.join(",")
    );
    (
        ranges(&json_records("csaf", text.as_bytes())[0]),
        warnings("csaf", text.as_bytes()),
    )
}

fn vulnerability(number: u8, status: &str) -> String {
    format!(r#"{{"cve":"CVE-2030-000{number}","product_status":{{{status}}}}}"#)
}

#[test]
fn fix_of_one_vulnerability_is_not_a_fix_of_another() {
    let (open, fixed) = (r#""known_affected":["P"]"#, r#""fixed":["P2"]"#);
    let both = format!("{open},{fixed}");
    for (first, second, expected) in [
        (
            open,
            fixed,
            &["npm p introduced=0", "npm p introduced=0 fixed=2"][..],
        ),
        (&both, fixed, &["npm p introduced=0 fixed=2"]),
        (&both, open, &["npm p introduced=0", "npm p introduced=0 fixed=2"]),
        (
            r#""known_affected":["P1"]"#,
            fixed,
            &["npm p introduced=0 fixed=2", "npm p ==1"],
        ),
        (r#""fixed":["P"]"#, "", &["npm p"]),
    ] {
        let text = format!("{},{}", vulnerability(1, first), vulnerability(2, second));
        assert_eq!(ranges_of(&text).0, expected, "{text}");
    }
}

#[test]
fn first_and_last_affected_versions_are_ends_of_ranges() {
    for (status, expected) in [
        (r#""first_affected":["P1"]"#, &["npm p introduced=1"][..]),
        (
            r#""first_affected":["P1"],"fixed":["P2"]"#,
            &["npm p introduced=1 fixed=2"],
        ),
        (
            r#""last_affected":["P1"]"#,
            &["npm p introduced=0 last_affected=1"],
        ),
        (
            r#""first_affected":["P1"],"last_affected":["P2"]"#,
            &["npm p introduced=1 last_affected=2"],
        ),
        (
            r#""first_affected":["P1","P2"],"last_affected":["P2"]"#,
            &[
                "npm p introduced=0 last_affected=2",
                "npm p introduced=1",
                "npm p introduced=2",
            ],
        ),
    ] {
        assert_eq!(ranges_of(&vulnerability(1, status)).0, expected, "{status}");
    }
}

#[test]
fn products_without_a_registry_are_counted() {
    let (ranges, warnings) = ranges_of(&vulnerability(1, r#""known_affected":["I"],"fixed":["P2"]"#));
    assert_eq!(ranges, ["npm p introduced=0 fixed=2"]);
    assert_eq!(
        warnings,
        ["1 products have a package URL of no known registry, and no entry"]
    );
}

#[test]
fn statuses_of_the_wrong_form_are_reported() {
    for (status, warning) in [
        (
            r#""known_affected":"P1""#,
            "\"known_affected\" is not a list of products",
        ),
        (
            r#""known_affected":["P1",7]"#,
            "\"known_affected\" is not a list of products",
        ),
    ] {
        let warnings = ranges_of(&vulnerability(1, status)).1;
        assert!(warnings.iter().any(|found| found == warning), "{warnings:?}");
    }
    // A list of one without its brackets is understood.
    for status in [r#""known_affected":" P1 ""#, r#""known-affected":["P1"]"#] {
        assert_eq!(ranges_of(&vulnerability(1, status)).0, ["npm p ==1"], "{status}");
    }
    // A state that is not known leaves the package undecided.
    let (ranges, warnings) = ranges_of(&vulnerability(1, r#""strange":["P1"]"#));
    assert_eq!(
        (ranges.as_slice(), warnings.len()),
        (&["npm p".to_owned()][..], 1)
    );
    let (_, warnings) = ranges_of(r#"{"cve":"CVE-2030-0001","product_status":["P1"]}"#);
    assert!(
        warnings
            .iter()
            .any(|found| found.contains("instead of an object")),
        "{warnings:?}"
    );
    let empty = ranges_of(&vulnerability(1, r#""fixed":[],"known_affected":null"#)).1;
    assert!(
        !empty.iter().any(|found| found.contains("not a list")),
        "{empty:?}"
    );
}

/// Returns the record of a document about these products, relationships and vulnerabilities.
fn record_of(products: &str, relationships: &str, vulnerabilities: &str) -> serde_json::Value {
    let text = format!(
        r#"{{"document":{{"csaf_version":"2.1","tracking":{{"id":"A-1","current_release_date":"2030-01-01T00:00:00Z"}}}},
        "product_tree":{{"full_product_names":[{products}],"relationships":[{relationships}]}},"vulnerabilities":[{vulnerabilities}]}}"#
    );
    json_records("csaf", text.as_bytes()).remove(0)
}

#[test]
fn product_with_several_urls_is_each_of_its_packages() {
    let record = record_of(
        r#"{"name":"p","product_id":"P","product_identification_helper":{"purls":["pkg:npm/p@1","pkg:PyPI/q@2"]}}"#,
        "",
        &vulnerability(1, r#""known_affected":["P"]"#),
    );
    assert_eq!(ranges(&record), ["PyPI q ==2", "npm p ==1"]);
}

#[test]
fn component_of_a_component_is_found() {
    let relation = |id: &str, component: &str, whole: &str, helper: &str| {
        format!(
            r#"{{"category":"default_component_of","full_product_name":{{"name":"x","product_id":"{id}"{helper}}},"product_reference":"{component}","relates_to_product_reference":"{whole}"}}"#
        )
    };
    let relations = [
        relation("M:C", "C", "M", ""),
        relation("OS:M:C", "M:C", "OS", ""),
        relation(
            "OS:D",
            "D",
            "OS",
            r#","product_identification_helper":{"purl":"pkg:npm/d@2"}"#,
        ),
        relation("loop", "loop", "loop", ""),
    ];
    let record = record_of(
        r#"{"name":"c","product_id":"C","product_identification_helper":{"purl":"pkg:npm/c@1"}},{"name":"d","product_id":"D"},{"name":"m","product_id":"M"},{"name":"o","product_id":"OS"}"#,
        &relations.join(","),
        &vulnerability(1, r#""known_affected":["OS:M:C","OS:D","loop"]"#),
    );
    assert_eq!(ranges(&record), ["npm c ==1", "npm d ==2"]);
}

#[test]
fn component_at_the_beginning_of_a_path_is_found() {
    let text = r#"{"document":{"csaf_version":"2.1","tracking":{"id":"A-1","current_release_date":"2030-01-01T00:00:00Z"}},
     "product_tree":{"full_product_names":[{"name":"c","product_id":"C","product_identification_helper":{"purls":["pkg:npm/c@1"]}},{"name":"m","product_id":"M"}],
      "product_paths":[{"beginning_product_reference":"C","full_product_name":{"name":"x","product_id":"X"},"subpaths":[{"category":"installed_on","next_product_reference":"M"}]}]},
     "vulnerabilities":[{"cve":"CVE-2030-0001","product_status":{"known_affected":["X"]}}]}"#;
    assert_eq!(ranges(&json_records("csaf", text.as_bytes())[0]), ["npm c ==1"]);
    assert!(warnings("csaf", text.as_bytes()).is_empty());
    let without = text.replace("next_product_reference", "other");
    let warnings = warnings("csaf", without.as_bytes());
    assert!(warnings[0].contains("both of its products"), "{warnings:?}");
}

#[test]
fn unknown_status_is_not_clean() {
    let (ranges, warnings) = ranges_of(&vulnerability(1, r#""unknown":["P1"]"#));
    assert_eq!(
        (ranges.as_slice(), warnings.len()),
        (&["npm p ==1".to_owned()][..], 0)
    );
}

#[test]
fn strongest_statement_about_a_fix_is_kept() {
    let plan = |number: u8, category: &str| {
        format!(
            r#"{{"cve":"CVE-2030-000{number}","product_status":{{"known_affected":["P"]}},"remediations":[{{"category":"{category}","details":"x","product_ids":["P"]}}]}}"#
        )
    };
    let product = r#"{"name":"p","product_id":"P","product_identification_helper":{"purl":"pkg:npm/p"}}"#;
    for (first, second) in [
        ("no_fix_planned", "none_available"),
        ("fix_planned", "no_fix_planned"),
    ] {
        let both = format!("{},{}", plan(1, first), plan(2, second));
        let state = &record_of(product, "", &both)["affected"][0]["database_specific"]["fix_state"];
        assert_eq!(state, "will_not_fix");
    }
}

#[test]
fn withdrawn_and_superseded_documents_are_withdrawn() {
    for category in ["csaf_withdrawn", "csaf_superseded"] {
        let text = DOCUMENT.replace("csaf_security_advisory", category);
        let record = &json_records("csaf", text.as_bytes())[0];
        assert_eq!(record["withdrawn"], "2030-02-01T00:00:00Z", "{category}");
    }
    let text = r#"{"document":{"csaf_version":"2.0","tracking":{"id":"A-1","status":"deleted"}}}"#;
    assert!(json_records("csaf", text.as_bytes())[0]["withdrawn"].is_string());
}

#[test]
fn vulnerability_without_a_cve_record_keeps_its_name() {
    let record = record_of(
        "",
        "",
        r#"{"ids":[{"system_name":"GitHub","text":"GHSA-aaaa-bbbb-cccc"},{"system_name":"Bugzilla","text":"7"}]},
        {"cve":"CVE-2030-0001","cwes":[{"id":"CWE-79","name":"x"}],"ids":[{"system_name":"GitHub","text":"GHSA-dddd-bbbb-cccc"}]},
        {"cve":"CVE-2030-0002","cwe":{"id":"CWE-20","name":"x"},
         "metrics":[{"content":{"qualitative_severity_rating":"high"}},{"content":{"cvss_v3":{"baseSeverity":"CRITICAL"}}}]}"#,
    );
    assert_eq!(
        record["upstream"],
        serde_json::json!(["GHSA-aaaa-bbbb-cccc", "CVE-2030-0001", "CVE-2030-0002"])
    );
    assert_eq!(record["related"], serde_json::json!(["GHSA-dddd-bbbb-cccc"]));
    let specific = &record["database_specific"];
    assert_eq!(specific["cwe_ids"], serde_json::json!(["CWE-79", "CWE-20"]));
    assert_eq!(
        specific["severity"], "CRITICAL",
        "the worst word without a vector"
    );
}

#[test]
fn remediations_without_a_status_are_reported() {
    let text = r#"{"cve":"CVE-2030-0001","remediations":[{"category":"vendor_fix","details":"x","product_ids":["P1"]}]}"#;
    let (ranges, warnings) = ranges_of(text);
    assert_eq!(ranges, Vec::<String>::new());
    assert_eq!(
        warnings,
        ["products that have remediations and no product_status have no entry"]
    );
}

#[test]
fn list_and_lines_of_documents_are_read() {
    let line = DOCUMENT.replace('\n', " ");
    let other = line.replace("ACME-2030-1", "ACME-2030-2");
    for text in [format!("[{line},{other}]"), format!("{line}\n\n{other}\n")] {
        let records = json_records("csaf", text.as_bytes());
        assert_eq!(
            (&records[0]["id"], &records[1]["id"]),
            (&"ACME-2030-1".into(), &"ACME-2030-2".into())
        );
    }
    let broken = format!("{line}\n{}\n{other}", &line[..99]);
    assert_eq!(json_records("csaf", broken.as_bytes()).len(), 2);
    assert!(rejected("csaf", broken.as_bytes())[0].starts_with("/line 2: reading JSON"));
}

/// The document does not say if later versions have the fix as well.
#[test]
fn fix_within_a_range_without_an_end_is_reported() {
    let read = |fixed: &str| {
        let text = format!(
            r#"{{"document":{{"csaf_version":"2.0","tracking":{{"id":"A-1","current_release_date":"2030-01-01T00:00:00Z"}}}},
            "product_tree":{{"branches":{{"category":"product_version_range","name":"vers:npm/>=1.0","product":{{"name":"p","product_id":" P","product_identification_helper":{{"purl":"PKG:npm/p"}}}}}},
            "full_product_names":[{{"name":"p","product_id":"F","product_identification_helper":{{"purl":"pkg:npm/p@{fixed}"}}}}]}},
            "vulnerabilities":[{{"cve":"CVE-2030-0001","product_status":{{"known_affected":["P"],"fixed":["F"]}}}}]}}"#
        );
        let warnings = warnings("csaf", text.as_bytes());
        (ranges(&json_records("csaf", text.as_bytes())[0]), warnings)
    };
    for (fixed, is_within) in [("1.2", true), ("0.9", false)] {
        let (ranges, warnings) = read(fixed);
        assert_eq!(ranges, ["npm p introduced=1.0"], "{fixed}");
        let is_named = warnings
            .iter()
            .any(|found| found.contains("in a range without an end"));
        assert_eq!(is_named, is_within, "{warnings:?}");
    }
}

#[test]
fn words_for_a_withdrawal_have_any_case() {
    for (from, to) in [
        (r#""status":"final""#, r#""status":"Deleted""#),
        ("csaf_security_advisory", "CSAF_Withdrawn"),
        ("csaf_security_advisory", "csaf_superseded"),
    ] {
        let text = DOCUMENT.replace(from, to);
        assert_eq!(
            json_records("csaf", text.as_bytes())[0]["withdrawn"],
            "2030-02-01T00:00:00Z",
            "{to}"
        );
    }
}

/// openEuler publishes such documents.
#[test]
fn commas_before_a_bracket_are_left_out() {
    let text = DOCUMENT.replace(r#""product_ids":["P2"]}"#, r#""product_ids":["P2",],}"#);
    let plain = json_records("csaf", DOCUMENT.as_bytes());
    assert_eq!(json_records("csaf", text.as_bytes()), plain);
    assert!(rejected("csaf", text.as_bytes()).is_empty());
}
