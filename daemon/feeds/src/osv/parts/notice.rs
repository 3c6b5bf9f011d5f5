//! Notices of RPM repositories: the file of each repository has a notice with that repository's packages only, and the
//! files may be imported one after the other.
//!
//! A notice that stands in one file so far is a part of the record, too. Its file is not known any more: its part has no
//! name, and stays until files name all of its packages.

use std::collections::BTreeSet;

use starling_protocol::json::{self, Value};

use super::{FilePart, packages_of};

/// Returns true for a record from the notice of a repository (`updateinfo.xml`).
pub(super) fn is_of_repository(body: &[u8]) -> bool {
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

/// Returns true for a part without a name if the files name all of its packages.
pub(super) fn is_said_anew(old: &FilePart, now: &[FilePart]) -> bool {
    if !old.file.is_empty() {
        return false;
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
    fn other_record_has_no_parts() {
        let other = br#"{"affected":[],"database_specific":{"update":{}},"id":"X-1"}"#;
        assert!(!is_of_repository(other) && split(other).is_none());
    }
}
