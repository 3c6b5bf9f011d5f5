//! Mistakes in an OSV record that a scan meets: what of it no version can be compared with, and what gives no severity.
//!
//! Only what needs the orders of versions and the scales of severities is here. Mistakes of form are found when the record
//! is read.

use serde::Deserialize;
use serde_json::Value;

use crate::matching::{Contradiction, contradiction_of, is_semver, near, placed};
use crate::osv::{Event, names_no_version};
use crate::severity::{StatedSeverity, choose};
use crate::version::Scheme;

/// Most faults of one record that are named.
const MAX_FAULTS: usize = 32;
/// Longest foreign text in a fault, in characters.
const MAX_SHOWN_CHARS: usize = 60;
/// The types of severity in the schema; `EPSS` is no severity.
const SCALES: [&str; 5] = ["CVSS_V2", "CVSS_V3", "CVSS_V4", "Ubuntu", "EPSS"];

/// One mistake of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer to the place in the record.
    pub pointer: String,
    /// The mistake, and what a scan makes of it.
    pub what: String,
}

#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    affected: Value,
    #[serde(default)]
    severity: Value,
}

/// Returns the mistakes in a record's canonical bytes; none for other bytes.
pub fn faults(record: &[u8]) -> Vec<Fault> {
    let Ok(record) = serde_json::from_slice::<Record>(record) else {
        return Vec::new();
    };
    let mut found = Found::default();
    found.severities("", &record.severity);
    for (index, entry) in list(&record.affected) {
        let place = format!("/affected/{index}");
        found.severities(&place, entry.get("severity").unwrap_or(&Value::Null));
        let ecosystem = entry
            .pointer("/package/ecosystem")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(scheme) = Scheme::for_ecosystem(ecosystem) else {
            continue;
        };
        let order = Order { ecosystem, scheme };
        found.versions(&place, &order, entry.get("versions").unwrap_or(&Value::Null));
        for (index, range) in list(entry.get("ranges").unwrap_or(&Value::Null)) {
            let order = match range.get("type").and_then(Value::as_str) {
                None | Some("" | "ECOSYSTEM") => order,
                Some("SEMVER") if is_semver(scheme) => order,
                Some("SEMVER") => Order {
                    ecosystem: "SemVer",
                    scheme: Scheme::SemVer,
                },
                Some(_) => continue,
            };
            found.range(&format!("{place}/ranges/{index}/events"), &order, range);
        }
    }
    found.0
}

/// The order of the versions of an entry.
#[derive(Clone, Copy)]
struct Order<'e> {
    ecosystem: &'e str,
    scheme: Scheme,
}

#[derive(Default)]
struct Found(Vec<Fault>);

impl Found {
    fn add(&mut self, pointer: &str, what: String) {
        if self.0.len() < MAX_FAULTS {
            self.0.push(Fault {
                pointer: pointer.to_owned(),
                what,
            });
        }
    }

    fn severities(&mut self, place: &str, stated: &Value) {
        for (index, one) in list(stated) {
            let pointer = format!("{place}/severity/{index}");
            let text = |key: &str| match one.get(key) {
                Some(Value::String(text)) => Some(text.trim().to_owned()),
                Some(Value::Number(number)) => Some(number.to_string()),
                _ => None,
            };
            let (Some(kind), Some(value)) = (text("type"), text("score")) else {
                self.add(
                    &pointer,
                    "it lacks its type or its score, and rates nothing".to_owned(),
                );
                continue;
            };
            let stated = StatedSeverity {
                kind: kind.clone(),
                source: String::new(),
                value: value.clone(),
            };
            if kind != "EPSS" && choose(&[stated], &[]).stated.is_none() {
                let what = format!(
                    "{} is not a complete vector or a rating: it rates nothing",
                    shown(&value)
                );
                self.add(&format!("{pointer}/score"), what);
            } else if !SCALES.contains(&kind.as_str()) {
                let what = format!(
                    "{} is not a type of severity of the schema: it is rated by its text",
                    shown(&kind)
                );
                self.add(&format!("{pointer}/type"), what);
            }
        }
    }

    fn versions(&mut self, place: &str, order: &Order<'_>, versions: &Value) {
        let mut is_any_read = false;
        let mut number = 0;
        for (index, listed) in list(versions) {
            let Some(text) = listed.as_str() else { continue };
            number += 1;
            if names_no_version(text) {
                let what = format!(
                    "{} is not one version: all versions may be meant, and stay undecided",
                    shown(text)
                );
                self.add(&format!("{place}/versions/{index}"), what);
            }
            is_any_read |= is_any_read || placed(order.scheme, text).is_some();
        }
        if number > 0 && !is_any_read {
            let what = format!(
                "nothing in the list is a version of {}: versions that it does not name stay undecided",
                order.ecosystem
            );
            self.add(&format!("{place}/versions"), what);
        }
    }

    fn range(&mut self, place: &str, order: &Order<'_>, range: &Value) {
        let mut events = Vec::new();
        for (index, event) in list(range.get("events").unwrap_or(&Value::Null)) {
            for key in ["introduced", "fixed", "last_affected", "limit"] {
                let Some(text) = event.get(key).and_then(Value::as_str) else {
                    continue;
                };
                let is_end = match (key, text.trim()) {
                    ("introduced", "0") | ("limit", "*") => None,
                    _ if placed(order.scheme, text).is_some() => None,
                    _ => Some(key != "introduced"),
                };
                if let Some(is_end) = is_end {
                    let effect = match is_end {
                        true if near(order.scheme, text).is_some() => {
                            "versions that begin with its numbers stay undecided"
                        }
                        true => "it ends nothing",
                        false => "versions outside of the range stay undecided",
                    };
                    let what = format!(
                        "{} is not a version of {}: {effect}",
                        shown(text),
                        order.ecosystem
                    );
                    self.add(&format!("{place}/{index}/{key}"), what);
                    continue;
                }
                let text = text.to_owned();
                events.push(match key {
                    "introduced" => Event::Introduced(text),
                    "fixed" => Event::Fixed(text),
                    "last_affected" => Event::LastAffected(text),
                    _ => Event::Limit(text),
                });
            }
        }
        // Without any beginning, the form of the range is the mistake.
        let begins = events.iter().any(|event| matches!(event, Event::Introduced(_)));
        let what = match contradiction_of(&events, order.scheme).filter(|_| begins) {
            Some(Contradiction::EndsNothing(end)) => format!(
                "{} ends what no event before it begins: versions before it that are not affected stay undecided",
                shown(&end)
            ),
            Some(Contradiction::Prefixed(text)) => format!(
                "{} does not begin with a number, and {} orders it otherwise: versions without that beginning may stay undecided",
                shown(&text),
                order.ecosystem
            ),
            Some(Contradiction::Empty) => {
                "the range begins and ends at one version, so that it affects none".to_owned()
            }
            None => return,
        };
        self.add(place, what);
    }
}

fn list(value: &Value) -> impl Iterator<Item = (usize, &Value)> {
    value.as_array().into_iter().flatten().enumerate()
}

/// Quotes foreign text, cut to a length.
fn shown(text: &str) -> String {
    let mut letters = text.chars();
    let mut shown: String = letters.by_ref().take(MAX_SHOWN_CHARS).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{Subject, evaluate};
    use crate::osv::Affected;

    fn entry(ecosystem: &str, rest: &str) -> String {
        format!(r#"{{"package":{{"ecosystem":"{ecosystem}","name":"p"}},{rest}}}"#)
    }

    fn of_range(kind: &str, events: &str) -> String {
        format!(r#""ranges":[{{"type":"{kind}","events":[{events}]}}]"#)
    }

    fn told(entry: &str) -> Vec<String> {
        let record = format!(r#"{{"id":"X-1","affected":[{entry}]}}"#);
        let told = faults(record.as_bytes()).into_iter();
        told.map(|fault| format!("{}: {}", fault.pointer, fault.what))
            .collect()
    }

    /// A mistake was imported without a warning, and called versions unaffected.
    #[test]
    fn mistake_is_named_and_never_calls_a_version_unaffected() {
        for (ecosystem, kind, events, version) in [
            (
                "Maven",
                "ECOSYSTEM",
                r#"{"introduced":"0"},{"fixed":"banana"}"#,
                "1.0",
            ),
            (
                "PyPI",
                "ECOSYSTEM",
                r#"{"introduced":"0"},{"fixed":"banana"}"#,
                "1.0",
            ),
            (
                "AlmaLinux:9",
                "ECOSYSTEM",
                r#"{"introduced":"0"},{"fixed":"banana"}"#,
                "1.0-1.el9",
            ),
            (
                "Debian:12",
                "ECOSYSTEM",
                r#"{"introduced":"banana"},{"fixed":"2.0"}"#,
                "1.0",
            ),
            (
                "Maven",
                "ECOSYSTEM",
                r#"{"introduced":"0"},{"fixed":"0.9,2.0"}"#,
                "1.0",
            ),
            (
                "Maven",
                "ECOSYSTEM",
                r#"{"introduced":"0"},{"fixed":"v2.0.0"}"#,
                "1.0",
            ),
            ("npm", "SEMVER", r#"{"introduced":"0"},{"fixed":"1.x"}"#, "1.5.0"),
            (
                "npm",
                "SEMVER",
                r#"{"introduced":"2.0.0"},{"fixed":"1.0.0"}"#,
                "1.5.0",
            ),
            (
                "npm",
                "SEMVER",
                r#"{"introduced":"2.0.0"},{"fixed":"1.0.0"}"#,
                "0.5.0",
            ),
            (
                "Maven",
                "ECOSYSTEM",
                r#"{"introduced":"2.0"},{"last_affected":"1.0"}"#,
                "1.5",
            ),
            (
                "npm",
                "SEMVER",
                r#"{"introduced":"0"},{"fixed":"1.0.0"},{"last_affected":"2.0.0"}"#,
                "1.5.0",
            ),
            (
                "npm",
                "SEMVER",
                r#"{"introduced":"0"},{"last_affected":"1.0.0"},{"fixed":"2.0.0"}"#,
                "1.5.0",
            ),
            (
                "npm",
                "SEMVER",
                r#"{"introduced":"0"},{"fixed":"0.5.0"},{"fixed":"2.0.0"}"#,
                "1.5.0",
            ),
            (
                "npm",
                "SEMVER",
                r#"{"fixed":"1.0.0"},{"introduced":"2.0.0"},{"fixed":"3.0.0"}"#,
                "0.5.0",
            ),
        ] {
            let entry = entry(ecosystem, &of_range(kind, events));
            assert_eq!(told(&entry).len(), 1, "{entry}: {:?}", told(&entry));
            let read = Affected::from_entry(&serde_json::from_str(&entry).unwrap());
            let found = evaluate(&read, &Subject::new(ecosystem, version));
            assert!(
                found.is_affected() || found.is_undecided(),
                "{entry} {version}: {found:?}"
            );
        }
    }

    /// `2.6.0-NA` came before all versions, so that a range up to it affected none.
    #[test]
    fn end_with_the_numbers_of_a_release_leaves_that_release_undecided() {
        let events = r#"{"introduced":"0"},{"last_affected":"2.6.0-NA"}"#;
        let entry = entry("PyPI", &of_range("ECOSYSTEM", events));
        assert_eq!(
            told(&entry),
            [
                "/affected/0/ranges/0/events/1/last_affected: \"2.6.0-NA\" is not a version of PyPI: versions that begin with its \
                 numbers stay undecided"
            ]
        );
        let read = Affected::from_entry(&serde_json::from_str(&entry).unwrap());
        for (version, affected, undecided) in [
            ("2.5.1", true, false),
            ("2.6.0", false, true),
            ("2.6", false, true),
            ("2.6.0rc1", false, true),
            ("2.6.0+cu124", false, true),
            ("2.6.1", false, false),
            ("2.10.0", false, false),
        ] {
            let found = evaluate(&read, &Subject::new("PyPI", version));
            assert_eq!(
                (found.is_affected(), found.is_undecided()),
                (affected, undecided),
                "{version}"
            );
        }
    }

    #[test]
    fn sound_rules_have_no_fault() {
        for (ecosystem, kind, events) in [
            (
                "npm",
                "SEMVER",
                r#"{"introduced":"0"},{"fixed":"1.0.0"},{"introduced":"2.0.0"},{"fixed":"2.1.0"}"#,
            ),
            ("npm", "SEMVER", r#"{"fixed":"1.0.0"},{"introduced":"0"}"#),
            (
                "npm",
                "SEMVER",
                r#"{"introduced":"0"},{"fixed":"1.0.0"},{"fixed":"1.0.0"}"#,
            ),
            (
                "npm",
                "SEMVER",
                r#"{"introduced":"1.0.0"},{"introduced":"1.1.0"},{"fixed":"1.2.0"}"#,
            ),
            (
                "npm",
                "SEMVER",
                r#"{"introduced":"1.0.0"},{"last_affected":"1.0.0"}"#,
            ),
            (
                "npm",
                "SEMVER",
                r#"{"introduced":"0"},{"fixed":"1.0.0"},{"introduced":"1.0.0"},{"fixed":"2.0.0"}"#,
            ),
            ("npm", "SEMVER", r#"{"introduced":"0"},{"limit":"*"}"#),
            ("Debian:12", "ECOSYSTEM", r#"{"introduced":"0"},{"fixed":"0"}"#),
            (
                "Debian:12",
                "ECOSYSTEM",
                r#"{"introduced":"0"},{"fixed":"1:2.3~rc1+dfsg-4+deb12u1"}"#,
            ),
            (
                "Maven",
                "ECOSYSTEM",
                r#"{"introduced":"0"},{"fixed":"33.0.0-jre"}"#,
            ),
            (
                "Packagist",
                "ECOSYSTEM",
                r#"{"introduced":"0"},{"fixed":"1.0.0-beta2"}"#,
            ),
            ("npm", "GIT", r#"{"introduced":"0"},{"fixed":"banana"}"#),
            (
                "Elsewhere",
                "ECOSYSTEM",
                r#"{"introduced":"0"},{"fixed":"banana"}"#,
            ),
        ] {
            let entry = entry(ecosystem, &of_range(kind, events));
            assert!(told(&entry).is_empty(), "{entry}: {:?}", told(&entry));
        }
    }

    #[test]
    fn list_without_a_version_is_named_and_leaves_versions_undecided() {
        for rest in [
            r#""versions":["banana"]"#,
            r#""versions":["<2.0.0"]"#,
            r#""versions":[""]"#,
        ] {
            let entry = entry("npm", rest);
            assert!(!told(&entry).is_empty(), "{entry}");
            let read = Affected::from_entry(&serde_json::from_str(&entry).unwrap());
            assert!(
                evaluate(&read, &Subject::new("npm", "1.0.0")).is_undecided(),
                "{entry}"
            );
        }
        let mixed = entry("npm", r#""versions":["banana","1.0.0"]"#);
        assert!(told(&mixed).is_empty());
    }

    #[test]
    fn misspelt_rules_leave_versions_undecided() {
        for key in [
            "range",
            "Ranges",
            "rnages",
            "version",
            "vulnerable_versions",
            "versons",
        ] {
            let entry = entry("npm", &format!(r#""versions":["0.1.0"],"{key}":[]"#));
            let read = Affected::from_entry(&serde_json::from_str(&entry).unwrap());
            assert!(
                evaluate(&read, &Subject::new("npm", "1.0.0")).is_undecided(),
                "{entry}"
            );
        }
        let other = entry("npm", r#""versions":["0.1.0"],"notes":[]"#);
        let read = Affected::from_entry(&serde_json::from_str(&other).unwrap());
        assert!(!evaluate(&read, &Subject::new("npm", "1.0.0")).is_undecided());
    }

    #[test]
    fn severity_that_rates_nothing_is_named() {
        let told = |one: &str| {
            let record = format!(r#"{{"id":"X-1","severity":[{one}],"affected":[{{"severity":[{one}]}}]}}"#);
            faults(record.as_bytes())
                .into_iter()
                .map(|fault| fault.pointer)
                .collect::<Vec<_>>()
        };
        for (one, place) in [
            (r#"{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L"}"#, "/score"),
            (
                r#"{"type":"CVSS_V3","score":"CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#,
                "/score",
            ),
            (r#"{"type":"CVSS_V2","score":"AV:N/AC:L/Au:N"}"#, "/score"),
            (r#"{"type":"CVSS_V4","score":"CVSS:4.0/AV:N/AC:L"}"#, "/score"),
            (r#"{"type":"CVSS_V3","score":""}"#, "/score"),
            (r#"{"type":"Ubuntu","score":"loud"}"#, "/score"),
            (
                r#"{"type":"CVSS_V9","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#,
                "/type",
            ),
            (r#"{"type":"CVSS_V3"}"#, ""),
        ] {
            assert_eq!(
                told(one),
                [
                    format!("/severity/0{place}"),
                    format!("/affected/0/severity/0{place}")
                ],
                "{one}"
            );
        }
        for one in [
            r#"{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}"#,
            r#"{"type":"CVSS_V3","score":9.8}"#,
            r#"{"type":"Ubuntu","score":"medium"}"#,
            r#"{"type":"EPSS","score":"0.5"}"#,
        ] {
            assert!(told(one).is_empty(), "{one}");
        }
    }
}
