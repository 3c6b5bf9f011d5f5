//! Records of repositories: the file of each repository has a record with that repository's packages only, and the files
//! may be imported one after the other. These are notices of RPM repositories, and fixes of apk repositories.
//!
//! A record that stands in one file so far is a part of the record, too. Its file is not known any more: its part has no
//! name. It stays until files name all of its packages or, if its entries name their repositories, all of these.

use std::collections::BTreeSet;

use starling_protocol::json::{self, Value};

use super::{FilePart, packages_of};

/// Returns true for a record from the notice of a repository (`updateinfo.xml`), and for one whose entries name their
/// repositories.
pub(super) fn is_of_repository(body: &[u8]) -> bool {
    is_notice(body) || !repositories_of(body).is_empty()
}

/// Returns the repositories of a record's entries: ecosystem and name. None if an entry does not name its own.
fn repositories_of(body: &[u8]) -> BTreeSet<(String, String)> {
    if memchr::memmem::find(body, b"\"repository\":\"").is_none() {
        return BTreeSet::new();
    }
    // Their sources state no times; changes of other records are recognised by their times.
    let record = json::parse(body)
        .ok()
        .filter(|record| record.get("modified").is_none());
    let Some(record) = record else {
        return BTreeSet::new();
    };
    let text = |entry: &Value<'_>, path| entry.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let entries = record.get("affected").and_then(Value::as_array);
    let named = entries.unwrap_or_default().iter().map(|entry| {
        let repository = text(entry, "/ecosystem_specific/repository")?;
        Some((text(entry, "/package/ecosystem")?, repository))
    });
    named.collect::<Option<_>>().unwrap_or_default()
}

fn is_notice(body: &[u8]) -> bool {
    // Most records are not: they are not parsed for this.
    memchr::memmem::find(body, b"\"update\":{").is_some()
        && json::parse(body).is_ok_and(|record| {
            let native = record.pointer("/database_specific/native/update");
            native.is_some_and(|native| matches!(native, Value::Object(_)))
        })
}

/// Returns a notice as the part of a file whose name is not known.
pub(super) fn nameless(body: &[u8]) -> FilePart {
    FilePart {
        file: String::new(),
        body: body.to_vec(),
    }
}

/// Returns true for a part without a name if the files name all of its packages, or all of its repositories.
pub(super) fn is_said_anew(old: &FilePart, now: &[FilePart]) -> bool {
    if !old.file.is_empty() {
        return false;
    }
    let own = repositories_of(&old.body);
    let read: BTreeSet<_> = now.iter().flat_map(|part| repositories_of(&part.body)).collect();
    if !own.is_empty() && own.is_subset(&read) {
        return true;
    }
    let named: BTreeSet<_> = now.iter().flat_map(|part| packages_of(&part.body)).collect();
    packages_of(&old.body).is_subset(&named)
}

#[cfg(test)]
mod tests {
    use super::super::{join, replace, split};
    use super::*;

    fn notice(file: &str, package: &str, fixed: &str) -> FilePart {
        let body = format!(
            r#"{{"affected":[{{"package":{{"ecosystem":"Rocky Linux:9","name":"{package}"}},"versions":["{fixed}"]}}],"database_specific":{{"native":{{"update":{{"type":"security"}}}}}},"id":"RLSA-1","modified":"2030-01-01T00:00:00Z"}}"#
        );
        FilePart {
            file: file.to_owned(),
            body: json::canonicalize(body.as_bytes()).unwrap(),
        }
    }

    /// Imports files one after the other, and returns the packages with their versions.
    fn imported(files: &[FilePart]) -> Vec<String> {
        let mut stored: Option<Vec<u8>> = None;
        for file in files {
            let now = [file.clone()];
            let before = stored.as_deref().and_then(split);
            stored = match before {
                Some(before) => join(replace(before, &now, str::to_owned), |_| true),
                None => Some(file.body.clone()),
            };
        }
        let stored = stored.unwrap();
        let record = json::parse(&stored).unwrap();
        let entries = record.get("affected").unwrap().as_array().unwrap();
        let text = |entry: &Value<'_>, path: &str| entry.pointer(path).unwrap().as_str().unwrap().to_owned();
        entries
            .iter()
            .map(|entry| format!("{} {}", text(entry, "/package/name"), text(entry, "/versions/0")))
            .collect()
    }

    #[test]
    fn notices_of_repositories_are_joined_over_imports() {
        let (base, app) = (notice("base.xml", "a", "1"), notice("app.xml", "b", "1"));
        assert_eq!(imported(&[base.clone(), app.clone()]), ["a 1", "b 1"]);
        assert_eq!(
            imported(&[base.clone(), app.clone(), base.clone()]),
            ["b 1", "a 1"],
            "its part has a name now"
        );
        let newer = notice("app.xml", "b", "2");
        assert_eq!(imported(&[base.clone(), app, newer.clone()]), ["a 1", "b 2"]);
        let again = notice("base.xml", "a", "2");
        assert_eq!(imported(&[base.clone(), newer, again.clone()]), ["b 2", "a 2"]);
        assert_eq!(imported(&[base, again]), ["a 2"]);
    }

    #[test]
    fn fixes_of_repositories_are_joined_over_imports() {
        let fix = |branch: &str, package: &str, fixed: &str| {
            let body = format!(
                r#"{{"affected":[{{"ecosystem_specific":{{"repository":"main"}},"package":{{"ecosystem":"Alpine:{branch}","name":"{package}"}},"versions":["{fixed}"]}}],"id":"ALPINE-1"}}"#
            );
            FilePart {
                file: format!("{branch}/main.json"),
                body: json::canonicalize(body.as_bytes()).unwrap(),
            }
        };
        let (old, new) = (fix("v3.18", "a", "1"), fix("v3.19", "a", "2"));
        assert_eq!(imported(&[old.clone(), new.clone()]), ["a 1", "a 2"]);
        // The file of the same repository replaces all of it.
        assert_eq!(imported(&[old.clone(), fix("v3.18", "b", "3")]), ["b 3"]);
        assert_eq!(imported(&[old, new, fix("v3.18", "b", "3")]), ["b 3", "a 2"]);
    }

    #[test]
    fn other_record_has_no_parts() {
        let other = br#"{"affected":[],"database_specific":{"update":{}},"id":"X-1"}"#;
        assert!(!is_of_repository(other) && split(other).is_none());
    }
}
