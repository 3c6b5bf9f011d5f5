//! What a person reads of a verdict.

use starling_api_types::{RawJson, SiteId, SiteSlug, Timestamp, VerdictHash};

use super::*;

fn envelope(body: &str, exit_code: u8) -> VerdictEnvelope {
    VerdictEnvelope {
        verdict: RawJson::new(body.to_owned()).unwrap(),
        verdict_hash: VerdictHash::from_bytes([1; 32]),
        site: SiteId::from_bytes([2; 32]),
        site_id: SiteSlug::new("site-a").unwrap(),
        time: Timestamp::from_unix_millis(0).unwrap(),
        known_since: None,
        exit_code,
        without_threshold: false,
        unfinished_imports: Vec::new(),
        signature: None,
    }
}

#[test]
fn findings_are_shown_without_their_escape_sequences() {
    let body = r#"{"outcome":"fail","reasons":[{"code":"findings_fail","text":"1 finding is high or worse"}],
        "coverage":{"matched":3,"total":4},"knowledge_root":"blake3:00","as_of":"2025-01-15T10:30:00.000Z",
        "findings":[{"action":"fail","vulnerability":"CVE-2021-44228","severity":{"level":"critical","score":10.0},
        "package":{"ecosystem":"Maven","name":"org.apache.logging.log4j:log4j-core","version":"2.14.1"},
        "fixed":["2.15.0"],"summary":"Log4Shell \u001b[2J"}]}"#;
    let text = verdict(&envelope(body, 1), Details::default());
    assert!(
        text.starts_with(
            "FAIL: 1 finding (1 critical), 3 of 4 packages judged, 1 not judged, exit code 1 (fail by policy)\n"
        ),
        "{text}"
    );
    assert!(text.contains("because 1 finding is high or worse"), "{text}");
    assert!(
        text.contains("critical 10.0  CVE-2021-44228  Maven org.apache.logging.log4j:log4j-core"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn reason_that_decides_comes_first_and_warnings_say_so() {
    let body = r#"{"outcome":"fail","reasons":[
        {"code":"findings_warn","text":"6 findings reach the threshold \"any\""},
        {"code":"knowledge_stale","text":"ghsa is stale"},
        {"code":"findings_fail","text":"1 finding reaches the threshold \"high\""}]}"#;
    let text = verdict(&envelope(body, 1), Details::default());
    let lines: Vec<&str> = text.lines().skip(1).take(3).collect();
    assert_eq!(
        lines,
        [
            "  because 1 finding reaches the threshold \"high\"",
            "  besides: ghsa is stale",
            "  warns only: 6 findings reach the threshold \"any\""
        ]
    );
    // They are what a warning rests on.
    let text = verdict(
        &envelope(&body.replace("\"outcome\":\"fail\"", "\"outcome\":\"warn\""), 0),
        Details::default(),
    );
    assert!(text.contains("because 6 findings reach"), "{text}");
}

#[test]
fn warning_does_not_end_with_the_word_pass() {
    let ended = |outcome: &str, code| {
        let text = verdict(
            &envelope(&format!(r#"{{"outcome":"{outcome}"}}"#), code),
            Details::default(),
        );
        text.lines().next().unwrap_or_default().to_owned()
    };
    assert!(
        ended("warn", 0).ends_with("exit code 0 (a warning fails nothing)"),
        "{}",
        ended("warn", 0)
    );
    assert!(
        ended("pass", 0).ends_with("exit code 0 (pass)"),
        "{}",
        ended("pass", 0)
    );
}

#[test]
fn unfinished_import_is_noted_in_the_table() {
    let mut envelope = envelope(r#"{"outcome":"pass"}"#, 0);
    assert!(!verdict(&envelope, Details::default()).contains("has not ended"));
    envelope.unfinished_imports = vec!["mine".to_owned()];
    let text = verdict(&envelope, Details::default());
    assert!(text.contains("  note the import of mine has not ended"), "{text}");
}

#[test]
fn scan_without_threshold_says_that_nothing_can_fail() {
    let mut envelope = envelope(
        r#"{"outcome":"warn","findings":[{"action":"warn","vulnerability":"A"}]}"#,
        0,
    );
    assert!(!verdict(&envelope, Details::default()).contains("no threshold"));
    envelope.without_threshold = true;
    let text = verdict(&envelope, Details::default());
    let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("no threshold is set, so no finding can fail: `--fail-on high`"),
        "{text}"
    );
}

#[test]
fn deciding_rules_and_statements_are_shown() {
    let body = r#"{"outcome":"pass","policy_version":"blake3:77","findings":[
        {"action":"ignore","vulnerability":"A","decided_by":{"kind":"rule","id":"R1"}},
        {"action":"ignore","vulnerability":"B","decided_by":{"kind":"vex","id":"blake3:0","reason":"fixed"}},
        {"action":"ignore","vulnerability":"D","decided_by":{"kind":"mute","id":"0a-1","reason":"unreachable","by":"ada"}},
        {"action":"warn","vulnerability":"C","known":true,"decided_by":{"kind":"severity","id":"high"}}],
        "mutes":[{"id":"0a-1","state":"active","matched":1},{"id":"0b-2","vulnerability":"E","state":"expired","matched":3,"by":"ben"}],
        "rules":[{"id":"R1","state":"active","matched":1},{"id":"R2","state":"expired","matched":0,"owner":"team\u001b[2J"}],
        "vex":[{"format":"CSAF","statements":1200,"settled":1}]}"#;
    let text = verdict(&envelope(body, 0), Details::default());
    for shown in [
        "rule R1",
        "fixed",
        "known",
        "R2    expired",
        "muted by ada: unreachable",
        "the supplier says fixed",
        "known from the baseline",
        "0b-2  E              expired",
        "CSAF",
        "1,200",
        "policy     blake3:77",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert!(
        !text.contains('\u{1b}') && !text.contains("R1    active") && !text.contains("0a-1"),
        "{text}"
    );
}

#[test]
fn unchecked_packages_and_disputes_are_shown() {
    let body = r#"{"outcome":"unknown","coverage":{"matched":1,"total":1203},"not_judged":{"others":1201,"packages":[
        {"name":"x","version":"1","place":"/components/0","reason":"no_distro"}]},
        "findings":[{"action":"warn","disputed":true,"unresolved":true,"statements":[{"source":"ghsa","says":"affected"},
        {"source":"acme","says":"not_affected"}]}]}"#;
    let text = verdict(&envelope(body, 5), Details::default());
    let first = text.lines().next().unwrap_or_default();
    assert!(
        first.contains("1 of 1,203 packages judged, 1,202 not judged"),
        "{first}"
    );
    for shown in [
        "no release of the distribution",
        "/components/0",
        "and 1,201 more",
        "disputed by acme; unresolved",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
}

#[test]
fn worst_findings_come_first_with_upgrade_and_reason() {
    let finding = |level: &str, id: &str, name: &str, fixed: &str| {
        format!(
            r#"{{"action":"fail","vulnerability":"{id}","ids":["{id}","GHSA-{id}"],"severity":{{"level":"{level}"}},
            "decided_by":{{"kind":"severity","id":"low"}},"fixed":[{fixed}],
            "package":{{"ecosystem":"npm","name":"{name}","version":"1.2.0"}}}}"#
        )
    };
    let found = [
        finding("low", "C", "lemur", r#""1.9.2""#),
        finding("critical", "B", "zebra", ""),
        finding("high", "A", "lemur", r#""1.4.0""#),
    ];
    let body = format!(r#"{{"outcome":"fail","findings":[{}]}}"#, found.join(","));
    let text = verdict(&envelope(&body, 1), Details::default());
    let at = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"));
    assert!(
        at("\ncritical") < at("\nhigh") && at("\nhigh") < at("\nlow"),
        "{text}"
    );
    assert!(
        text.starts_with("FAIL: 3 findings (1 critical, 1 high, 1 low), "),
        "{text}"
    );
    assert!(
        text.contains("  upgrade npm lemur 1.2.0 to 1.9.2: ends 2 findings (1 high, 1 low)\n"),
        "{text}"
    );
    assert!(
        text.contains("none known") && text.contains("low or worse fails"),
        "{text}"
    );
    let with_aliases = Details {
        aliases: true,
        explain: false,
    };
    assert!(!text.contains("GHSA-A") && verdict(&envelope(&body, 1), with_aliases).contains("GHSA-A"));
}

#[test]
fn unknown_body_still_shows_hash_and_exit_code() {
    let text = verdict(&envelope("[]", 4), Details::default());
    assert!(
        text.contains("exit code 4 (knowledge missing or stale)"),
        "{text}"
    );
    assert!(text.contains("blake3:0101"), "{text}");
}

#[test]
fn failing_findings_come_first_and_the_worst_on_top() {
    let finding = |action: &str, id: &str, score: &str, kev: bool| {
        format!(
            r#"{{"action":"{action}","vulnerability":"{id}","severity":{{"level":"critical","score":"{score}"}},"kev":{kev},
            "decided_by":{{"kind":"mute","id":"1","by":"ada"}},"package":{{"ecosystem":"npm","name":"a","version":"1"}}}}"#
        )
    };
    let found = [
        finding("ignore", "MUTED", "10.0", true),
        finding("fail", "NINE", "9.3", false),
        finding("fail", "TEN", "10.0", true),
    ];
    let body = format!(r#"{{"outcome":"fail","findings":[{}]}}"#, found.join(","));
    let text = verdict(&envelope(&body, 1), Details::default());
    let at = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"));
    assert!(
        at(" TEN ") < at(" NINE ") && at(" NINE ") < at(" MUTED "),
        "{text}"
    );
    assert!(
        text.contains("of the findings 2 fail, 1 is ignored, 1 is known to be exploited\n"),
        "{text}"
    );
    assert!(text.contains("yes  npm a"), "{text}");
    // The result stands at the end again.
    assert!(
        text.trim_end().ends_with("exit code 1 (fail by policy)"),
        "{text}"
    );
}

#[test]
fn ecosystem_with_a_source_that_was_never_checked_is_named() {
    let body = r#"{"outcome":"pass","coverage":{"matched":1,"total":1},"ecosystems":[
        {"ecosystem":"npm","sources":[{"source":"ghsa"}]},
        {"ecosystem":"PyPI","sources":[{"source":"pypa","last_checked":"2025-01-15T10:30:00.000Z"},{"source":"ghsa"}]}]}"#;
    let text = verdict(&envelope(body, 0), Details::default());
    assert!(
        text.contains("note npm is known in part: none of its sources (ghsa) was ever imported as a whole"),
        "{text}"
    );
    let beside = "note PyPI is known in part: its source ghsa was never imported as a whole, so what it lacks is not found";
    assert!(text.contains(beside), "{text}");
    assert!(!text.contains("pypa"), "{text}");
}

#[test]
fn many_unevaluated_packages_are_grouped_on_a_terminal() {
    let package = |number: usize| {
        format!(
            r#"{{"name":"p{number}","purl":"pkg:npm/p{number}@1","place":"/c/{number}","reason":"no_knowledge"}}"#
        )
    };
    let packages: Vec<_> = (0..30).map(package).collect();
    let body = format!(
        r#"{{"outcome":"unknown","coverage":{{"matched":0,"total":30}},"not_judged":{{"packages":[{}]}}}}"#,
        packages.join(",")
    );
    let text = terminal::at_width(80, || verdict(&envelope(&body, 4), Details::default()));
    assert!(
        text.contains("      30  npm  no source for it at this site  p0, p1, p2\n"),
        "{text}"
    );
    assert!(text.contains("take in a source about npm"), "{text}");
    let piped = verdict(&envelope(&body, 4), Details::default());
    assert!(piped.contains("/c/29"), "{piped}");
}

#[test]
fn many_notes_of_one_kind_are_one_line_with_their_number() {
    let notes = |number: usize| -> Vec<String> { (0..number).map(|index| format!("note {index}")).collect() };
    assert_eq!(folded(&notes(7), "ecosystems").len(), 7);
    assert_eq!(
        folded(&notes(9), "ecosystems"),
        ["note 0; and so for 8 other ecosystems, which --json names"]
    );
}

/// The reason names the source and what ends it; a note that says it again helps nobody.
#[test]
fn source_that_a_reason_names_has_no_note() {
    let body = |reasons: &str| -> Body {
        serde_json::from_str(&format!(
            r#"{{"reasons":[{reasons}],"ecosystems":[{{"ecosystem":"npm","sources":[{{"source":"mine"}}]}}]}}"#
        ))
        .unwrap()
    };
    assert_eq!(body("").known_in_part().len(), 1);
    let reason = r#"{"code":"source_in_part","text":"source mine was never imported as a whole, so …"}"#;
    assert!(body(reason).known_in_part().is_empty());
}
