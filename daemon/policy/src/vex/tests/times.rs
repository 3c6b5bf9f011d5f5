//! The times of statements, which decide between them.

use serde_json::json;

use super::*;

#[test]
fn update_of_a_document_makes_its_excuses_no_newer() {
    let document = |first: &str, second: &str| {
        let say = |status: &str, time: Option<&str>| {
            let mut said = json!({"vulnerability": {"name": "CVE-2024-1"}, "status": status,
                "products": [{"@id": "pkg:npm/express@4.0.0"}], "justification": "component_not_present"});
            said["timestamp"] = time.into();
            said
        };
        read(
            &json!({"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2024-01-01T00:00:00Z",
            "last_updated": "2024-06-01T00:00:00Z",
            "statements": [say(first, None), say(second, Some("2024-03-01T00:00:00Z"))]}),
        )
    };
    assert!(settled(&[document("not_affected", "affected")]).is_none());
    assert!(settled(&[document("affected", "not_affected")]).is_none());
    assert!(settled(&[document("not_affected", "fixed")]).is_some());
}

#[test]
fn times_are_read_in_every_form_or_count_as_the_oldest() {
    let document = |last: &str| {
        let say = |status: &str, time: &str| {
            json!({"vulnerability": {"name": "CVE-2024-1"}, "status": status, "timestamp": time,
                "products": [{"@id": "pkg:npm/express@4.0.0"}], "justification": "component_not_present"})
        };
        read(
            &json!({"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2025-01-01T00:00:00Z",
            "statements": [say("not_affected", last), say("affected", "2024-03-01T00:00:00Z")]}),
        )
    };
    for later in [
        "2024-03-02T00:00:00Z",
        "2024-03-02T00:00:00.123456789+02:00",
        "2024-03-02T00:00:00.5",
        "2024-03-02 00:00:00",
        "2024-03-02",
    ] {
        assert!(settled(&[document(later)]).is_some(), "{later}");
    }
    for earlier in ["2024-02-01T00:00:00", "2024-02-01", "soon", "", "1709337600"] {
        assert!(settled(&[document(earlier)]).is_none(), "{earlier}");
    }
}

#[test]
fn excuse_dated_after_the_scan_counts_as_the_oldest() {
    let document = |excused: &str| {
        let say = |status: &str, time: &str| {
            json!({"vulnerability": {"name": "CVE-2024-1"}, "status": status, "timestamp": time,
                "products": [{"@id": "pkg:npm/express@4.0.0"}], "justification": "component_not_present"})
        };
        read(&json!({"@context": "https://openvex.dev/ns/v0.2.0",
            "statements": [say("affected", "2024-03-01T00:00:00Z"), say("not_affected", excused)]}))
    };
    let settles = |excused: &str, as_of: &str| {
        let scanned = Scanned {
            as_of: Some(as_of.parse().unwrap()),
            ..undescribed()
        };
        let documents = [document(excused)];
        let mut index = VexIndex::of(&documents, &scanned, &[finding(Level::High)]);
        index.settle(&finding(Level::High)).is_some()
    };
    assert!(settles("2024-04-01T00:00:00Z", "2024-05-01T00:00:00Z"));
    assert!(!settles("2024-06-01T00:00:00Z", "2024-05-01T00:00:00Z"));
    assert!(settles("2024-06-01T00:00:00Z", "2024-06-01T00:00:00Z"));
}

#[test]
fn only_statement_applies_even_if_dated_after_the_scan() {
    let alone = read(
        &json!({"@context": "https://openvex.dev/ns/v0.2.0", "timestamp": "2024-06-01T00:00:00Z",
        "statements": [{"vulnerability": {"name": "CVE-2024-1"}, "status": "fixed",
            "products": [{"@id": "pkg:npm/express@4.0.0"}]}]}),
    );
    let scanned = Scanned {
        as_of: Some("2024-05-01T00:00:00Z".parse().unwrap()),
        ..undescribed()
    };
    let documents = [alone];
    let mut index = VexIndex::of(&documents, &scanned, &[finding(Level::High)]);
    assert!(index.settle(&finding(Level::High)).is_some());
}

#[test]
fn first_issue_of_an_analysis_is_its_time() {
    let entry = |state: &str, key: &str, time: &str| json!({"id": "CVE-2024-1", "affects": [{"ref": "pkg:npm/express@4.0.0"}], "analysis": {"state": state, key: time}});
    let settles = |first: Value, second: Value| {
        settled(&[read(
            &json!({"bomFormat": "CycloneDX", "vulnerabilities": [first, second]}),
        )])
        .is_some()
    };
    let excused = entry("not_affected", "lastUpdated", "2026-02-01T00:00:00Z");
    assert!(!settles(
        excused.clone(),
        entry("exploitable", "firstIssued", "2026-03-01T00:00:00Z")
    ));
    assert!(settles(
        excused,
        entry("exploitable", "firstIssued", "2026-01-01T00:00:00Z")
    ));
}
