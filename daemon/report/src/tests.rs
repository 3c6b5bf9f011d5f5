//! Every format, for one report with hostile names.

mod csv;
mod html;
mod markdown;

use serde_json::{Value, json};
use serde_sarif::sarif::Sarif;

use super::*;

/// Text that breaks out of any format that does not escape it.
const HOSTILE: &str =
    "</script><script>alert(1)</script>\"'`|]]>&\u{1b}[2J\u{202e}\u{9b}\r\n=cmd|' /C calc'!A0";

fn body() -> Value {
    let finding = |action: &str, vulnerability: &str, name: &str| {
        json!({
            "action": action, "vulnerability": vulnerability, "ids": [vulnerability, "GHSA-x"],
            "package": {"ecosystem": "npm", "name": name, "version": "1.0.0", "purl": format!("pkg:npm/{name}@1.0.0")},
            "summary": format!("Summary {HOSTILE}"),
            "severity": {"level": "high", "score": "7.5", "stated": {"source": "ghsa", "kind": "CVSS_V3", "value": "CVSS:3.1/AV:N"}},
            "rules": [], "fixed": ["1.0.1"], "places": ["/components/0"],
            "provenance": [{"source": "ghsa", "record": "GHSA-x", "sites": []}], "conflicts": [],
        })
    };
    json!({
        "format": "starling-verdict/1", "outcome": "fail",
        "reasons": [{"code": "findings_fail", "text": HOSTILE}],
        "inventory": {"hash": "blake3:11", "format": "CycloneDX JSON", "spec_version": HOSTILE, "subject": HOSTILE, "components": 2, "notes": 0},
        "coverage": {"matched": 2, "total": 3},
        "findings": [
            finding("fail", "CVE-2024-1", "good"),
            finding("warn", "CVE-2024-1", HOSTILE),
            finding("ignore", HOSTILE, "=HYPERLINK(\"http://evil.example\")"),
        ],
        "knowledge_root": "blake3:22", "sources": [], "policy_hash": "blake3:33", "as_of": "2025-01-15T10:30:00.000Z",
    })
}

/// Muted findings are shown as muted in every format, with person and end.
#[test]
fn muted_findings_are_shown_as_muted() {
    let mut body = body();
    body["findings"][2]["decided_by"] = json!({"kind": "mute", "id": "0a-1", "reason": "unreachable",
        "by": "ada", "site": "blake3:55", "until": "2026-12-31T23:59:59.999Z"});
    let report = Report {
        scans: vec![Scan::judged("a.json", "blake3:44", &body.to_string(), 1).unwrap()],
    };
    let expected = "mute: 0a-1: unreachable (by ada, until 2026-12-31T23:59:59.999Z)";
    for format in Format::ALL {
        let text = format.render(&report).unwrap();
        // Markdown escapes the colons; its table has a word for it.
        let expected = if format == Format::Markdown {
            "| muted |"
        } else {
            expected
        };
        assert!(text.contains(expected), "{format}: {text}");
    }
    let sarif: Value = serde_json::from_str(&Format::Sarif.render(&report).unwrap()).unwrap();
    assert_eq!(
        sarif["runs"][0]["results"][2]["suppressions"][0]["justification"],
        expected
    );
    assert!(
        sarif["runs"][0]["results"][0]["suppressions"]
            .as_array()
            .is_none_or(Vec::is_empty)
    );
    let bom: Value = serde_json::from_str(&Format::CycloneDx.render(&report).unwrap()).unwrap();
    assert_eq!(bom["vulnerabilities"][2]["analysis"]["detail"], expected);
    let junit = Format::JUnit.render(&report).unwrap();
    assert_eq!(junit.matches("<skipped").count(), 2);
}

#[test]
fn vex_status_is_written_in_cyclonedx_terms() {
    let mut body = body();
    for (reason, state) in [
        ("not_affected: the code is not there", "not_affected"),
        ("fixed", "resolved"),
    ] {
        body["findings"][2]["decided_by"] = json!({"kind": "vex", "id": "acme", "reason": reason});
        let report = Report {
            scans: vec![Scan::judged("a.json", "blake3:44", &body.to_string(), 1).unwrap()],
        };
        let bom: Value = serde_json::from_str(&Format::CycloneDx.render(&report).unwrap()).unwrap();
        let found = &bom["vulnerabilities"][2];
        assert_eq!(found["analysis"]["state"], state);
        assert_eq!(found["analysis"]["detail"], format!("vex: acme: {reason}"));
        assert_eq!(found["affects"][0]["versions"][0]["status"], "unaffected");
        assert_eq!(
            bom["vulnerabilities"][0]["affects"][0]["versions"][0]["status"],
            "affected"
        );
        assert_eq!(bom["vulnerabilities"][0]["analysis"], Value::Null);
    }
}

#[test]
fn summary_does_not_become_a_link_in_sarif() {
    let mut body = body();
    body["findings"][0]["summary"] = json!("see [the fix](https://evil.example) \\ here");
    let report = Report {
        scans: vec![Scan::judged("a.json", "blake3:44", &body.to_string(), 1).unwrap()],
    };
    let sarif: Value = serde_json::from_str(&Format::Sarif.render(&report).unwrap()).unwrap();
    let text = sarif["runs"][0]["results"][0]["message"]["text"]
        .as_str()
        .unwrap();
    assert!(
        text.contains(r"see \[the fix\](https://evil.example) \\ here"),
        "{text}"
    );
}

fn report() -> Report {
    let scan = |name: &str| Scan::judged(name, "blake3:44", &body().to_string(), 1).unwrap();
    Report {
        scans: vec![scan("a.json"), Scan::refused(HOSTILE, HOSTILE, 3), scan(HOSTILE)],
    }
}

#[test]
fn notes_of_a_scan_are_in_every_report_of_it() {
    let note = remarks::unfinished(&["ghsa", "mine"]).unwrap();
    assert_eq!(remarks::unfinished(&[]), None);
    let scan = Scan::judged("a.json", "blake3:44", &body().to_string(), 1).unwrap();
    let report = Report {
        scans: vec![scan.with_notes(vec![note])],
    };
    // CSV has one line per finding, and no place for it.
    for format in Format::ALL.into_iter().filter(|format| *format != Format::Csv) {
        let text = format.render(&report).unwrap();
        assert!(
            text.contains("the import of ghsa, mine has not ended"),
            "{format}: {text}"
        );
    }
}

#[test]
fn scan_without_a_verdict_is_an_error_in_reports_for_builds() {
    let report = Report {
        scans: vec![Scan::refused("a.json", "SBOM rejected: not JSON", 3)],
    };
    let sarif: Value = serde_json::from_str(&Format::Sarif.render(&report).unwrap()).unwrap();
    let invocation = &sarif["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    let told = &invocation["toolExecutionNotifications"][0];
    assert_eq!(told["level"], "error");
    assert_eq!(told["message"]["text"], "SBOM rejected: not JSON");
    let junit = Format::JUnit.render(&report).unwrap();
    assert!(
        junit.contains("errors=\"1\"") && junit.contains("<error message=\"SBOM rejected: not JSON\""),
        "{junit}"
    );
}

#[test]
fn reports_have_no_control_characters() {
    for format in Format::ALL {
        let text = format.render(&report()).unwrap();
        let harmful = text
            .chars()
            .filter(|c| !matches!(c, '\n' | '\r'))
            .find(|c| text::clean(&c.to_string()) != c.to_string());
        assert_eq!(harmful, None, "{format}");
        assert_eq!(text, format.render(&report()).unwrap(), "{format}");
        assert!(text.ends_with('\n'), "{format}");
        assert!(text.contains("CVE"), "{format}");
        assert_eq!(format.as_str().parse(), Ok(format));
    }
    assert!("pdf".parse::<Format>().is_err());
}

#[test]
fn empty_report_and_unknown_body_are_written() {
    let odd = Scan::judged("x", "", r#"{"format":"later/9","extra":1}"#, 4).unwrap();
    for format in Format::ALL {
        format.render(&Report::default()).unwrap();
        format
            .render(&Report {
                scans: vec![odd.clone()],
            })
            .unwrap();
    }
    assert!(Scan::judged("x", "", "[", 0).is_err());
    assert!(Scan::judged("x", "", r#"{"findings":7}"#, 0).is_err());
}

#[test]
fn sarif_has_the_required_fields() {
    let text = Format::Sarif.render(&report()).unwrap();
    // The types are generated from the schema: this fails for a missing or mistyped field.
    let log: Sarif = serde_json::from_str(&text).unwrap();
    assert_eq!(log.runs.len(), 3);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["version"], "2.1.0");
    for run in value["runs"].as_array().unwrap() {
        assert_eq!(run["tool"]["driver"]["name"], "Starling");
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        for result in run["results"].as_array().unwrap() {
            assert!(result["message"]["text"].is_string());
            let index = usize::try_from(result["ruleIndex"].as_i64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
                .as_str()
                .unwrap();
            assert!(
                uri.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)),
                "{uri}"
            );
        }
    }
    let first = &value["runs"][0];
    let levels: Vec<_> = first["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["level"].clone())
        .collect();
    assert_eq!(levels, ["error", "warning", "note"]);
    assert_eq!(
        first["tool"]["driver"]["rules"].as_array().unwrap().len(),
        2,
        "one rule per vulnerability"
    );
    assert_eq!(
        first["tool"]["driver"]["rules"][0]["properties"]["security-severity"],
        "7.5"
    );
    let rule = &first["tool"]["driver"]["rules"][0];
    assert_eq!(rule["helpUri"], "https://nvd.nist.gov/vuln/detail/CVE-2024-1");
    assert!(
        rule["fullDescription"]["text"]
            .as_str()
            .unwrap()
            .ends_with("Also known as GHSA-x.")
    );
    let help = rule["help"]["markdown"].as_str().unwrap();
    assert!(help.contains("| Package | npm good 1.0.0 |"), "{help}");
    assert!(!help.contains("<script"), "{help}");
    let result = &first["results"][0];
    assert_eq!(
        result["locations"][0]["physicalLocation"]["region"]["startLine"],
        1
    );
    assert!(result["partialFingerprints"]["primaryLocationLineHash"].is_string());
    assert_eq!(first["invocations"][0]["executionSuccessful"], true);
    assert_eq!(value["runs"][1]["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn sarif_marks_new_findings_with_a_baseline() {
    let mut body = body();
    body["baseline"] = json!({"hash": "blake3:55", "known": 1});
    body["findings"][0]["known"] = json!(true);
    body["findings"][2]["decided_by"] = json!({"kind": "rule", "id": "R1", "reason": "not used"});
    let scan = Scan::judged("a", "h", &body.to_string(), 0).unwrap();
    let text = Format::Sarif.render(&Report { scans: vec![scan] }).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let results = value["runs"][0]["results"].as_array().unwrap();
    let states: Vec<_> = results
        .iter()
        .map(|result| result["baselineState"].clone())
        .collect();
    assert_eq!(states, ["unchanged", "new", "new"]);
    assert_eq!(
        results[2]["suppressions"][0]["justification"],
        "rule: R1: not used"
    );
}

#[test]
fn junit_counts_failures_warnings_and_rejections() {
    let text = Format::JUnit.render(&report()).unwrap();
    let read = quick_junit::Report::deserialize_from_str(&text).unwrap();
    assert_eq!(read.test_suites.len(), 3);
    // Two failing findings, two verdicts; one rejected SBOM.
    assert_eq!((read.failures, read.errors), (4, 1));
    let cases = &read.test_suites[0].test_cases;
    assert_eq!(cases.len(), 4);
    assert!(!text.contains("<script>"), "{text}");
}

#[test]
fn cyclonedx_references_exist() {
    let text = Format::CycloneDx.render(&report()).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let references: Vec<&str> = value["components"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["bom-ref"].as_str().unwrap())
        .collect();
    let mut distinct = references.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), references.len(), "each once");
    let vulnerabilities = value["vulnerabilities"].as_array().unwrap();
    assert_eq!(vulnerabilities.len(), 6);
    for vulnerability in vulnerabilities {
        assert!(references.contains(&vulnerability["affects"][0]["ref"].as_str().unwrap()));
        assert_eq!(vulnerability["ratings"][0]["method"], "CVSSv31");
        assert_eq!(vulnerability["ratings"][0]["score"], 7.5);
    }
}

/// Returns a scan without findings of a document with `total` packages, none of which was judged.
fn unjudged(name: &str, total: u64) -> Scan {
    let packages: Vec<Value> = (0..total.min(1))
        .map(|_| json!({"name": "left", "version": "1.0.0", "purl": "pkg:npm/left@1.0.0", "place": "/components/0", "reason": "no_knowledge"}))
        .collect();
    let body = json!({
        "format": "starling-verdict/1", "outcome": if total == 0 { "pass" } else { "warn" }, "findings": [],
        "reasons": [], "coverage": {"matched": 0, "total": total},
        "not_judged": {"packages": packages, "others": total.saturating_sub(1)},
    });
    Scan::judged(
        name,
        "blake3:44",
        &body.to_string(),
        if total == 0 { 0 } else { 4 },
    )
    .unwrap()
}

#[test]
fn cyclonedx_without_a_whole_answer_says_incomplete() {
    let bom = |scan| -> Value {
        let report = Report { scans: vec![scan] };
        serde_json::from_str(&Format::CycloneDx.render(&report).unwrap()).unwrap()
    };
    assert_eq!(bom(unjudged("b.json", 0))["compositions"], Value::Null);
    for scan in [unjudged("a.json", 3), Scan::refused("a.json", "not JSON", 3)] {
        let bom = bom(scan);
        assert_eq!(bom["compositions"], json!([{"aggregate": "incomplete"}]));
        let properties = bom["metadata"]["properties"].as_array().unwrap();
        assert!(
            properties
                .iter()
                .any(|property| property["name"] == "starling:scan:0:incomplete"),
            "{properties:?}"
        );
    }
}

#[test]
fn missing_fix_is_explained_in_every_format() {
    let mut body = body();
    body["findings"][0]["fixed"] = json!([]);
    body["findings"][0]["fix"] = json!("wont_fix");
    body["findings"][0]["fix_states"] = json!([{"source": "redhat", "state": "will_not_fix"}]);
    let report = Report {
        scans: vec![Scan::judged("a.json", "blake3:44", &body.to_string(), 1).unwrap()],
    };
    for format in Format::ALL {
        let text = format.render(&report).unwrap();
        let said = match format {
            Format::Markdown => "| won\\'t fix \\(redhat\\) |",
            Format::Csv => "\"wont_fix: won't fix (redhat)\"",
            _ => "No fixed version is known: will not be fixed (redhat).",
        };
        assert!(text.contains(said), "{format}: {text}");
    }
}

#[test]
fn match_by_cpe_is_shown_in_every_format() {
    let mut body = body();
    body["findings"][0]["matched_by"] = json!("cpe");
    body["findings"][0]["package"] = json!({"ecosystem": "CPE", "name": "a:acme:rocket", "version": "1", "purl": "",
        "cpe": "cpe:2.3:a:acme:rocket:1:*:*:*:*:*:*:*"});
    let report = Report {
        scans: vec![Scan::judged("a.json", "blake3:44", &body.to_string(), 1).unwrap()],
    };
    for format in Format::ALL {
        let text = format.render(&report).unwrap();
        let said = match format {
            Format::Csv => "\"cpe\"",
            Format::CycloneDx => "\"cpe\": \"cpe:2.3:a:acme:rocket:1:*:*:*:*:*:*:*\"",
            Format::Markdown => "\\(matched by CPE\\)",
            _ => "(matched by CPE)",
        };
        assert!(text.contains(said), "{format}: {text}");
    }
}

#[test]
fn conditions_are_named_by_their_place_in_the_policy() {
    use crate::remarks::{condition_words, reason_words};
    assert_eq!(
        condition_words("fail[0]"),
        "the first entry of `fail` in the policy holds"
    );
    assert_eq!(
        reason_words("2 findings reach the policy's warn[2]"),
        "2 findings reach entry 3 of `warn` in the policy"
    );
    for text in ["1 finding reaches the rule \"a[0]\"", "the policy's words", ""] {
        assert_eq!(reason_words(text), text);
    }
}
