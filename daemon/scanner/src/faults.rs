//! Mistakes in an OSV record that a scan meets: what of it no version can be compared with, and what gives no severity.
//!
//! Only what needs the orders of versions and the scales of severities is here. Mistakes of form are found when the record
//! is read.

use serde::Deserialize;
use serde_json::Value;

use crate::matching::{Contradiction, contradiction_of, is_name, is_near, is_semver, placed};
use crate::osv::{Event, names_no_version};
use crate::severity::{StatedSeverity, choose};
use crate::version::Scheme;

/// Most faults of one record that are named.
const MAX_FAULTS: usize = 32;
/// Longest foreign text in a fault, in characters.
const MAX_SHOWN_CHARS: usize = 60;
/// The types of severity in the schema; `EPSS` rates no severity and is read elsewhere.
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
        let (mut is_any_read, mut is_any_named) = (false, false);
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
                is_any_named = true;
            }
            is_any_read |= is_any_read || placed(order.scheme, text).is_some();
        }
        // What was named says the same.
        if number > 0 && !is_any_read && !is_any_named {
            let what = format!(
                "nothing in the list is a version of {}: versions that it does not name stay undecided",
                order.ecosystem
            );
            self.add(&format!("{place}/versions"), what);
        }
    }

    fn range(&mut self, place: &str, order: &Order<'_>, range: &Value) {
        let mut events = Vec::new();
        let is_mixed = has_numbers(order.scheme, range);
        let mut is_begin_unread = false;
        for (index, event) in list(range.get("events").unwrap_or(&Value::Null)) {
            for key in ["introduced", "fixed", "last_affected", "limit"] {
                let Some(text) = event.get(key).and_then(Value::as_str) else {
                    continue;
                };
                let is_known = matches!((key, text.trim()), ("introduced", "0") | ("limit", "*"));
                let is_other_name = is_mixed && !is_known && is_name(order.scheme, text);
                if !is_known && (is_other_name || placed(order.scheme, text).is_none()) {
                    is_begin_unread |= key == "introduced";
                    let effect = match key {
                        _ if is_other_name => "only versions that are names, too, are compared with it",
                        _ if is_near(order.scheme, text) => {
                            "versions that begin with its numbers may stay undecided"
                        }
                        "introduced" => "versions outside of the range stay undecided",
                        _ => "it ends nothing",
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
        // Without any beginning, the form of the range is the mistake. One that cannot be read is named, and its end ends nothing.
        let begins = !is_begin_unread && events.iter().any(|event| matches!(event, Event::Introduced(_)));
        let what = match contradiction_of(&events, order.scheme).filter(|_| begins) {
            Some(Contradiction::EndsNothing(end)) => format!(
                "{} ends what no event before it begins: versions before it that are not affected stay undecided",
                shown(&end)
            ),
            Some(Contradiction::Empty) => {
                "the range begins and ends at one version, so that it affects none".to_owned()
            }
            None => return,
        };
        self.add(place, what);
    }
}

/// Returns true if an event of a range is at a version that begins with a number, besides the beginning of all.
fn has_numbers(scheme: Scheme, range: &Value) -> bool {
    let events = list(range.get("events").unwrap_or(&Value::Null));
    let mut texts =
        events.flat_map(|(_, event)| event.as_object().into_iter().flat_map(|event| event.values()));
    texts.any(|text| {
        let text = text.as_str().map_or("0", str::trim);
        text != "0" && placed(scheme, text).is_some() && !is_name(scheme, text)
    })
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
mod tests;
