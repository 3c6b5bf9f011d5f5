//! Odd records, and what is left of them.

use super::*;

#[test]
fn null_stands_for_an_empty_list() {
    let record = Record::from_json(
        br#"{"id":"X-1","aliases":null,"severity":null,"affected":[{"package":null,"ranges":null,"versions":null}]}"#,
    )
    .unwrap();
    assert_eq!(record.affected, vec![Affected::default()]);
}

#[test]
fn severity_word_is_used_if_the_list_is_empty() {
    let of = |json: &str| {
        let affected: Affected = serde_json::from_str(json).unwrap();
        affected
            .severity
            .into_iter()
            .map(|s| (s.kind, s.score.0))
            .collect::<Vec<_>>()
    };
    for (json, field, word) in [
        (r#"{"database_specific":{"severity":"HIGH"}}"#, "severity", "HIGH"),
        (
            r#"{"ecosystem_specific":{"urgency":"low**"}}"#,
            "urgency",
            "low**",
        ),
        (
            r#"{"ecosystem_specific":{"ubuntu_priority":"medium","severity":{}}}"#,
            "ubuntu_priority",
            "medium",
        ),
    ] {
        assert_eq!(of(json), [(field.to_owned(), word.to_owned())], "{json}");
    }
    for json in [
        r#"{"ecosystem_specific":{"urgency":"not yet assigned"}}"#,
        r#"{"ecosystem_specific":null,"database_specific":[]}"#,
        r#"{"database_specific":{"severity":"unknown"}}"#,
    ] {
        assert!(of(json).is_empty(), "{json}");
    }
    let both = r#"{"severity":[{"type":"CVSS_V3","score":"v"}],"database_specific":{"severity":"LOW"}}"#;
    assert_eq!(of(both), [("CVSS_V3".to_owned(), "v".to_owned())]);
    let record =
        Record::from_json(br#"{"id":"X","database_specific":{"severity":"MODERATE","n":1}}"#).unwrap();
    assert_eq!(record.severities().next().unwrap().score.0, "MODERATE");
}

#[test]
fn unreadable_rules_leave_versions_undecided() {
    use crate::matching::{Subject, evaluate};
    let of = |entry: &str| {
        let entry = Affected::from_entry(&serde_json::from_str(entry).unwrap());
        let result = evaluate(&entry, &Subject::new("npm", "1.0.0"));
        (result.is_affected(), result.is_undecided())
    };
    for entry in [
        r#"{"ranges":"all"}"#,
        r#"{"ranges":[1]}"#,
        r#"{"ranges":{"type":"SEMVER","events":[{"introduced":"0"}]}}"#,
        r#"{"ranges":[{"type":"SEMVER","events":"x"}]}"#,
        r#"{"ranges":[{"type":"SEMVER","events":{"introduced":"0"}}]}"#,
        r#"{"ranges":[{"type":"SEMVER","events":[{"introduced":["0"]}]}]}"#,
        r#"{"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":{"v":1}}]}]}"#,
        r#"{"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"0.1"},{"resumed":"0.5"}]}]}"#,
        r#"{"ranges":[{"type":["SEMVER"],"events":[{"introduced":"0"},{"fixed":"0.9"}]}]}"#,
        r#"{"versions":"1.0.0"}"#,
        r#"{"versions":[{"v":"1.0.0"}]}"#,
        r#"{"versions":["0.9",["1.0.0"]],"severity":"high"}"#,
        r#"{"versions":[null]}"#,
        r#"{"versions":["0.9",""]}"#,
        r#"{"versions":["<2.0.0"]}"#,
        r#"{"versions":["0.9","All"]}"#,
        r#"{"versions":["n/a"]}"#,
        r#"{"versions":["1.x"]}"#,
        r#"{"versions":["1.*"]}"#,
        r#"{"versions":["0.9, 1.0.0"]}"#,
        r#"{"versions":["0.9 - 1.1"]}"#,
        r#"{"ranges":[{"type":"SEMVER","events":[{"introduced":null},{"fixed":"1.0.1"},{"introduced":"2.0.0"}]}]}"#,
        "[]",
        "7",
    ] {
        assert_eq!(of(entry), (false, true), "{entry}");
    }
    for entry in [
        r#"{"versions":["1.0.0",{}]}"#,
        r#"{"severity":"high","versions":["1.0.0"]}"#,
        r#"{"ranges":[5,{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2.0.0"},null,{}]}]}"#,
    ] {
        assert_eq!(of(entry), (true, false), "{entry}");
    }
    let readable = r#"{"versions":["0.9"],"severity":[{"type":"CVSS_V3","score":"v"},7],"ranges":null}"#;
    assert_eq!(
        of(readable),
        (false, false),
        "a severity decides nothing about versions"
    );
    let entry = Affected::from_entry(&serde_json::from_str(readable).unwrap());
    assert_eq!(entry.severity.len(), 1);
}

#[test]
fn summary_falls_back_to_the_first_sentence() {
    for (details, sentence) in [
        ("One. Two.", "One."),
        ("# Impact\n\nA line\nthat goes on. More", "A line that goes on."),
        ("version 1.2.3 is bad", "version 1.2.3 is bad"),
        ("", ""),
        ("### Only", ""),
    ] {
        assert_eq!(first_sentence(details), sentence);
    }
    let long = first_sentence(&"é".repeat(1_000));
    assert_eq!(long.chars().count(), MAX_SENTENCE_CHARS);
    let record = Record::from_json(br#"{"id":"X","summary":" ","details":"A. B."}"#).unwrap();
    assert_eq!(record.summary_or_details(), "A.");
}

#[test]
fn numbers_unknown_kinds_and_joint_events_are_read() {
    let record = Record::from_json(
        br#"{"id":"X-1","new_field":{},"affected":[{"versions":[1,"2"],"ranges":[
            {"type":"HOLOGRAM","events":[{"introduced":0,"fixed":"3"},null]}]}]}"#,
    )
    .unwrap();
    let affected = &record.affected[0];
    assert_eq!(affected.versions, vec![Text("1".into()), Text("2".into())]);
    assert_eq!(affected.ranges[0].kind, RangeKind::Other("HOLOGRAM".into()));
    assert_eq!(
        affected.ranges[0].events,
        vec![Event::Introduced("0".into()), Event::Fixed("3".into())]
    );
}

#[test]
fn non_record_is_refused() {
    for bytes in [
        &b"[]"[..],
        b"{}",
        b"",
        b"{\"id\":1}",
        br#"{"id":"X","affected":{}}"#,
    ] {
        assert!(
            Record::from_json(bytes).is_err(),
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
}
