//! The subjects of a record, as far as they decide if a scan can match it.

use std::collections::BTreeSet;

use starling_protocol::json::{self, Object, Value};

/// Most ecosystems listed for one record.
const MAX_ECOSYSTEMS: usize = 64;

/// The subjects of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// True if it is withdrawn: then no scan has to match it.
    pub is_withdrawn: bool,
    /// The ecosystems of its packages, as written; the first 64.
    pub ecosystems: BTreeSet<String>,
    /// True if it lists commits of a repository.
    pub names_commits: bool,
}

impl About {
    /// Reads the subjects from a record's canonical bytes; empty for other bytes.
    #[must_use]
    pub fn of_body(body: &[u8]) -> Self {
        match json::parse(body) {
            Ok(Value::Object(object)) => Self::of(&object),
            _ => Self::default(),
        }
    }

    pub(super) fn of(record: &Object<'_>) -> Self {
        let text = |value: Option<&Value<'_>>| {
            value
                .and_then(Value::as_str)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        let mut about = Self {
            is_withdrawn: !text(record.get("withdrawn")).is_empty(),
            ..Self::default()
        };
        let affected = record.get("affected").and_then(Value::as_array);
        for entry in affected.unwrap_or_default() {
            let ranges = entry.get("ranges").and_then(Value::as_array).unwrap_or_default();
            about.names_commits |= ranges.iter().any(|range| text(range.get("type")) == "GIT");
            let Some(package) = entry.get("package") else {
                continue;
            };
            let ecosystem = text(package.get("ecosystem"));
            let is_named = !ecosystem.is_empty() && !text(package.get("name")).is_empty();
            if is_named && about.ecosystems.len() < MAX_ECOSYSTEMS {
                about.ecosystems.insert(ecosystem);
            }
        }
        about
    }
}

#[cfg(test)]
mod tests {
    use super::About;

    #[test]
    fn packages_and_commits_are_distinguished() {
        let about = About::of_body(
            br#"{"id":"X-1","affected":[{"package":{"ecosystem":" npm ","name":"a"}},{"package":{"ecosystem":"Go","name":""}},
            {"ranges":[{"type":"GIT","repo":"https://example.org/x","events":[]}]},null]}"#,
        );
        assert_eq!(about.ecosystems.iter().collect::<Vec<_>>(), ["npm"]);
        assert!(about.names_commits && !about.is_withdrawn);
        assert!(About::of_body(br#"{"withdrawn":"2026-01-01T00:00:00Z","affected":null}"#).is_withdrawn);
        assert_eq!(About::of_body(b"[]"), About::default());
    }
}
