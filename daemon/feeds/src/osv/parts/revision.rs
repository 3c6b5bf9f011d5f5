//! Revisions of one CSAF document or one OVAL definition, which is a whole: a later one replaces an earlier one.

use std::cmp::Ordering;

use starling_protocol::json::{self, Value};

/// A revision of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revision {
    /// The publisher of a document, or the id of a definition.
    whose: String,
    numbers: Vec<u64>,
}

/// Reads the revision from the document that a record was converted from; `None` for any other record.
pub(super) fn of(body: &[u8]) -> Option<Revision> {
    // Most records are not from such a document: they are not parsed for this.
    if memchr::memmem::find(body, b"\"definition\":{\"@").is_some() {
        return of_definition(body);
    }
    memchr::memmem::find(body, b"\"tracking\":{")?;
    let whole = json::parse(body).ok()?;
    let document = whole.pointer("/database_specific/native/document")?;
    document.get("csaf_version")?;
    let text = |path: &str| document.pointer(path).and_then(Value::as_str);
    let version = text("/tracking/version")?.trim();
    let version = version.split(['-', '+']).next()?;
    let numbers: Option<Vec<u64>> = version.split('.').map(|part| part.parse().ok()).collect();
    let mut numbers = numbers?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(Revision {
        whose: text("/publisher/namespace").unwrap_or_default().to_owned(),
        numbers,
    })
}

/// Reads the version of a definition, which is one number.
fn of_definition(body: &[u8]) -> Option<Revision> {
    let whole = json::parse(body).ok()?;
    let definition = whole.pointer("/database_specific/native/definition")?;
    let text = |key: &str| definition.get(key).and_then(Value::as_str).map(str::trim);
    Some(Revision {
        whose: text("@id")?.to_owned(),
        numbers: vec![text("@version")?.parse().ok()?],
    })
}

/// Returns the order of two revisions by their numbers; `None` if they are not of one publisher's document or of one
/// definition.
pub(super) fn order(one: Option<&Revision>, other: Option<&Revision>) -> Option<Ordering> {
    let (one, other) = one.zip(other)?;
    (one.whose == other.whose).then(|| one.numbers.cmp(&other.numbers))
}

#[cfg(test)]
mod tests {
    use super::super::{FilePart, join, names_all_of};

    fn part(file: &str, packages: &[&str], version: &str, modified: &str) -> FilePart {
        let entries: Vec<String> = packages
            .iter()
            .map(|name| format!(r#"{{"package":{{"ecosystem":"npm","name":"{name}"}}}}"#))
            .collect();
        let body = format!(
            r#"{{"affected":[{}],"database_specific":{{"native":{{"document":{{"csaf_version":"2.0","publisher":{{"namespace":"https://a.example"}},"tracking":{{"version":"{version}"}}}}}}}},"id":"X-1","modified":"{modified}"}}"#,
            entries.join(",")
        );
        FilePart {
            file: file.to_owned(),
            body: starling_protocol::json::canonicalize(body.as_bytes()).unwrap(),
        }
    }

    #[test]
    fn later_revision_replaces_an_earlier_one_in_any_order() {
        let day = |day: u32| format!("2024-01-0{day}T00:00:00Z");
        for (old, new) in [
            (("1", day(1)), ("2", day(2))),
            (("9.1.0", day(1)), ("10.0.0", day(1))),
            (("2", day(1)), ("2.0.0", day(2))),
            (("1.0.0", day(2)), ("1.0.1", day(1))),
        ] {
            let old = part("b.json", &["a", "b"], old.0, &old.1);
            let new = part("a.json", &["a"], new.0, &new.1);
            for files in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
                assert_eq!(join(files.to_vec(), |_| true).unwrap(), new.body);
            }
            assert!(names_all_of(&new.body, &old.body));
        }
        let (first, second) = (
            part("a.json", &["a"], "2", &day(1)),
            part("b.json", &["a", "b"], "1", &day(2)),
        );
        assert!(!names_all_of(&second.body, &first.body), "an earlier revision");
    }

    #[test]
    fn documents_of_other_publishers_are_joined() {
        let first = part("a.json", &["a"], "1", "2024-01-01T00:00:00Z");
        let mut second = part("b.json", &["b"], "2", "2024-01-02T00:00:00Z");
        let text = String::from_utf8(second.body).unwrap();
        second.body = text.replace("a.example", "b.example").into_bytes();
        let joined = join(vec![first, second], |_| true).unwrap();
        let text = String::from_utf8(joined).unwrap();
        assert!(
            text.contains(r#""name":"a""#) && text.contains(r#""name":"b""#),
            "{text}"
        );
    }

    /// OVAL definitions have no time of their change.
    #[test]
    fn later_version_of_a_definition_replaces_an_earlier_one() {
        let part = |file: &str, name: &str, id: &str, version: u32| {
            let body = format!(
                r#"{{"affected":[{{"package":{{"ecosystem":"Oracle Linux:8","name":"{name}"}}}}],"database_specific":{{"native":{{"definition":{{"@id":"{id}","@version":"{version}"}}}}}},"id":"X-1","modified":"2024-01-01T00:00:00Z"}}"#
            );
            FilePart {
                file: file.to_owned(),
                body: starling_protocol::json::canonicalize(body.as_bytes()).unwrap(),
            }
        };
        let (old, new) = (
            part("b.xml", "a", "def:1", 999),
            part("a.xml", "b", "def:1", 1_000),
        );
        for files in [[old.clone(), new.clone()], [new.clone(), old.clone()]] {
            assert_eq!(join(files.to_vec(), |_| true).unwrap(), new.body);
        }
        let other = part("b.xml", "a", "def:2", 999);
        let joined = join(vec![other, new], |_| true).unwrap();
        let text = String::from_utf8(joined).unwrap();
        assert!(
            text.contains(r#""name":"a""#) && text.contains(r#""name":"b""#),
            "{text}"
        );
    }
}
