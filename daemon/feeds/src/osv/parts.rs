//! One id in several files of a source: their `affected` entries are joined, and the record keeps each file's part.
//!
//! A joined record has the fields of its newest part that is not withdrawn, the aliases of all such parts, and their
//! entries of `affected` in sequence, with the parts in the order of their files' names.
//! `database_specific.starling.parts` keeps for each part the file, the number of its entries, and its other fields.
//! So a later import of one file only replaces its part, and the result never depends on the order of files. Records of
//! repositories are joined with what an earlier import of another file said (`notice`).

mod notice;
mod revision;

use std::borrow::Cow;
use std::collections::BTreeSet;

use starling_protocol::ContentHash;
use starling_protocol::json::{self, Number, Object, Value};
use starling_protocol::limits::MAX_RECORD_BYTES;

/// Most parts of one record: further files are not joined.
pub const MAX_PARTS: usize = 1_000;
/// Most bytes of all parts, including replaced ones: each part is compared with all others.
const MAX_PARTS_BYTES: usize = 2 * MAX_RECORD_BYTES;

/// One file's version of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePart {
    /// The file's name in the input.
    pub file: String,
    /// The record in the file, in canonical bytes.
    pub body: Vec<u8>,
}

/// Joins the parts of one record to its canonical bytes. The order of the parts does not matter. `is_time` returns true
/// for a text of `withdrawn` by which scans take a record back, even if from a later time on: a part has no time of
/// judgement, and must have the same bytes at every site. What is no such text withdraws nothing.
///
/// `None` if they cannot be joined: a part is not an object, or uses the place of the note for other data; there are
/// more than [`MAX_PARTS`] parts, or too many bytes; or the record would be too large.
#[must_use]
pub fn join(mut parts: Vec<FilePart>, is_time: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    parts.sort_by(|a, b| (&a.file, &a.body).cmp(&(&b.file, &b.body)));
    parts.dedup();
    let bytes: usize = parts.iter().map(|part| part.body.len()).sum();
    if parts.len() > MAX_PARTS || bytes > MAX_PARTS_BYTES {
        return None;
    }
    let parts = newest_of(&parts);
    if let [alone] = parts.as_slice() {
        return Some(alone.body.clone());
    }
    let read: Option<Vec<Object<'_>>> = parts.iter().map(|part| object_of(&part.body)).collect();
    let read = read?;
    let is_withdrawn = |record: &Object<'_>| {
        let withdrawn = record.get("withdrawn").and_then(Value::as_str);
        withdrawn.is_some_and(&is_time)
    };
    let all_withdrawn = read.iter().all(is_withdrawn);
    let counts = |record: &Object<'_>| all_withdrawn || !is_withdrawn(record);
    let counting = || read.iter().zip(&parts).filter(|(record, _)| counts(record));
    let (base, _) =
        counting().max_by_key(|(record, part)| (modified_of(record), ContentHash::of(&part.body)))?;
    let mut affected = Vec::new();
    let mut aliases: Vec<Value<'_>> = Vec::new();
    let mut noted = Vec::with_capacity(parts.len());
    for (record, part) in read.iter().zip(&parts) {
        let entries = list(record, "affected");
        let own = if counts(record) { entries.len() } else { 0 };
        if counts(record) {
            affected.extend(entries.iter().cloned());
            for alias in list(record, "aliases") {
                if !aliases.contains(alias) {
                    aliases.push(alias.clone());
                }
            }
        }
        // A withdrawn part is not among the record's entries, but kept as a part.
        let rest = record
            .iter()
            .filter(|(key, _)| own == 0 || *key != "affected")
            .map(|(key, value)| (Cow::Owned(key.to_owned()), value.clone()));
        noted.push(object(vec![
            ("file", Value::String(Cow::Borrowed(&part.file))),
            (
                "entries",
                Value::Number(Number::parse(&own.to_string()).ok()?.into_owned()),
            ),
            (
                "record",
                Value::Object(Object::from_entries(rest.collect()).ok()?),
            ),
        ])?);
    }
    let specific = match base.get("database_specific") {
        None => Vec::new(),
        Some(Value::Null) => Vec::new(),
        Some(Value::Object(specific)) => specific.clone().into_entries(),
        Some(_) => return None,
    };
    let mut specific: Vec<_> = specific
        .into_iter()
        .filter(|(key, _)| key != "starling")
        .collect();
    let parts_noted = object(vec![("parts", Value::Array(noted))])?;
    specific.push((Cow::Borrowed("starling"), parts_noted));
    let replaced = ["affected", "aliases", "database_specific"];
    let mut members: Vec<(Cow<'_, str>, Value<'_>)> = base
        .clone()
        .into_entries()
        .into_iter()
        .filter(|(key, _)| !replaced.contains(&key.as_ref()))
        .collect();
    members.push((Cow::Borrowed("affected"), Value::Array(affected)));
    if !aliases.is_empty() {
        members.push((Cow::Borrowed("aliases"), Value::Array(aliases)));
    }
    let specific = Value::Object(Object::from_entries(specific).ok()?);
    members.push((Cow::Borrowed("database_specific"), specific));
    let body = Value::Object(Object::from_entries(members).ok()?).to_canonical();
    (body.len() <= MAX_RECORD_BYTES).then_some(body)
}

/// Removes replaced parts: a part is replaced by a later modified one that names all of its packages, and by a later
/// revision of the same document.
fn newest_of(parts: &[FilePart]) -> Vec<FilePart> {
    let said: Vec<_> = parts
        .iter()
        .map(|part| {
            (
                modified_in(&part.body),
                packages_of(&part.body),
                revision::of(&part.body),
            )
        })
        .collect();
    let is_said_anew = |index: usize| {
        let Some((modified, packages, revision)) = said.get(index) else {
            return false;
        };
        said.iter().any(|(other, names, of_other)| {
            let is_later = matches!((modified, other), (Some(modified), Some(other)) if other > modified);
            let order = revision::order(of_other.as_ref(), revision.as_ref());
            match order {
                Some(order) => order.is_gt() || (order.is_eq() && is_later),
                None => is_later && packages.is_subset(names),
            }
        })
    };
    let kept = parts
        .iter()
        .enumerate()
        .filter(|(index, _)| !is_said_anew(*index));
    kept.map(|(_, part)| part.clone()).collect()
}

/// Returns a record without the note of its parts; `None` if it has no note. A file with its own note could replace
/// parts of files that nobody imported, and keep doing so after it is corrected.
pub(super) fn without_note<'a>(record: &Object<'a>) -> Option<Value<'a>> {
    let specific = record.get("database_specific")?.as_object()?;
    specific.get("starling")?;
    let rest = specific.clone().into_entries();
    let rest = rest.into_iter().filter(|(key, _)| key != "starling").collect();
    let rest = Value::Object(Object::from_entries(rest).ok()?);
    let mut members = record.clone().into_entries();
    members.retain(|(key, _)| key != "database_specific");
    members.push((Cow::Borrowed("database_specific"), rest));
    Object::from_entries(members).ok().map(Value::Object)
}

/// Splits a joined record into its parts. A record of a repository that was not joined is a part of a file without a name;
/// any other such record has none (`None`).
#[must_use]
pub fn split(body: &[u8]) -> Option<Vec<FilePart>> {
    // Most records are from one file: they are not parsed for this.
    let mark = b"\"starling\":{\"parts\":[";
    if !body.windows(mark.len()).any(|window| window == mark) {
        return notice::is_of_repository(body).then(|| vec![notice::nameless(body)]);
    }
    let whole = json::parse(body).ok()?;
    let noted = whole.pointer("/database_specific/starling/parts")?.as_array()?;
    let mut entries = list(whole.as_object()?, "affected").iter();
    let mut parts = Vec::with_capacity(noted.len().min(MAX_PARTS));
    for part in noted.iter().take(MAX_PARTS) {
        let own = usize::try_from(part.get("entries")?.as_number()?.as_u64()?).ok()?;
        let own: Vec<Value<'_>> = entries.by_ref().take(own).cloned().collect();
        let mut members = part.get("record")?.as_object()?.clone().into_entries();
        if !own.is_empty() {
            members.push((Cow::Borrowed("affected"), Value::Array(own)));
        }
        parts.push(FilePart {
            file: part.get("file")?.as_str()?.to_owned(),
            body: Value::Object(Object::from_entries(members).ok()?).to_canonical(),
        });
    }
    (parts.len() > 1).then_some(parts)
}

/// Replaces parts of a joined record by their new versions. `full_name` is a file's name with its known path: one
/// file may be named relative to its folder once and with another path the next time.
///
/// A file that matches no part, or several, becomes a new part. A part of a file without a name is removed if the files
/// name all of its packages.
#[must_use]
pub fn replace(before: Vec<FilePart>, now: &[FilePart], full_name: impl Fn(&str) -> String) -> Vec<FilePart> {
    let mut kept = before;
    kept.retain(|old| !notice::is_said_anew(old, now));
    let mut taken = Vec::new();
    for part in now {
        let file = file_of(&part.file);
        let full = full_name(file);
        let same = |old: &&FilePart| file_of(&old.file) == file;
        let by_path =
            |old: &&FilePart| ends_with_path(&full, file_of(&old.file)) || ends_with_path(&old.file, file);
        let packages = packages_of(&part.body);
        let by_packages = |old: &&FilePart| by_path(old) && packages_of(&old.body) == packages;
        let name = if kept.iter().any(|old| same(&old)) {
            Some(file.to_owned())
        } else {
            alone(kept.iter().filter(by_path))
                .or_else(|| alone(kept.iter().filter(by_packages)))
                .map(|old| file_of(&old.file).to_owned())
        };
        if let Some(name) = &name {
            kept.retain(|old| file_of(&old.file) != name);
        }
        taken.push(FilePart {
            file: name.map_or_else(|| part.file.clone(), |name| part.file.replacen(file, &name, 1)),
            body: part.body.clone(),
        });
    }
    kept.extend(taken);
    kept
}

/// Returns true if a record replaces another one that was modified before it: it names all packages of the other, or is
/// not an earlier revision of the same document.
#[must_use]
pub fn names_all_of(record: &[u8], other: &[u8]) -> bool {
    let order = revision::order(revision::of(record).as_ref(), revision::of(other).as_ref());
    order.map_or_else(
        || packages_of(other).is_subset(&packages_of(record)),
        std::cmp::Ordering::is_ge,
    )
}

/// Returns true if a record is from an earlier revision of the document that another one is from, and was not modified
/// after it.
#[must_use]
pub fn is_earlier_revision(record: &[u8], other: &[u8]) -> bool {
    let order = revision::order(revision::of(record).as_ref(), revision::of(other).as_ref());
    let is_later =
        || matches!((modified_in(record), modified_in(other)), (Some(one), Some(other)) if one > other);
    order.is_some_and(std::cmp::Ordering::is_lt) && !is_later()
}

/// Returns true if a record is from a document that has revisions.
#[must_use]
pub fn has_revision(record: &[u8]) -> bool {
    revision::of(record).is_some()
}

/// Returns when a record says that it was modified; `None` if it does not say so, or not as a time.
#[must_use]
pub fn modified_in(body: &[u8]) -> Option<jiff::Timestamp> {
    modified_of(&object_of(body)?)
}

/// Returns a file's name without the line or the place of the record in it.
#[must_use]
pub fn file_of(name: &str) -> &str {
    let name = name.split_once('#').map_or(name, |(file, _)| file);
    match name.rsplit_once(':') {
        Some((file, line)) if !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit()) => file,
        _ => name,
    }
}

fn alone<T>(mut found: impl Iterator<Item = T>) -> Option<T> {
    let first = found.next();
    first.filter(|_| found.next().is_none())
}

/// Returns true if a path is equal to another, or ends with all of its segments.
fn ends_with_path(path: &str, end: &str) -> bool {
    let rest = path.strip_suffix(end);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

fn object_of(body: &[u8]) -> Option<Object<'_>> {
    match json::parse(body).ok()? {
        Value::Object(record) => Some(record),
        _ => None,
    }
}

fn object<'a>(members: Vec<(&'static str, Value<'a>)>) -> Option<Value<'a>> {
    let members = members
        .into_iter()
        .map(|(key, value)| (Cow::Borrowed(key), value));
    Object::from_entries(members.collect()).ok().map(Value::Object)
}

fn list<'a, 'v>(record: &'a Object<'v>, key: &str) -> &'a [Value<'v>] {
    record.get(key).and_then(Value::as_array).unwrap_or_default()
}

fn modified_of(record: &Object<'_>) -> Option<jiff::Timestamp> {
    record.get("modified").and_then(Value::as_str)?.parse().ok()
}

/// Returns the packages of a record: ecosystem and name.
pub(super) fn packages_of(body: &[u8]) -> BTreeSet<(String, String)> {
    let Some(record) = object_of(body) else {
        return BTreeSet::new();
    };
    let text = |entry: &Value<'_>, key: &str| {
        let package = entry.get("package");
        package.and_then(|package| package.get(key)?.as_str().map(str::to_owned))
    };
    let entries = list(&record, "affected").iter();
    entries
        .filter_map(|entry| Some((text(entry, "ecosystem")?, text(entry, "name")?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(file: &str, package: &str, fixed: &str, rest: &str) -> FilePart {
        let body = format!(
            r#"{{"affected":[{{"package":{{"ecosystem":"npm","name":"{package}"}},"versions":["{fixed}"]}}],"id":"X-1"{rest}}}"#
        );
        FilePart {
            file: file.to_owned(),
            body: json::canonicalize(body.as_bytes()).unwrap(),
        }
    }

    fn join(parts: Vec<FilePart>) -> Option<Vec<u8>> {
        super::join(parts, |text| text == "2024-01-01T00:00:00Z")
    }

    fn packages(body: &[u8]) -> Vec<String> {
        packages_of(body).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn parts_join_in_any_order_and_split_again() {
        let left = part(
            "left/X-1.json",
            "a",
            "1",
            r#","aliases":["CVE-1"],"summary":"old""#,
        );
        let right = part(
            "right/X-1.json",
            "b",
            "2",
            r#","modified":"2024-01-01T00:00:00Z","summary":"new""#,
        );
        let joined = join(vec![left.clone(), right.clone()]).unwrap();
        assert_eq!(joined, join(vec![right.clone(), left.clone()]).unwrap());
        assert!(json::is_canonical(&joined));
        assert_eq!(packages(&joined), ["a", "b"]);
        let value = json::parse(&joined).unwrap();
        assert_eq!(value.get("summary").unwrap().as_str(), Some("new"));
        assert_eq!(value.pointer("/aliases/0").unwrap().as_str(), Some("CVE-1"));
        assert_eq!(split(&joined).unwrap(), [left.clone(), right]);
        assert_eq!(join(vec![left.clone(), left.clone()]).unwrap(), left.body);
        assert_eq!(split(&left.body), None);
    }

    #[test]
    fn replaced_part_is_removed() {
        let old = part("a.json", "a", "1", r#","modified":"2024-01-01T00:00:00Z""#);
        let new = part("b.json", "a", "2", r#","modified":"2024-02-01T00:00:00Z""#);
        let other = part("c.json", "b", "3", "");
        assert_eq!(join(vec![old.clone(), new.clone()]).unwrap(), new.body);
        let joined = join(vec![old, other.clone(), new.clone()]).unwrap();
        assert_eq!(split(&joined).unwrap(), [new, other]);
    }

    #[test]
    fn withdrawn_part_only_removes_its_own_entries() {
        let gone = part("a.json", "a", "1", r#","withdrawn":"2024-01-01T00:00:00Z""#);
        let live = part("b.json", "b", "2", "");
        let joined = join(vec![gone.clone(), live.clone()]).unwrap();
        assert_eq!(packages(&joined), ["b"]);
        assert!(json::parse(&joined).unwrap().get("withdrawn").is_none());
        assert_eq!(split(&joined).unwrap(), [gone.clone(), live]);
        let also_gone = part("b.json", "b", "2", r#","withdrawn":"2024-01-01T00:00:00Z""#);
        let joined = join(vec![gone, also_gone]).unwrap();
        assert!(json::parse(&joined).unwrap().get("withdrawn").is_some());
        for no_time in ["false", "0001-01-01T00:00:00Z", " ", "2024-soon"] {
            let odd = part("a.json", "a", "1", &format!(r#","withdrawn":"{no_time}""#));
            let joined = join(vec![odd, part("b.json", "b", "2", "")]).unwrap();
            assert_eq!(packages(&joined), ["a", "b"], "{no_time:?} withdraws nothing");
        }
    }

    #[test]
    fn file_replaces_its_part_with_any_path() {
        let before = || {
            vec![
                part("left/X-1.json", "a", "1", ""),
                part("right/X-1.json", "b", "2", ""),
            ]
        };
        for (name, full, package) in [
            ("left/X-1.json", "left/X-1.json", "a"),
            ("X-1.json", "/feeds/x/left/X-1.json", "a"),
            ("X-1.json", "X-1.json", "a"),
        ] {
            let now = [part(name, package, "9", "")];
            let parts = replace(before(), &now, |_| full.to_owned());
            let files: BTreeSet<&str> = parts.iter().map(|part| part.file.as_str()).collect();
            assert_eq!(
                files.into_iter().collect::<Vec<_>>(),
                ["left/X-1.json", "right/X-1.json"],
                "{name}"
            );
            let joined = join(parts).unwrap();
            let text = String::from_utf8(joined).unwrap();
            assert!(
                text.contains(r#"["9"]"#) && text.contains(r#"["2"]"#) && !text.contains(r#"["1"]"#),
                "{text}"
            );
        }
        // An unknown file is a new part.
        let parts = replace(before(), &[part("new.json", "c", "3", "")], str::to_owned);
        assert_eq!(parts.len(), 3);
    }

    #[test]
    fn record_replaces_one_whose_packages_it_all_names() {
        let both = format!(
            r#"{{"affected":[{},{}],"id":"X-1"}}"#,
            r#"{"package":{"ecosystem":"npm","name":"a"}}"#, r#"{"package":{"ecosystem":"npm","name":"b"}}"#
        );
        let one = part("x", "a", "1", "").body;
        assert!(names_all_of(both.as_bytes(), &one) && names_all_of(&one, &one));
        assert!(!names_all_of(&one, both.as_bytes()));
        assert!(!names_all_of(&one, &part("x", "b", "1", "").body));
    }

    #[test]
    fn lines_and_places_belong_to_their_file() {
        for (name, file) in [
            ("a/feed.ndjson:12", "a/feed.ndjson"),
            ("x.json#/3", "x.json"),
            ("ALSA-2024:1.json", "ALSA-2024:1.json"),
        ] {
            assert_eq!(file_of(name), file);
        }
    }

    #[test]
    fn impossible_join_is_refused() {
        let odd = part("a.json", "a", "1", r#","database_specific":[1]"#);
        // Only the newest part's own field needs space for the note.
        let newer = part("b.json", "b", "2", r#","modified":"0001-01-01T00:00:00Z""#);
        assert!(join(vec![odd, newer]).is_some());
        assert_eq!(
            join(vec![
                FilePart {
                    file: "a".into(),
                    body: b"[]".to_vec()
                },
                part("b", "b", "1", "")
            ]),
            None
        );
    }
}
