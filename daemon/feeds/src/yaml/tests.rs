//! The core schema case by case, the limits, and arbitrary input.

use proptest::prelude::*;

use super::{YamlErrorKind, parse};

fn json(text: &str) -> String {
    let documents = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let [document] = documents.as_slice() else {
        panic!("{text}: {} documents", documents.len())
    };
    String::from_utf8(document.to_canonical()).expect("canonical JSON is UTF-8")
}

fn refused(text: &str) -> YamlErrorKind {
    parse(text).expect_err(text).kind
}

#[test]
fn plain_scalars_follow_the_core_schema() {
    for (scalar, expected) in [
        ("~", "null"),
        ("null", "null"),
        ("True", "true"),
        ("FALSE", "false"),
        ("12", "12"),
        ("-012", "-12"),
        ("+3", "3"),
        ("-0", "0"),
        ("0o17", "15"),
        ("0xFf", "255"),
        ("1.0", "1"),
        ("1.10", "1.1"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        ("1.", "1"),
        ("1e3", "1000"),
        ("6.02E+23", "6.02e+23"),
        ("9007199254740993", "9007199254740993"),
    ] {
        assert_eq!(json(scalar), expected, "{scalar}");
    }
}

#[test]
fn versions_and_names_stay_texts() {
    assert_eq!(
        json(
            "affected:\n- package: {name: 2048}\n  versions: [1.10, 2, ~]\n  ranges:\n  - events:\n    - introduced: 0\n    - fixed: 2.10\n    - {last_affected: 1e3, limit: 0x10}\n"
        ),
        r#"{"affected":[{"package":{"name":"2048"},"ranges":[{"events":[{"introduced":"0"},{"fixed":"2.10"},{"last_affected":"1e3","limit":"0x10"}]}],"versions":["1.10","2",null]}]}"#
    );
    // More digits than a number can keep, and fields that contain numbers.
    assert_eq!(
        json("fixed: 1.10000000000000000000000001"),
        r#"{"fixed":"1.10000000000000000000000001"}"#
    );
    assert_eq!(
        json("versions: {a: 1.10}\nscore: 1.10"),
        r#"{"score":1.1,"versions":{"a":1.1}}"#
    );
}

#[test]
fn other_scalars_are_text() {
    for scalar in [
        "yes",
        "no",
        "on",
        "off",
        "nUll",
        "tRue",
        "1_000",
        "1:30",
        "0b1",
        "-0x1",
        "0x",
        "0o8",
        "1.2.3",
        "1e",
        "e1",
        ".",
        "+",
        "--1",
        ".e1",
        "1e+",
        "0x+1",
        "<",
        "=",
        "2021-06-09T15:43:47.842Z",
        "2021-06-09",
        "0001-01-01T00:00:00Z",
    ] {
        // As a list's item, so that `-` is a scalar and not a list.
        let text = format!("[{scalar}]");
        assert_eq!(json(&text), format!("[\"{scalar}\"]"));
    }
}

#[test]
fn quoted_and_block_scalars_are_text() {
    assert_eq!(
        json("['1.0', \"2\", 'null', \"a\\nb\\u20ac\"]"),
        "[\"1.0\",\"2\",\"null\",\"a\\nb\u{20ac}\"]"
    );
    assert_eq!(
        json("a: |\n  1\n  2\nb: >-\n  1\n  2\n"),
        r#"{"a":"1\n2\n","b":"1 2"}"#
    );
}

#[test]
fn core_schema_tags_are_used_and_others_refused() {
    assert_eq!(
        json("[!!str 1.0, ! 2, !!int 3, !!float 4.5, !!bool true, !!null ~]"),
        r#"["1.0","2",3,4.5,true,null]"#
    );
    assert_eq!(
        json("!!map {a: !!seq [!!timestamp 2021-01-01]}"),
        r#"{"a":["2021-01-01"]}"#
    );
    for text in [
        "!!int x",
        "!!binary aGk=",
        "!mine 1",
        "!!set {a}",
        "!!python/object:os.system {}",
        "!!map []",
    ] {
        assert!(matches!(refused(text), YamlErrorKind::Tag(_)), "{text}");
    }
}

#[test]
fn keys_are_unique_texts() {
    assert_eq!(
        json("{1: a, true: b, 2021-01-01: c}"),
        r#"{"1":"a","2021-01-01":"c","true":"b"}"#
    );
    assert!(matches!(
        refused("a: 1\nb: 2\na: 3"),
        YamlErrorKind::DuplicateKey(_)
    ));
    assert!(matches!(refused("1: 1\n'1': 2"), YamlErrorKind::DuplicateKey(_)));
    assert!(matches!(refused("{[a]: 1}"), YamlErrorKind::Key { .. }));
    assert!(matches!(refused("~: 1"), YamlErrorKind::Key { .. }));
    assert_eq!(refused("a: &a {x: 1}\nb: {<<: *a}"), YamlErrorKind::MergeKey);
}

#[test]
fn numbers_without_a_json_form_are_refused() {
    assert!(matches!(refused("a: .inf"), YamlErrorKind::NotFinite(_)));
    assert!(matches!(refused("a: -.INF"), YamlErrorKind::NotFinite(_)));
    assert!(matches!(refused("a: .nan"), YamlErrorKind::NotFinite(_)));
    assert!(matches!(refused("a: 1e400"), YamlErrorKind::Number(_)));
    assert!(matches!(
        refused("a: 0.12345678901234567890"),
        YamlErrorKind::Number(_)
    ));
}

#[test]
fn aliases_are_expanded() {
    assert_eq!(
        json("a: &x [1, {k: v}]\nb: *x\n&k c: *k"),
        r#"{"a":[1,{"k":"v"}],"b":[1,{"k":"v"}],"c":"c"}"#
    );
    assert!(matches!(
        refused("a: *x"),
        YamlErrorKind::Syntax(_) | YamlErrorKind::Alias
    ));
    assert!(matches!(
        refused("&a [*a]"),
        YamlErrorKind::Syntax(_) | YamlErrorKind::Alias
    ));
}

#[test]
fn billion_laughs_are_refused() {
    let mut text = String::from("l0: &l0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let aliases = vec![format!("*l{}", level - 1); 10].join(", ");
        text += &format!("l{level}: &l{level} [{aliases}]\n");
    }
    assert_eq!(refused(&text), YamlErrorKind::TooMuchCopied);
}

#[test]
fn nesting_is_limited_in_every_style() {
    let levels = starling_protocol::json::MAX_DEPTH;
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(json(&nested(levels)), nested(levels));
    assert_eq!(refused(&nested(levels + 1)), YamlErrorKind::TooDeep);
    assert_eq!(refused(&"- ".repeat(100_000)), YamlErrorKind::TooDeep);
    let through_aliases = format!("a: &a {}\nb: {}*a{}", nested(40), "[".repeat(30), "]".repeat(30));
    assert_eq!(refused(&through_aliases), YamlErrorKind::TooDeep);
}

#[test]
fn a_stream_holds_documents() {
    let documents = parse("---\nid: A\n---\nid: B\n...\n").expect("valid");
    assert_eq!(documents.len(), 2);
    assert_eq!(documents[1].get("id").and_then(|id| id.as_str()), Some("B"));
    assert_eq!(parse("").expect("valid"), vec![]);
}

#[test]
fn errors_contain_their_line() {
    let error = parse("a: 1\nb: .inf\n").expect_err("infinite");
    assert_eq!((error.line, error.column), (2, 4));
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _ = parse(&text);
    }

    #[test]
    fn yaml_like_text_never_panics(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("- "), Just("a: "), Just("? "), Just(": "), Just("\n"), Just("  "), Just("&a "), Just("*a "),
                Just("["), Just("]"), Just("{"), Just("}"), Just(","), Just("|\n"), Just(">\n"), Just("'"), Just("\""),
                Just("!!str "), Just("!"), Just("---\n"), Just("...\n"), Just("%YAML 1.2\n"), Just("#"), Just("\t"),
                Just("<<"), Just("1.5"), Just("\\"), Just("\u{85}"), Just("\u{FEFF}"),
            ],
            0..40,
        )
    ) {
        let _ = parse(&parts.concat());
    }

    #[test]
    fn json_documents_are_read_as_json(text in "\\[(\"[a-z ]{0,5}\"|-?[1-9][0-9]{0,20}|true|null)(, ?(\"[a-z]{0,5}\"|[0-9]\\.5|\\[\\]|\\{\"k\": ?1\\}))*\\]") {
        let as_json = starling_protocol::json::parse(text.as_bytes()).expect("the pattern makes JSON");
        prop_assert_eq!(parse(&text).expect("YAML holds JSON"), vec![as_json]);
    }
}
