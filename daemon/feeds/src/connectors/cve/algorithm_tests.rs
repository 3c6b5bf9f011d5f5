//! Holds the ranges of a package against the algorithm that the schema of CVE records gives for its versions.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::tests::json_records;
use super::tests::about;

/// Returns a version that no word of the connector stands for.
fn version(number: u32) -> String {
    format!("{number}.1")
}

fn status() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["affected", "unaffected", "unknown"])
}

/// Returns an item: a single version or a range, with changes in order.
fn item() -> impl Strategy<Value = Json> {
    let changes = prop::collection::btree_map(0..6_u32, status(), 0..3);
    (status(), 0..6_u32, 0..6_u32, 0..4, changes).prop_map(|(status, from, to, form, changes)| {
        let mut item = json!({"version": version(from), "status": status, "versionType": "semver"});
        match form {
            0 => return item,
            1 => item["lessThan"] = json!(version(to)),
            2 => item["lessThanOrEqual"] = json!(version(to)),
            _ => item["lessThan"] = json!("*"),
        }
        let changes = changes.iter();
        item["changes"] = changes
            .map(|(at, status)| json!({"at": version(*at), "status": status}))
            .collect();
        item
    })
}

fn number(text: &Json) -> Option<u32> {
    text.as_str()?.strip_suffix(".1")?.parse().ok()
}

/// Returns a version's status by the algorithm of the schema: the first item that has the version decides.
fn status_by_schema<'i>(items: &'i [Json], default: &'i str, at: u32) -> &'i str {
    for item in items {
        let from = number(&item["version"]).unwrap();
        let is_within = match (&item["lessThan"], &item["lessThanOrEqual"]) {
            (Json::Null, Json::Null) => at == from,
            (Json::Null, last) => from <= at && at <= number(last).unwrap(),
            (end, _) => from <= at && number(end).is_none_or(|end| at < end),
        };
        if is_within {
            let mut changes = item["changes"].as_array().into_iter().flatten();
            let last = changes.rfind(|change| number(&change["at"]).unwrap() <= at);
            return last.unwrap_or(item)["status"].as_str().unwrap();
        }
    }
    default
}

/// Returns true if a record calls a version affected, or leaves it undecided.
fn is_suspect(record: &Json, at: u32) -> bool {
    record["affected"].as_array().into_iter().flatten().any(|entry| {
        let is_listed = entry["versions"]
            .as_array()
            .is_some_and(|all| all.contains(&json!(version(at))));
        is_listed
            || entry["ranges"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|range| is_in(range, at))
    })
}

fn is_in(range: &Json, at: u32) -> bool {
    let mut events: Vec<(u32, u8)> = Vec::new();
    for event in range["events"].as_array().unwrap() {
        for (kind, version) in event.as_object().unwrap() {
            // A version is closed after it was opened; the last affected one is closed behind it.
            match kind.as_str() {
                "introduced" => events.push((number(version).map_or(0, |number| 2 * number), 0)),
                "fixed" => events.push((2 * number(version).unwrap(), 1)),
                _ => events.push((2 * number(version).unwrap() + 1, 1)),
            }
        }
    }
    events.sort_unstable();
    let last = events.iter().rfind(|(place, _)| *place <= 2 * at);
    events.is_empty() || last.is_some_and(|(_, kind)| *kind == 0)
}

proptest! {
    #[test]
    fn no_affected_version_counts_as_clean(
        items in prop::collection::vec(item(), 0..4),
        default in prop::sample::select(vec!["affected", "unaffected", "unknown"]),
    ) {
        let text = about(&format!(
            r#""packageURL":"pkg:npm/p","defaultStatus":"{default}","versions":{}"#,
            Json::Array(items.clone())
        ));
        let record = &json_records("cve", text.as_bytes())[0];
        for at in 0..7 {
            let status = status_by_schema(&items, default, at);
            prop_assert!(
                status == "unaffected" || is_suspect(record, at),
                "{} is {status}: {text} became {}", version(at), record["affected"]
            );
        }
    }
}
