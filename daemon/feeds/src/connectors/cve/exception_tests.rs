//! Tests of unaffected items, before affected ones and from all versions.

use super::super::tests::{json_records, ranges, warnings};
use super::tests::about;

#[test]
fn open_exception_ends_the_range() {
    for (versions, expected) in [
        (
            r#"{"status":"unaffected","version":"2","lessThan":"*"}"#,
            &["npm p introduced=0 fixed=2"][..],
        ),
        (
            r#"{"status":"unaffected","version":"2","lessThanOrEqual":"*"}"#,
            &["npm p introduced=0 fixed=2"],
        ),
        (
            r#"{"status":"unaffected","version":"2","lessThanOrEqual":"2.*"}"#,
            &["npm p introduced=0"],
        ),
        (
            r#"{"status":"unaffected","version":"2"}"#,
            &["npm p introduced=0"],
        ),
        (
            r#"{"status":"unaffected","version":"2","lessThan":"*","changes":[{"at":"3","status":"affected"}]}"#,
            &["npm p introduced=0"],
        ),
        (
            r#"{"status":"unaffected","version":"2","lessThan":"*"},{"status":"affected","version":"3","lessThan":"4"}"#,
            &["npm p introduced=0 fixed=2", "npm p introduced=3 fixed=4"],
        ),
    ] {
        let text = about(&format!(
            r#""packageURL":"pkg:npm/p","defaultStatus":"affected","versions":[{versions}]"#
        ));
        assert_eq!(
            ranges(&json_records("cve", text.as_bytes())[0]),
            expected,
            "{versions}"
        );
        // An item behind an exception from all is contradicted by it.
        let is_whole = expected.len() == 1 && expected[0].contains("fixed");
        assert_eq!(
            warnings("cve", text.as_bytes()).is_empty(),
            is_whole,
            "{versions}"
        );
    }
}

#[test]
fn exception_with_certain_ends_is_carried_over() {
    let exception =
        |from: &str, end: &str| format!(r#"{{"status":"unaffected","version":"{from}","lessThan":"{end}"}}"#);
    let affected = r#"{"status":"affected","version":"0","lessThan":"3.0"}"#.to_owned();
    for (default, versions, expected) in [
        (
            "affected",
            vec![exception("2.0", "2.5")],
            "introduced=0 fixed=2.0 introduced=2.5",
        ),
        (
            "affected",
            vec![exception("0", "1.5"), exception("2", "*")],
            "introduced=1.5 fixed=2",
        ),
        ("affected", vec![exception("2.5", "2.0")], "introduced=0"),
        ("affected", vec![exception("2.0", "2.0.0")], "introduced=0"),
        ("affected", vec![exception("2.0-rc1", "2.5")], "introduced=0"),
        (
            "unaffected",
            vec![exception("2.1.5", "2.2"), affected.clone()],
            "introduced=0 fixed=3.0 fixed=2.1.5 introduced=2.2",
        ),
        (
            "unaffected",
            vec![exception("2.1.5", "3.5"), affected.clone()],
            "introduced=0 fixed=3.0",
        ),
        (
            "unaffected",
            vec![affected, exception("2.1.5", "2.2")],
            "introduced=0 fixed=3.0",
        ),
    ] {
        let text = about(&format!(
            r#""packageURL":"pkg:npm/p","defaultStatus":"{default}","versions":[{}]"#,
            versions.join(",")
        ));
        let found = ranges(&json_records("cve", text.as_bytes())[0]);
        assert_eq!(found, [format!("npm p {expected}")], "{text}");
        let is_dropped = match default {
            "affected" => expected == "introduced=0",
            // It ends behind the range.
            _ => text.contains("\"3.5\""),
        };
        assert_eq!(
            warnings("cve", text.as_bytes()).len(),
            usize::from(is_dropped),
            "{text}"
        );
    }
}

#[test]
fn affected_item_that_is_fixed_is_an_exception_from_all() {
    for (item, expected, warned) in [
        (
            r#""version":"1","lessThan":"*","changes":[{"at":"2","status":"unaffected"}]"#,
            "introduced=0 fixed=2",
            0,
        ),
        (
            r#""version":"0","lessThanOrEqual":"*","changes":[{"at":"2","status":"unaffected"}]"#,
            "introduced=0 fixed=2",
            0,
        ),
        (
            r#""version":"1","lessThan":"3","changes":[{"at":"2","status":"unaffected"}]"#,
            "introduced=0",
            1,
        ),
        (
            r#""version":"3","lessThan":"*","changes":[{"at":"2","status":"unaffected"}]"#,
            "introduced=0",
            1,
        ),
        (
            r#""version":"1","lessThan":"3","changes":[{"at":"3","status":"unaffected"}]"#,
            "introduced=0",
            0,
        ),
        (r#""version":"1","lessThan":"3""#, "introduced=0", 0),
    ] {
        let text = about(&format!(
            r#""packageURL":"pkg:npm/p","defaultStatus":"affected","versions":[{{"status":"affected",{item}}}]"#
        ));
        let found = ranges(&json_records("cve", text.as_bytes())[0]);
        assert_eq!(found[0], format!("npm p {expected}"), "{item}");
        assert_eq!(warnings("cve", text.as_bytes()).len(), warned, "{item}");
    }
}

#[test]
fn exception_before_a_range_is_taken_out_or_reported() {
    let affected = r#"{"status":"affected","version":"1.0","lessThan":"3.0"}"#;
    let open = r#"{"status":"affected","version":"1.0","lessThan":"*"}"#;
    for (exception, range, expected, warned) in [
        // Apart from the range.
        (r#""version":"3.0""#, affected, "introduced=1.0 fixed=3.0", 0),
        (
            r#""version":"3.1","lessThan":"*""#,
            affected,
            "introduced=1.0 fixed=3.0",
            0,
        ),
        (
            r#""version":"0","lessThanOrEqual":"0.9""#,
            affected,
            "introduced=1.0 fixed=3.0",
            0,
        ),
        (r#""version":"0","lessThan":"1.0""#, open, "introduced=1.0", 0),
        // Within it.
        (r#""version":"2.0""#, affected, "introduced=1.0 fixed=3.0", 1),
        (
            r#""version":"2.0","lessThanOrEqual":"2.5""#,
            affected,
            "introduced=1.0 fixed=3.0",
            1,
        ),
        (
            r#""version":"2.0","lessThanOrEqual":"2.*""#,
            affected,
            "introduced=1.0 fixed=3.0",
            1,
        ),
        (
            r#""version":"2.0","lessThan":"*""#,
            affected,
            "introduced=1.0 fixed=3.0",
            1,
        ),
        (r#""version":"2.0","lessThan":"2.5""#, open, "introduced=1.0", 1),
        (r#""version":"2.0-rc1""#, affected, "introduced=1.0 fixed=3.0", 1),
        // Over its beginning.
        (
            r#""version":"0.5","lessThan":"2.0""#,
            affected,
            "introduced=2.0 fixed=3.0",
            0,
        ),
        (
            r#""version":"0","lessThan":"2.0""#,
            affected,
            "introduced=2.0 fixed=3.0",
            0,
        ),
        (
            r#""version":"1.0","lessThan":"2.0""#,
            affected,
            "introduced=2.0 fixed=3.0",
            0,
        ),
    ] {
        let text = about(&format!(
            r#""packageURL":"pkg:npm/p","defaultStatus":"unaffected","versions":[{{"status":"unaffected",{exception}}},{range}]"#
        ));
        let found = ranges(&json_records("cve", text.as_bytes())[0]);
        assert_eq!(found, [format!("npm p {expected}")], "{exception}");
        assert_eq!(warnings("cve", text.as_bytes()).len(), warned, "{exception}");
    }
}

/// Each affected item was compared with every exception before it, however many there were.
#[test]
fn too_many_exceptions_are_named_and_not_carried_over() {
    let item = |status: &str, number: usize| {
        format!(r#"{{"status":"{status}","version":"{number}.0","lessThan":"{number}.5"}}"#)
    };
    let exceptions = (0..4_000).map(|number| item("unaffected", number));
    let affected = (0..4_000).map(|number| item("affected", number + 10_000));
    let versions: Vec<String> = exceptions.chain(affected).collect();
    let text = about(&format!(
        r#""packageURL":"pkg:npm/p","defaultStatus":"unaffected","versions":[{}]"#,
        versions.join(",")
    ));
    let record = &json_records("cve", text.as_bytes())[0];
    assert_eq!(ranges(record).len(), 4_000);
    let told = warnings("cve", text.as_bytes());
    assert!(
        told.iter().any(|one| one.contains("there are too many")),
        "{told:?}"
    );
}
