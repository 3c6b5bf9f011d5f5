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
    /// Entries of `affected` that name no package beside others that do: nothing looks them up.
    pub entries_without_package: usize,
    /// The text of `withdrawn`, without white space around it.
    pub withdrawn: Option<String>,
}

/// Why an entry of commits names no package. Many sources state commits beside packages, so that it is counted, but no
/// reason for a warning.
pub(super) const COMMITS_ONLY: &str = "it lists commits only";

/// Returns why an entry of `affected` names no package; `None` if it names one.
pub(super) fn why_nameless(entry: &Value<'_>) -> Option<&'static str> {
    let is_text = |value: Option<&Value<'_>>| {
        let text = value.and_then(Value::as_str).unwrap_or_default();
        !text.trim().is_empty()
    };
    let package = entry
        .get("package")
        .filter(|package| package.as_object().is_some());
    let ranges = entry.get("ranges").and_then(Value::as_array).unwrap_or_default();
    let is_git = |range: &Value<'_>| range.get("type").and_then(Value::as_str) == Some("GIT");
    match package {
        None if ranges.iter().any(is_git) => Some(COMMITS_ONLY),
        None => Some("it has no package"),
        Some(package) if !is_text(package.get("ecosystem")) => Some("its package has no ecosystem"),
        Some(package) if !is_text(package.get("name")) => Some("its package has no name"),
        Some(_) => None,
    }
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
        let withdrawn = Some(text(record.get("withdrawn"))).filter(|text| !text.is_empty());
        let mut about = Self {
            is_withdrawn: withdrawn.is_some(),
            withdrawn,
            ..Self::default()
        };
        let affected = record.get("affected").and_then(Value::as_array);
        let affected = affected.unwrap_or_default();
        let nameless = affected.iter().filter(|entry| why_nameless(entry).is_some());
        about.entries_without_package = Some(nameless.count())
            .filter(|nameless| *nameless < affected.len())
            .unwrap_or_default();
        for entry in affected {
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
        assert_eq!(about.entries_without_package, 3);
        let alone = About::of_body(br#"{"affected":[{"ranges":[]},{"package":{"name":"a"}}]}"#);
        assert_eq!(
            alone.entries_without_package, 0,
            "a record without any package is named as such"
        );
        assert!(About::of_body(br#"{"withdrawn":"2026-01-01T00:00:00Z","affected":null}"#).is_withdrawn);
        assert_eq!(About::of_body(b"[]"), About::default());
    }
}
