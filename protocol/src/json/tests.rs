//! The rules of RFC 8785 one by one, then properties against `serde_json` as an independent reader.

use proptest::prelude::*;

use super::{JsonErrorKind, MAX_DEPTH, Number, Value, canonicalize, cmp_utf16, is_canonical, parse};

fn canonical(text: &str) -> String {
    String::from_utf8(canonicalize(text.as_bytes()).expect(text)).expect("canonical JSON is UTF-8")
}

fn refused(text: &str) -> (JsonErrorKind, String) {
    let error = canonicalize(text.as_bytes()).expect_err(text);
    (error.kind().clone(), error.pointer())
}

#[test]
fn white_space_goes_and_structure_stays() {
    assert_eq!(
        canonical(" [ 1 ,\t{ \"a\" : null }\r\n, [ ] , { } ] "),
        r#"[1,{"a":null},[],{}]"#
    );
}

#[test]
fn keys_sort_by_utf16_code_units() {
    // In UTF-16, U+1F600 starts with 0xD83D and so comes before U+FB33, unlike in UTF-8.
    let text =
        "{\"\u{FB33}\":1,\"\u{1F600}\":2,\"\u{20AC}\":3,\"\\r\":4,\"1\":5,\"\u{80}\":6,\"\u{F6}\":7,\"\":8}";
    assert_eq!(
        canonical(text),
        "{\"\":8,\"\\r\":4,\"1\":5,\"\u{80}\":6,\"\u{F6}\":7,\"\u{20AC}\":3,\"\u{1F600}\":2,\"\u{FB33}\":1}"
    );
}

#[test]
fn strings_use_the_shortest_escapes() {
    assert_eq!(
        canonical(
            r#""\u0022\u005c\/\u0008\u0009\u000a\u000c\u000d\u0000\u001F\u007f\u20ac\ud83d\ude00\u2028""#
        ),
        "\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0000\\u001f\u{7f}\u{20ac}\u{1F600}\u{2028}\""
    );
}

#[test]
fn fractions_print_as_ecmascript_prints_them() {
    for (literal, expected) in [
        ("0.0", "0"),
        ("-0.0", "0"),
        ("-0", "0"),
        ("0e99999999999999999999", "0"),
        ("1.0", "1"),
        ("-1.50", "-1.5"),
        ("1E2", "100"),
        ("4.50", "4.5"),
        ("2e-3", "0.002"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("123e-20", "1.23e-18"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("-1.5e300", "-1.5e+300"),
        ("123456789012345680000.0", "123456789012345680000"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("0.30000000000000004", "0.30000000000000004"),
    ] {
        assert_eq!(canonical(literal), expected, "{literal}");
    }
}

#[test]
fn integers_keep_every_digit() {
    for literal in [
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "-9007199254740993",
        "18446744073709551616",
        "1000000000000000000000",
        "123456789012345678901234567890123456789012345678901234567890",
    ] {
        assert_eq!(canonical(literal), literal);
        assert!(is_canonical(literal.as_bytes()));
    }
}

#[test]
fn single_number_is_parsed() {
    assert_eq!(Number::parse("1.50").expect("a number").as_str(), "1.5");
    for text in ["", "1 ", " 1", "1,2", "+1", "NaN", "1.", "1e400"] {
        assert!(Number::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn numbers_that_need_rounding_are_refused_by_name() {
    for literal in [
        "0.1000000000000000055511151231257827",
        "1e400",
        "-1e400",
        "1e-400",
        "1e99999999999999999999",
        "1.00000000000000001",
        // RFC 8785 prints this one as 333333333.3333333: shorter, but another decimal value.
        "333333333.33333329",
        "9007199254740993.0",
    ] {
        let (kind, pointer) = refused(&format!(r#"{{"a":[0,{{"b/c":{literal}}}]}}"#));
        assert!(
            matches!(kind, JsonErrorKind::InexactNumber { .. }),
            "{literal}: {kind}"
        );
        assert_eq!(pointer, "/a/1/b~1c");
    }
}

#[test]
fn repeated_keys_are_refused_at_every_level() {
    for text in [r#"{"x":{"k":1,"k":1}}"#, r#"{"x":{"k":1,"a":2,"\u006b":3}}"#] {
        assert_eq!(refused(text), (JsonErrorKind::DuplicateKey, "/x/k".to_owned()));
        assert!(!is_canonical(text.as_bytes()));
    }
}

#[test]
fn lone_surrogates_are_refused() {
    for (text, unit) in [
        (r#"["\ud800"]"#, 0xD800),
        (r#"["\udc00"]"#, 0xDC00),
        (r#"["\ud800\u0041"]"#, 0xD800),
        (r#"["\ud800\ud800"]"#, 0xD800),
        (r#"["\ud83dx"]"#, 0xD83D),
    ] {
        assert_eq!(
            refused(text),
            (JsonErrorKind::LoneSurrogate { unit }, "/0".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(canonical(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
    assert_eq!(refused(&nested(MAX_DEPTH + 1)).0, JsonErrorKind::TooDeep);
    assert!(!is_canonical(nested(MAX_DEPTH + 1).as_bytes()));
    assert_eq!(refused(&"[{\"a\":".repeat(1_000_000)).0, JsonErrorKind::TooDeep);
}

#[test]
fn invalid_json_is_refused_with_its_place() {
    for text in [
        "",
        " ",
        "nul",
        "tru",
        "NaN",
        "Infinity",
        "-",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "--1",
        "0x10",
        "'a'",
        "\"a",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\t\"",
        "[1,]",
        "[1 2]",
        "[,1]",
        "[",
        "]",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{} {}",
        "\u{FEFF}{}",
        "1 // no",
        "\u{A0}1",
    ] {
        let error = parse(text.as_bytes()).expect_err(text);
        assert!(
            matches!(error.kind(), JsonErrorKind::Syntax { .. }),
            "{text:?}: {error}"
        );
        assert!(error.offset() <= text.len());
        assert!(!is_canonical(text.as_bytes()));
    }
    let error = parse(b"{\"a\":\"\xff\"}").expect_err("not UTF-8");
    assert_eq!((error.kind(), error.offset()), (&JsonErrorKind::NotUtf8, 6));
}

#[test]
fn errors_quote_long_foreign_text_briefly() {
    let key = "k".repeat(10_000);
    let error = parse(format!(r#"{{"{key}":nope}}"#).as_bytes()).expect_err("not a value");
    assert!(error.to_string().len() < 200, "{error}");
}

#[test]
fn pointers_follow_rfc_6901() {
    let value = parse(br#"{"":0,"a/b":1,"m~n":2,"list":[10,[20]]}"#).expect("valid");
    let number = |pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_number)
            .and_then(Number::as_i64)
    };
    assert_eq!(number("/"), Some(0));
    assert_eq!(number("/a~1b"), Some(1));
    assert_eq!(number("/m~0n"), Some(2));
    assert_eq!(number("/list/0"), Some(10));
    assert_eq!(number("/list/1/0"), Some(20));
    assert_eq!(value.pointer(""), Some(&value));
    for absent in [
        "list",
        "/list/2",
        "/list/00",
        "/list/+1",
        "/list/-",
        "/list/0/0",
        "/b",
    ] {
        assert_eq!(value.pointer(absent), None, "{absent}");
    }
}

#[test]
fn members_are_found_in_objects_of_any_size() {
    for count in [0, 1, 16, 17, 200] {
        let entries: Vec<_> = (0..count).map(|n| format!("\"k{n}\u{1F600}\":{n}")).collect();
        let text = format!("{{{}}}", entries.join(","));
        let value = parse(text.as_bytes()).expect("valid");
        for n in 0..count {
            let found = value
                .get(&format!("k{n}\u{1F600}"))
                .and_then(Value::as_number)
                .and_then(Number::as_i64);
            assert_eq!(found, Some(n));
        }
        assert_eq!(value.get("k"), None);
    }
}

/// Generates JSON text with random spelling: white space, key order, escapes.
fn json_text() -> impl Strategy<Value = String> {
    let space = prop_oneof![Just(""), Just(" "), Just("\n\t")];
    let character = prop_oneof![
        4 => any::<char>().prop_map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c < ' ' => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        }),
        2 => "[ -!#-\\[\\]-~]",
        1 => any::<char>().prop_map(|c| {
            c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }),
        1 => prop_oneof![Just("\\/".to_owned()), Just("\\n".to_owned()), Just("\\\"".to_owned())],
    ];
    let string =
        proptest::collection::vec(character, 0..12).prop_map(|parts| format!("\"{}\"", parts.concat()));
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(|f| format!("{f:e}")),
        (-1000i32..1000, 0u32..5).prop_map(|(n, zeros)| format!("{n}.5{}", "0".repeat(zeros as usize))),
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        number,
        string.clone(),
    ];
    leaf.prop_recursive(6, 64, 8, move |inner| {
        let array = (proptest::collection::vec(inner.clone(), 0..6), space.clone())
            .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(&format!(",{space}"))));
        let object = (
            proptest::collection::vec((string.clone(), inner), 0..6),
            space.clone(),
        )
            .prop_map(|(entries, space)| {
                let entries: Vec<_> = entries.iter().map(|(k, v)| format!("{k}{space}:{v}")).collect();
                format!("{{{}{space}}}", entries.join(&format!("{space},")))
            });
        prop_oneof![array, object]
    })
}

/// Generates text close to JSON: valid documents with a few bytes changed.
fn damaged_json() -> impl Strategy<Value = Vec<u8>> {
    (
        json_text(),
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    )
        .prop_map(|(text, changes)| {
            let mut bytes = text.into_bytes();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

/// Returns true if two documents mean the same, compared through `serde_json`: integers exactly, fractions
/// as doubles, `1.0` the same as `1`.
fn same_meaning(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => {
            let exact = |n: &serde_json::Number| n.as_i64().map(i128::from).or(n.as_u64().map(i128::from));
            match (exact(a), exact(b)) {
                (Some(a), Some(b)) => a == b,
                _ => a.as_f64() == b.as_f64(),
            }
        }
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_meaning(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, value)| b.get(key).is_some_and(|other| same_meaning(value, other)))
        }
        (a, b) => a == b,
    }
}

proptest! {
    #[test]
    fn canonical_form_means_the_same_and_is_a_fixed_point(text in json_text()) {
        match canonicalize(text.as_bytes()) {
            Ok(bytes) => {
                prop_assert!(is_canonical(&bytes));
                let again = canonicalize(&bytes).expect("canonical bytes are valid");
                prop_assert_eq!(&again, &bytes);
                prop_assert_eq!(&parse(&bytes).expect("valid").to_canonical(), &bytes);
                let before: serde_json::Value = serde_json::from_str(&text).expect("accepted text is valid JSON");
                let after: serde_json::Value = serde_json::from_slice(&bytes).expect("canonical text is valid JSON");
                prop_assert!(same_meaning(&before, &after), "{} became {}", before, after);
            }
            // The generator's only fault is a key drawn twice.
            Err(error) => prop_assert_eq!(error.kind(), &JsonErrorKind::DuplicateKey),
        }
    }

    #[test]
    fn damaged_text_is_accepted_only_when_serde_json_accepts_it(bytes in damaged_json()) {
        let ours = parse(&bytes);
        let theirs = serde_json::from_slice::<serde_json::Value>(&bytes);
        match (&ours, &theirs) {
            (Ok(_), Err(error)) => prop_assert!(false, "accepted what serde_json refuses: {}", error),
            (Err(error), Ok(_)) => prop_assert!(
                matches!(error.kind(), JsonErrorKind::DuplicateKey | JsonErrorKind::InexactNumber { .. }),
                "refused what serde_json accepts: {}", error
            ),
            _ => {}
        }
        prop_assert_eq!(is_canonical(&bytes), canonicalize(&bytes).is_ok_and(|canonical| canonical == bytes));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = (parse(&bytes), is_canonical(&bytes), canonicalize(&bytes));
    }

    #[test]
    fn integers_of_any_length_survive(digits in "-?[1-9][0-9]{0,60}") {
        prop_assert_eq!(canonical(&digits), digits);
    }

    #[test]
    fn doubles_survive_as_ecmascript_prints_them(double in any::<f64>().prop_filter("finite", |f| f.is_finite())) {
        let text = canonical(&format!("{double:e}"));
        prop_assert_eq!(text.parse::<f64>().expect("a number"), double);
        prop_assert!(is_canonical(text.as_bytes()));
    }

    #[test]
    fn key_order_equals_the_order_of_utf16_units(a in "\\PC{0,4}", b in "\\PC{0,4}") {
        prop_assert_eq!(cmp_utf16(&a, &b), a.encode_utf16().cmp(b.encode_utf16()));
    }

    #[test]
    fn strings_are_written_as_serde_json_writes_them(text in any::<String>()) {
        let ours = Value::String(text.as_str().into()).to_canonical();
        prop_assert_eq!(ours, serde_json::to_vec(&text).expect("strings serialise"));
    }
}
