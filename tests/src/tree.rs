//! The expected content of a site that imported a folder: ids and JSON values, computed from the files alone.
//!
//! The rules are those of the feed import's documentation, implemented again without its code: a file that is
//! not a record of a known form is ignored; of two files with one id, the one with the later `modified` is
//! used.

use std::collections::BTreeMap;

use serde_json::Value;

/// Records by id. If two files of equal `modified` hold one id with different content, either is allowed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Records(pub BTreeMap<String, Vec<Value>>);

impl Records {
    /// Returns the records of parsed files.
    pub fn of(files: impl IntoIterator<Item = Value>) -> Self {
        let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for record in files {
            let Some(id) = record.get("id").and_then(Value::as_str) else {
                continue;
            };
            all.entry(id.to_owned()).or_default().push(record);
        }
        for candidates in all.values_mut() {
            let modified = |record: &Value| record.get("modified").and_then(Value::as_str).map(str::to_owned);
            let newest = candidates.iter().map(modified).max().flatten();
            candidates.retain(|record| modified(record) == newest);
        }
        Self(all)
    }

    /// Compares with a dump: NDJSON, one record a line. Returns the first difference.
    ///
    /// # Errors
    /// The difference.
    pub fn compare(&self, dump: &[u8]) -> Result<(), String> {
        let mut found: BTreeMap<String, Value> = BTreeMap::new();
        let mut last: Option<String> = None;
        for line in dump.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let record: Value =
                serde_json::from_slice(line).map_err(|error| format!("a line is not JSON: {error}"))?;
            let id = record
                .get("id")
                .and_then(Value::as_str)
                .ok_or("a line without an id")?
                .to_owned();
            if last.as_ref().is_some_and(|last| *last >= id) {
                return Err(format!(
                    "{id} does not follow {last:?}: the dump is not sorted, or names one twice"
                ));
            }
            last = Some(id.clone());
            found.insert(id, record);
        }
        for (id, candidates) in &self.0 {
            match found.get(id) {
                None => return Err(format!("{id} is missing")),
                Some(record) if !candidates.contains(record) => {
                    return Err(format!(
                        "{id} differs: expected {:?}, found {record}",
                        candidates.first()
                    ));
                }
                Some(_) => {}
            }
        }
        match found.keys().find(|id| !self.0.contains_key(*id)) {
            Some(id) => Err(format!("{id} should not be there")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn later_file_is_used_and_differences_are_reported() {
        let records = Records::of([
            json!({"id": "A", "modified": "2025-01-01T00:00:00Z", "x": 1}),
            json!({"id": "A", "modified": "2025-01-02T00:00:00Z", "x": 2}),
            json!({"no": "record"}),
            json!({"id": "B", "modified": "2025-01-01T00:00:00Z"}),
        ]);
        let a = br#"{"id":"A","modified":"2025-01-02T00:00:00Z","x":2}"#.as_slice();
        let b = br#"{"id":"B","modified":"2025-01-01T00:00:00Z"}"#.as_slice();
        assert_eq!(records.compare(&[a, b].join(&b'\n')), Ok(()));
        assert_eq!(records.compare(a), Err("B is missing".to_owned()));
        assert!(
            records
                .compare(&[b, a].join(&b'\n'))
                .unwrap_err()
                .contains("not sorted")
        );
        let changed = String::from_utf8_lossy(a).replace("2}", "3}").into_bytes();
        assert!(
            records
                .compare(&[&changed, b].join(&b'\n'))
                .unwrap_err()
                .contains("A differs")
        );
    }
}
