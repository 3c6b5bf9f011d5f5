//! One record's body, parsed once: the statements for every package, and those for each single package.
//!
//! A record may name thousands of packages, each with its own advisory. Parsing its body for each of them would
//! cost the square of their number.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::json::{self, Value};

use crate::advisory::{FieldName, JsonText};
use crate::error::ViewError;
use crate::extract::{list, package_of, repositories_of};
use crate::package::PackageId;
use crate::settings::NormaliseName;
use crate::vulnerability::VulnerabilityId;

/// A body, taken apart.
#[derive(Debug, Default)]
pub(crate) struct ParsedBody {
    /// The fields in which one value wins, without `affected`.
    fields: BTreeMap<FieldName, JsonText>,
    /// References in their order, with the bytes by which they are the same.
    pub(crate) references: Vec<(Vec<u8>, JsonText)>,
    /// Weaknesses by name.
    pub(crate) weaknesses: Vec<(String, JsonText)>,
    /// The canonical text of each entry of `affected`.
    entries: Vec<String>,
    /// The entries that are about a package.
    about: BTreeMap<PackageId, Vec<usize>>,
    /// The number of entries that name no package, if others do; or else no repository, if others do.
    pub(crate) entries_without_package: usize,
}

impl ParsedBody {
    /// Parses a body; one that does not parse has no statement.
    ///
    /// # Errors
    /// If a value could not be kept as text.
    pub(crate) fn of_body(body: &[u8], normalise_name: NormaliseName) -> Result<Self, ViewError> {
        match json::parse(body) {
            Ok(body) => Self::of(&body, normalise_name),
            Err(_) => Ok(Self::default()),
        }
    }

    fn of(body: &Value<'_>, normalise_name: NormaliseName) -> Result<Self, ViewError> {
        let mut said = Self::default();
        for name in FieldName::ALL {
            let value = body.get(name.as_str()).filter(|value| says_something(value));
            if let Some(value) = value.filter(|_| name != FieldName::Affected) {
                said.fields.insert(name, JsonText::of(value)?);
            }
        }
        for reference in list(body, "references")
            .iter()
            .filter(|value| says_something(value))
        {
            said.references
                .push((reference.to_canonical(), JsonText::of(reference)?));
        }
        for weakness in weaknesses_of(body) {
            let text = JsonText::of(&Value::String(weakness.clone().into()))?;
            said.weaknesses.push((weakness, text));
        }
        let (mut named, mut placed) = (0, 0);
        for (index, entry) in list(body, FieldName::Affected.as_str()).iter().enumerate() {
            said.entries
                .push(String::from_utf8_lossy(&entry.to_canonical()).into_owned());
            let package = package_of(entry, normalise_name).ok().flatten();
            named += usize::from(package.is_some());
            let packages: BTreeSet<PackageId> = package
                .into_iter()
                .chain(repositories_of(entry).flatten())
                .collect();
            placed += usize::from(!packages.is_empty());
            for package in packages {
                said.about.entry(package).or_default().push(index);
            }
        }
        // A record without any package stands for itself, and shows all of its entries.
        let found = if named > 0 { named } else { placed };
        if found > 0 {
            said.entries_without_package = said.entries.len() - found;
        }
        Ok(said)
    }

    /// Returns how many packages it names.
    pub(crate) fn package_count(&self) -> usize {
        self.about.len()
    }

    /// Returns the statements about a package, in the fields in which one value wins.
    ///
    /// # Errors
    /// If a value could not be kept as text.
    pub(crate) fn of_package(&self, package: &PackageId) -> Result<BTreeMap<FieldName, JsonText>, ViewError> {
        let mut stated = self.fields.clone();
        if let Some(affected) = self.affected(package)? {
            stated.insert(FieldName::Affected, affected);
        }
        Ok(stated)
    }

    /// Returns the entries of `affected` about a package, or all of them if the package is the record itself.
    fn affected(&self, package: &PackageId) -> Result<Option<JsonText>, ViewError> {
        let texts: Vec<&str> = match package {
            PackageId::Record(_) => self.entries.iter().map(String::as_str).collect(),
            _ => {
                let about = self.about.get(package).into_iter().flatten();
                about
                    .filter_map(|index| self.entries.get(*index))
                    .map(String::as_str)
                    .collect()
            }
        };
        if texts.is_empty() {
            return Ok(None);
        }
        // The canonical text of a list is the text of its members between brackets.
        JsonText::of_canonical(format!("[{}]", texts.join(","))).map(Some)
    }
}

/// Returns the CVEs from which a record states that it is derived.
///
/// Source: OSV schema 1.7, `upstream`: distributions list the ids of the vulnerabilities that their record is
/// about.
pub(crate) fn upstream_of(body: &Value<'_>) -> BTreeSet<VulnerabilityId> {
    cves_in(body, "upstream")
}

/// Returns the CVEs that a record calls related.
///
/// Source: OSV schema, `related`. Before version 1.7 it was the only place for the vulnerabilities that a distribution's
/// record is about, and some distributions still list them there.
pub(crate) fn related_of(body: &Value<'_>) -> BTreeSet<VulnerabilityId> {
    cves_in(body, "related")
}

fn cves_in(body: &Value<'_>, key: &str) -> BTreeSet<VulnerabilityId> {
    let ids = list(body, key).iter().filter_map(Value::as_str);
    ids.filter_map(VulnerabilityId::of)
        .filter(VulnerabilityId::is_cve)
        .collect()
}

/// Returns true if a value is more than an empty place holder.
pub(crate) fn says_something(value: &Value<'_>) -> bool {
    !value.is_null()
        && value.as_str().is_none_or(|text| !text.trim().is_empty())
        && value.as_array().is_none_or(|list| !list.is_empty())
}

/// Returns the weaknesses that a record names. OSV has no field for them. Databases keep them under
/// `database_specific`: a list of texts (GitHub), of objects (OSV.dev), or one object (curl).
fn weaknesses_of(body: &Value<'_>) -> BTreeSet<String> {
    let Some(specific) = body.get("database_specific") else {
        return BTreeSet::new();
    };
    ["cwe_ids", "cwes"]
        .into_iter()
        .flat_map(|key| list(specific, key))
        .chain(specific.get("CWE"))
        .filter_map(|entry| {
            let text = entry
                .as_str()
                .or_else(|| entry.get("cweId")?.as_str())
                .or_else(|| entry.get("id")?.as_str())?;
            let digits = text.strip_prefix("CWE-")?;
            let is_cwe = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_cwe.then(|| text.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(body: &str) -> ParsedBody {
        ParsedBody::of_body(body.as_bytes(), |_, name| name.to_owned()).unwrap()
    }

    #[test]
    fn entries_of_a_package_are_joined_as_canonical_text() {
        let said = said(
            r#"{"affected":[{"package":{"ecosystem":"npm","name":"a"},"versions":["1"]},
                {"package":{"name":"b","ecosystem":"npm"}},
                {"versions":["2"],"package":{"ecosystem":"npm","name":"a"}}]}"#,
        );
        let package = |name: &str| PackageId::Package {
            ecosystem: "npm".to_owned(),
            name: name.to_owned(),
        };
        let affected = |name| {
            let stated = said.of_package(&package(name)).unwrap();
            stated
                .get(&FieldName::Affected)
                .map(|text| text.as_str().to_owned())
        };
        assert_eq!(
            affected("a").as_deref(),
            Some(
                r#"[{"package":{"ecosystem":"npm","name":"a"},"versions":["1"]},{"package":{"ecosystem":"npm","name":"a"},"versions":["2"]}]"#
            )
        );
        assert_eq!(affected("c"), None);
        assert_eq!(said.entries_without_package, 0);
    }

    #[test]
    fn entries_without_a_package_are_counted_beside_others() {
        let count = |entries: &str| said(&format!(r#"{{"affected":[{entries}]}}"#)).entries_without_package;
        let npm = r#"{"package":{"ecosystem":"npm","name":"a"}}"#;
        let git = r#"{"ranges":[{"type":"GIT","repo":"https://example.org/a"}]}"#;
        let none = r#"{"package":{"name":"b"}},{"versions":["1"]},7"#;
        assert_eq!(count(&format!("{npm},{git},{none}")), 4);
        assert_eq!(count(&format!("{git},{none}")), 3);
        assert_eq!(count(none), 0);
    }
}
