//! Accepted and rejected values, and warnings.

use proptest::prelude::*;
use starling_protocol::limits::{MAX_RECORD_BYTES, MAX_RECORD_ID_BYTES};

use super::{FeedRecord, NoRecord, Outcome, Part, Rejected, WarningKind, read};

fn only(text: &str) -> Outcome {
    let mut parts = read(text.as_bytes());
    assert_eq!(parts.len(), 1, "{text}");
    assert_eq!(parts[0].pointer, "");
    parts.remove(0).outcome
}

fn record(text: &str) -> FeedRecord {
    match only(text) {
        Outcome::Record(record) => record,
        other => panic!("{text}: {other:?}"),
    }
}

fn rejected(text: &str) -> Rejected {
    match only(text) {
        Outcome::Rejected(rejected) => rejected,
        other => panic!("{text}: {other:?}"),
    }
}

fn warnings(text: &str) -> Vec<String> {
    record(text).warnings.iter().map(ToString::to_string).collect()
}

fn text_of(record: &FeedRecord) -> &str {
    std::str::from_utf8(&record.canonical).expect("canonical JSON is UTF-8")
}

#[test]
fn foreign_note_of_parts_is_removed_and_reported() {
    let forged = record(
        r#"{"id":"X-1","modified":"2024-01-02T03:04:05Z","database_specific":{"starling":{"parts":[]},"own":1}}"#,
    );
    assert_eq!(
        text_of(&forged),
        r#"{"database_specific":{"own":1},"id":"X-1","modified":"2024-01-02T03:04:05Z"}"#
    );
    assert_eq!(forged.warnings.len(), 1, "{:?}", forged.warnings);
}

#[test]
fn unknown_fields_survive_and_bytes_are_canonical() {
    let record =
        record(r#" { "modified":"2024-01-02T03:04:05Z", "x_new": {"b":[1.0], "a":null}, "id":"X-1" } "#);
    assert_eq!(record.id.as_str(), "X-1");
    assert_eq!(record.modified.as_deref(), Some("2024-01-02T03:04:05Z"));
    assert_eq!(
        text_of(&record),
        r#"{"id":"X-1","modified":"2024-01-02T03:04:05Z","x_new":{"a":null,"b":[1]}}"#
    );
    assert_eq!(record.hash.as_bytes(), blake3::hash(&record.canonical).as_bytes());
    assert_eq!(record.warnings, vec![]);
}

#[test]
fn yaml_and_json_of_one_record_have_one_hash() {
    let yaml = "id: X-1\nmodified: 2024-01-02T03:04:05.100Z\naffected:\n- package: {name: p, ecosystem: PyPI}\n  versions: ['1.0', \"1.10\"]\n";
    let json = r#"{"id":"X-1","modified":"2024-01-02T03:04:05.100Z","affected":[{"package":{"name":"p","ecosystem":"PyPI"},"versions":["1.0","1.10"]}]}"#;
    assert_eq!(record(yaml), record(json));
}

#[test]
fn a_byte_order_mark_is_dropped() {
    assert_eq!(
        record("\u{FEFF}{\"id\":\"X\",\"details\":\"d\"}"),
        record("{\"id\":\"X\",\"details\":\"d\"}")
    );
    assert_eq!(
        record("\u{FEFF}id: X\ndetails: d\n"),
        record("{\"id\":\"X\",\"details\":\"d\"}")
    );
}

#[test]
fn lists_yield_each_record_with_its_place() {
    let places = |text: &str| -> Vec<(String, bool)> {
        let parts = read(text.as_bytes());
        parts
            .into_iter()
            .map(|Part { pointer, outcome, .. }| (pointer, matches!(outcome, Outcome::Record(_))))
            .collect()
    };
    let list = |prefix: &str| vec![(format!("{prefix}/0"), true), (format!("{prefix}/1"), false)];
    assert_eq!(places(r#"[{"id":"A","details":"d"},{"id":""}]"#), list(""));
    assert_eq!(
        places(r#"{"vulns":[{"id":"A","details":"d"},7],"x":"y"}"#),
        list("/vulns")
    );
    assert_eq!(places("- id: A\n  details: d\n- id: ''\n"), list(""));
    assert_eq!(places("id: A\ndetails: d\n---\nid: 1\n"), list(""));
    assert_eq!(
        places("[{id: A}]"),
        vec![(String::new(), false)],
        "a bracket means JSON"
    );
}

#[test]
fn non_record_is_distinguished_from_a_bad_record() {
    assert_eq!(only("[]"), Outcome::NoRecord(NoRecord::EmptyList));
    assert_eq!(
        only(r#"{"vulns":[]}"#).clone(),
        Outcome::NoRecord(NoRecord::EmptyList)
    );
    assert_eq!(
        only(r#"{"name":"left-pad","version":"1.0.0"}"#),
        Outcome::NoRecord(NoRecord::OtherObject)
    );
    assert_eq!(rejected(r#"{"affected":[]}"#), Rejected::NoId);
    assert_eq!(rejected(r#"{"id":7}"#), Rejected::IdNotText { found: "a number" });
    assert_eq!(rejected(r#"{"id":null}"#), Rejected::IdNotText { found: "null" });
    assert!(matches!(rejected(r#"{"id":""}"#), Rejected::BadId(_)));
    assert!(matches!(rejected(r#"{"id":"a\nb"}"#), Rejected::BadId(_)));
    assert!(matches!(
        rejected(&format!(r#"{{"id":"{}"}}"#, "x".repeat(MAX_RECORD_ID_BYTES + 1))),
        Rejected::BadId(_)
    ));
    record(&format!(
        r#"{{"id":"{}","details":"d"}}"#,
        "x".repeat(MAX_RECORD_ID_BYTES)
    ));
    for empty in ["", " \n", "\u{FEFF}", "# only a comment\n"] {
        assert_eq!(rejected(empty), Rejected::Empty, "{empty:?}");
    }
    assert_eq!(
        rejected("plain words"),
        Rejected::NotAnObject { found: "a string" }
    );
    assert!(matches!(rejected(r#"{"id":"X""#), Rejected::Json(_)));
    assert!(matches!(rejected("id: X\nid: Y\n"), Rejected::Yaml(_)));
    assert_eq!(
        read(b"id: \xff")[0].outcome,
        Outcome::Rejected(Rejected::NotUtf8 { offset: 4 })
    );
}

#[test]
fn object_with_an_id_and_no_field_of_the_schema_is_rejected() {
    for other in [
        r#"{"id":"X"}"#,
        r#"{"id":"SECURITY-336","type":"plugin","name":"p","message":"m","versions":[{"pattern":".*"}]}"#,
        r#"{"id":"CVE-1999-1","vulnerabilities":[{"content":{"id":"CVE-1999-1"}}],"data_source":{"id":"exploits"}}"#,
        r#"{"id":"X","modified":null,"affected":{},"database_specific":[]}"#,
        "id: GHSA-h3rw-77w7-92gf\nseverity: critical\npackage: Samly\nfirst_patched_versions: [1.4.0]\n",
    ] {
        assert_eq!(rejected(other), Rejected::OnlyAnId, "{other}");
    }
    assert_eq!(
        Rejected::OnlyAnId.to_string(),
        "it has an id and nothing else of an OSV record"
    );
    record(r#"{"id":"CVE-2026-1","aliases":[]}"#);
    record(r#"{"id":"CVE-2026-1","modified":"2026-01-01T00:00:00Z"}"#);
    record(r#"{"id":"CVE-2026-1","database_specific":{}}"#);
}

#[test]
fn too_long_record_is_refused_before_and_after_rewriting() {
    let long = |filler: usize| format!(r#"{{"id":"X","details":"{}"}}"#, "x".repeat(filler));
    let room = MAX_RECORD_BYTES - long(0).len();
    record(&long(room));
    assert_eq!(
        rejected(&long(room + 1)),
        Rejected::TooLarge {
            bytes: MAX_RECORD_BYTES + 1
        }
    );
    // YAML's escapes can be shorter than JSON's: one byte of text, six bytes of JSON.
    let grows = format!("id: X\ndetails: \"{}\"\n", "\\e".repeat(MAX_RECORD_BYTES / 4));
    assert!(matches!(rejected(&grows), Rejected::TooLarge { .. }));
}

#[test]
fn decimal_version_becomes_its_text() {
    let read =
        record(r#"{"id":"X","affected":[{"versions":[1.10],"ranges":[{"events":[{"fixed":2.10}]}]}]}"#);
    assert_eq!(
        String::from_utf8(read.canonical).unwrap(),
        r#"{"affected":[{"ranges":[{"events":[{"fixed":"2.10"}]}],"versions":["1.10"]}],"id":"X"}"#
    );
}

#[test]
fn problems_of_real_sources_are_kept_and_reported() {
    assert_eq!(
        warnings(
            r#"{"id":"X","modified":"0001-01-01T00:00:00Z","aliases":["CVE-2024-1 ",null],"related":null}"#
        ),
        [
            r#"/modified: "0001-01-01T00:00:00Z" is not a plausible time"#,
            r#"/aliases/0: "CVE-2024-1 " is empty or contains white space"#,
            "/aliases/1: expected a string, found null",
            "/related: expected an array, found null",
        ]
    );
    assert_eq!(
        warnings(
            "{\"id\":\"X\",\"modified\":\"yesterday\",\"affected\":[{\"package\":{\"ecosystem\":\"PyPI\",\"name\":\"r\u{435}quests\"},\
             \"ranges\":[{\"events\":[{\"fixed\":\"2\"},{\"introduced\":\"0\"},{\"fixed\":\"2\"}]}],\"versions\":[10]},{\"ranges\":null}]}"
        ),
        [
            "/modified: \"yesterday\" is not a time",
            "/affected/0/package/name: \"r\u{435}quests\" is not ASCII, which PyPI names are",
            "/affected/0/ranges/0: the range has no type: its versions are compared in the order of the ecosystem",
            "/affected/0/ranges/0/events: the event fixed 2 is repeated in this range",
            "/affected/0/versions/0: expected a string, found a number",
            "/affected/1: it has neither ranges nor versions: all versions stay undecided",
            "/affected/1/ranges: expected an array, found null",
            "/affected/1: nothing looks this entry up, because it has no package, unlike other entries of the record",
        ]
    );
    assert_eq!(
        warnings(r#"{"id":"X","details":"d"}"#),
        ["the record has no modification time"]
    );
    // Names of other ecosystems may contain anything.
    assert_eq!(
        warnings(
            "{\"id\":\"X\",\"modified\":\"2024-01-01T00:00:00Z\",\"affected\":[{\"package\":{\"ecosystem\":\"New\",\"name\":\"é\"},\"versions\":[\"1\"]}]}"
        ),
        Vec::<String>::new()
    );
}

#[test]
fn answer_with_further_pages_says_so() {
    for (text, records) in [
        (r#"{"vulns":[{"id":"A","details":"d"}],"next_page_token":"t"}"#, 1),
        (r#"{"vulns":[],"next_page_token":"t"}"#, 0),
    ] {
        let parts = read(text.as_bytes());
        let is_record = |part: &&Part| matches!(part.outcome, Outcome::Record(_));
        assert_eq!(parts.iter().filter(is_record).count(), records, "{text}");
        let last = &parts.last().unwrap().outcome;
        assert!(
            matches!(last, Outcome::Noted(what) if what.contains("further pages")),
            "{text}"
        );
    }
    let whole = read(br#"{"vulns":[{"id":"A","details":"d"}],"next_page_token":""}"#);
    assert!(matches!(whole.as_slice(), [only] if matches!(only.outcome, Outcome::Record(_))));
}

/// Rules in a wrong form were imported without a warning.
#[test]
fn rules_in_a_wrong_form_are_named() {
    let of = |entry: &str| {
        warnings(&format!(
            r#"{{"id":"X","modified":"2024-01-01T00:00:00Z","affected":[{entry}]}}"#
        ))
    };
    let package = r#""package":{"ecosystem":"npm","name":"p"}"#;
    let events = r#"[{"introduced":"0"},{"fixed":"2.0.0"}]"#;
    for (rest, place, words) in [
        (
            format!(r#""versions":["1.0.0"],"range":[{{"type":"SEMVER","events":{events}}}]"#),
            "",
            "\"ranges\" may be meant",
        ),
        (r#""version":["1.0.0"],"ranges":[]"#.to_owned(), "", "\"versions\" may be meant"),
        (String::from(r#""database_specific":{}"#), "", "neither ranges nor versions"),
        (
            format!(r#""ranges":[{{"type":"SEMVERR","events":{events}}}]"#),
            "/ranges/0/type",
            "\"SEMVERR\" is not a type of range",
        ),
        (
            format!(r#""ranges":[{{"events":{events}}}]"#),
            "/ranges/0",
            "no type",
        ),
        (
            format!(r#""ranges":[{{"type":"SEMVER","event":{events}}}]"#),
            "/ranges/0",
            "\"events\" may be meant",
        ),
        (
            r#""ranges":[{"type":"SEMVER","events":[{"fixed":"2.0.0"}]}]"#.to_owned(),
            "/ranges/0",
            "no event says from which version on",
        ),
        (
            r#""ranges":[{"type":"SEMVER","events":[{"introduced":"0","fixed":"2.0.0"}]}]"#.to_owned(),
            "/ranges/0/events/0",
            "several events (introduced, fixed)",
        ),
        (
            r#""ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fix":"2.0.0"}]}]"#.to_owned(),
            "/ranges/0/events/1",
            "without an event",
        ),
        (
            r#""ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.0.0"},{"last_affected":"2.0.0"}]}]"#
                .to_owned(),
            "/ranges/0",
            "both fixed and last_affected",
        ),
        (
            format!(
                r#""ranges":[{{"type":"SEMVER","events":{events}}},{{"type":"SEMVER","events":{events}}}]"#
            ),
            "/ranges/1",
            "this range twice",
        ),
        (
            format!(r#""ranges":[{{"type":"SEMVER","events":{events}}}],"severity":[{{"type":"CVSS_V3","score":9.8}}]"#),
            "/severity/0/score",
            "expected a string",
        ),
    ] {
        let told = of(&format!("{{{package},{rest}}}"));
        let start = format!("/affected/0{place}: ");
        assert!(
            told.iter().any(|one| one.starts_with(&start) && one.contains(words)),
            "{rest}: {told:?}"
        );
    }
}

#[test]
fn members_that_look_like_those_of_the_schema_are_named() {
    for (other, words) in [
        (
            r#"{"id":"X","modified":"2024-01-01T00:00:00Z","affects":[]}"#,
            "\"affected\" may be meant",
        ),
        (
            r#"{"id":"X","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","nane":"p"},"versions":["1"]}]}"#,
            "\"name\" may be meant",
        ),
    ] {
        assert!(warnings(other).iter().any(|one| one.contains(words)), "{other}");
    }
    let sound = String::from(
        r#"{"id":"X","modified":"2024-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2.0.0"}]}],"versions":["1.0.0"],"notes":1,"ecosystem_specific":{"range":1}}]}"#,
    );
    assert_eq!(warnings(&sound), Vec::<String>::new());
}

#[test]
fn rules_that_all_orders_read_alike_need_no_order() {
    let needs = |rest: &str| {
        let text = format!(r#"{{"id":"X","affected":[{{{rest}}}]}}"#);
        record(&text).needs_orders
    };
    for plain in [
        r#""ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.2.3"},{"introduced":"2"},{"last_affected":"2.1"}]}]"#,
        r#""ranges":[{"type":"GIT","events":[{"introduced":"0"},{"fixed":"banana"}]}],"versions":["1.0","1.0-rc1"]"#,
        r#""severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]"#,
    ] {
        assert!(!needs(plain), "{plain}");
    }
    for odd in [
        r#""ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"banana"}]}]"#,
        r#""ranges":[{"type":"SEMVER","events":[{"introduced":"2"},{"fixed":"1.0"}]}]"#,
        r#""ranges":[{"type":"SEMVER","events":[{"introduced":"1.0"},{"fixed":"1"}]}]"#,
        r#""ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1"},{"fixed":"2"}]}]"#,
        r#""versions":["banana"]"#,
        r#""versions":["1.0","<2"]"#,
        r#""severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L"}]"#,
        r#""severity":[{"type":"CVSS_V9","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]"#,
    ] {
        assert!(needs(odd), "{odd}");
    }
}

#[test]
fn number_of_warnings_per_record_is_limited() {
    let text = format!(
        r#"{{"id":"X","modified":"2024-01-01T00:00:00Z","aliases":[{}1]}}"#,
        "1,".repeat(10_000)
    );
    let warnings = record(&text).warnings;
    assert_eq!(warnings.len(), 33);
    assert_eq!(
        warnings.last().map(|warning| &warning.kind),
        Some(&WarningKind::Truncated { more: 9_969 })
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(!read(&bytes).is_empty());
    }

    #[test]
    fn damaged_records_never_panic_and_accepted_ones_round_trip(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = br#"{"id":"X-1","modified":"2024-01-02T03:04:05Z","aliases":["A"],"affected":[{"package":{"ecosystem":"npm","name":"p"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}"#.to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for part in read(&bytes) {
            if let Outcome::Record(record) = part.outcome {
                let again = read(&record.canonical);
                prop_assert_eq!(&again[0].outcome, &Outcome::Record(record));
            }
        }
    }
}
