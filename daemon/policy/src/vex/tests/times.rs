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
