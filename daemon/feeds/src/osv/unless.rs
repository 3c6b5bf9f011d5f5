//! Entries of `affected` that apply unless an advisory of the same source is about their package.
//!
//! A list of vulnerabilities may say up to which version a package is affected, and name advisories that fixed it earlier in
//! some releases, without these releases. Its entries have the ids of the advisories in
//! `database_specific.unless_fixed_by`. An entry is removed if one of them has an entry for its package, which then says what
//! is fixed. Until the advisories are known it applies.

use std::borrow::Cow;
use std::collections::BTreeSet;

use starling_protocol::json::{self, Object, Value};

use super::parts::packages_of;
use crate::connectors::debian;

/// The member of an entry's `database_specific` that lists the advisories.
pub const FIELD: &str = "unless_fixed_by";

/// The packages of a record: ecosystem and name.
pub type Packages = BTreeSet<(String, String)>;

/// Returns the ids of all advisories to which entries of a record give way, each once.
#[must_use]
pub fn named_in(body: &[u8]) -> BTreeSet<String> {
    // Most records have no such entry: they are not parsed for this.
    if memchr::memmem::find(body, b"\"unless_fixed_by\":[").is_none() {
        return BTreeSet::new();
    }
    let Ok(record) = json::parse(body) else {
        return BTreeSet::new();
    };
    let entries = record.get("affected").and_then(Value::as_array);
    let entries = entries.unwrap_or_default().iter();
    entries.flat_map(advisories_of).map(str::to_owned).collect()
}

/// Returns true for the id of an advisory to which entries give way.
#[must_use]
pub fn is_advisory(id: &str) -> bool {
    debian::is_advisory(id)
}

/// Returns the ids of the records that may have entries which give way to an advisory: those of the vulnerabilities that
/// it fixes. None if the record is not such an advisory.
#[must_use]
pub fn may_name(id: &str, advisory: &[u8]) -> Vec<String> {
    if !debian::is_advisory(id) {
        return Vec::new();
    }
    let Ok(record) = json::parse(advisory) else {
        return Vec::new();
    };
    let fixed = record
        .get("upstream")
        .and_then(Value::as_array)
        .unwrap_or_default();
    let fixed = fixed.iter().filter_map(Value::as_str);
    fixed.map(debian::record_id).collect()
}

/// Returns the packages of an advisory; none if it is withdrawn.
#[must_use]
pub fn packages_fixed_by(body: &[u8]) -> Packages {
    let record = json::parse(body).ok();
    let is_withdrawn = record.is_some_and(|record| record.get("withdrawn").is_some());
    if is_withdrawn {
        Packages::new()
    } else {
        packages_of(body)
    }
}

/// Returns a record without each entry whose package is one of an advisory that it names. `None` if all entries stay.
pub fn without_fixed<'p>(body: &[u8], packages: impl Fn(&str) -> Option<&'p Packages>) -> Option<Vec<u8>> {
    let Value::Object(record) = json::parse(body).ok()? else {
        return None;
    };
    let is_fixed = |entry: &Value<'_>| {
        let text = |path| entry.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let own = (
            text("/package/ecosystem").to_owned(),
            text("/package/name").to_owned(),
        );
        let mut known = advisories_of(entry).filter_map(&packages);
        known.any(|packages| packages.contains(&own))
    };
    let entries = record.get("affected")?.as_array()?;
    let kept: Vec<Value<'_>> = entries.iter().filter(|entry| !is_fixed(entry)).cloned().collect();
    if kept.len() == entries.len() {
        return None;
    }
    let members = record.clone().into_entries().into_iter();
    let mut members: Vec<_> = members.filter(|(key, _)| key != "affected").collect();
    if !kept.is_empty() {
        members.push((Cow::Borrowed("affected"), Value::Array(kept)));
    }
    Some(Value::Object(Object::from_entries(members).ok()?).to_canonical())
}

fn advisories_of<'v>(entry: &'v Value<'_>) -> impl Iterator<Item = &'v str> {
    let named = entry.pointer("/database_specific/unless_fixed_by");
    let list = named.and_then(Value::as_array).unwrap_or_default();
    list.iter().filter_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"affected":[{"database_specific":{"unless_fixed_by":["DSA-1-1","DLA-2-1"]},"package":{"ecosystem":"Debian:12","name":"p"}},{"database_specific":{"unless_fixed_by":["DSA-1-1"]},"package":{"ecosystem":"Debian:13","name":"p"}},{"package":{"ecosystem":"Debian:11","name":"p"}}],"id":"X-1"}"#;

    fn left(advisories: &[(&str, &str)]) -> Option<String> {
        let known: Vec<(&str, Packages)> = advisories
            .iter()
            .map(|(id, body)| (*id, packages_fixed_by(body.as_bytes())))
            .collect();
        let of = |id: &str| {
            known
                .iter()
                .find(|(own, _)| *own == id)
                .map(|(_, packages)| packages)
        };
        let kept = without_fixed(RECORD.as_bytes(), of)?;
        Some(
            packages_of(&kept)
                .into_iter()
                .map(|(ecosystem, _)| ecosystem)
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    #[test]
    fn entry_gives_way_to_the_advisory_of_its_package() {
        let of = |release: &str| {
            format!(r#"{{"affected":[{{"package":{{"ecosystem":"{release}","name":"p"}}}}]}}"#)
        };
        assert_eq!(
            left(&[("DLA-2-1", &of("Debian:12"))]).as_deref(),
            Some("Debian:11 Debian:13")
        );
        assert_eq!(
            left(&[("DSA-1-1", &of("Debian:13"))]).as_deref(),
            Some("Debian:11 Debian:12")
        );
        // An entry that names no advisory stays, and so does one whose advisory is about another release or is withdrawn.
        assert_eq!(left(&[("DSA-1-1", &of("Debian:11"))]), None);
        assert_eq!(left(&[("DSA-9-1", &of("Debian:12"))]), None);
        let withdrawn = of("Debian:12").replace(
            "{\"affected\"",
            "{\"withdrawn\":\"2030-01-01T00:00:00Z\",\"affected\"",
        );
        assert_eq!(left(&[("DSA-1-1", &withdrawn)]), None);
    }

    #[test]
    fn advisory_leads_to_the_records_of_its_vulnerabilities() {
        let body = br#"{"id":"DSA-1-1","upstream":["CVE-2030-0001","TEMP-1"]}"#;
        assert_eq!(may_name("DSA-1-1", body), ["DEBIAN-CVE-2030-0001", "TEMP-1"]);
        assert!(may_name("USN-1-1", body).is_empty());
    }

    #[test]
    fn advisories_of_all_entries_are_named_once() {
        let named = named_in(RECORD.as_bytes()).into_iter().collect::<Vec<_>>();
        assert_eq!(named, ["DLA-2-1", "DSA-1-1"]);
        assert!(named_in(br#"{"affected":[],"id":"X-1"}"#).is_empty());
    }
}
