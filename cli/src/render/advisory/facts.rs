//! The facts that a reader of an advisory looks for first: what it is, how bad, which versions, where it ends.

use serde_json::Value;
use starling_api_types::{Advisory, AdvisoryState, Timestamp};
use starling_scanner::severity::score_vector;

use super::super::{Lines, counted, cut, list, plain};

/// Most characters of a summary, or of a description in its place.
const SUMMARY_WIDTH: usize = 240;
/// Most ranges shown; `--json` has all.
const MAX_RANGES: usize = 12;
/// Most listed versions shown.
const MAX_VERSIONS: usize = 8;

/// Returns the facts as lines. Facts that the advisory does not state are shown as not stated.
pub(super) fn facts(advisory: &Advisory) -> Lines {
    let value = |name: &str| -> Value {
        let field = advisory.fields.get(name);
        field
            .and_then(|field| serde_json::from_str(field.value.as_str()).ok())
            .unwrap_or_default()
    };
    let package = &advisory.package;
    let affected = value("affected");
    let mut lines = Lines::default()
        .add("vulnerability", &advisory.vulnerability)
        .add("summary", summary(&value("summary"), &value("details")))
        .add(
            "severity",
            severity(&value("severity"), advisory.malicious.as_deref()),
        )
        .add("package", format!("{} {}", package.ecosystem, package.name));
    if let Some(exploited) = &advisory.exploited {
        lines = lines.add("exploited", plain(&exploited.to_string()));
    }
    for range in ranges(&affected) {
        lines = lines.add("affected", range);
    }
    for record in &advisory.entries_without_package {
        let entries = counted(record.entries, "entry", "entries");
        let of = format!("{} {}", record.source, record.record_id);
        lines = lines.add(
            "not looked up",
            format!("{entries} of {of}, which name no package"),
        );
    }
    lines
        .add("fixed in", fixes(&affected))
        .add("aliases", list(&advisory.aliases))
        .add("links", links(&value("references")))
        .add("state", state(advisory.state, advisory.withdrawn_from))
}

/// Returns a state, with the time of a withdrawal that is still to come.
pub(super) fn state(state: AdvisoryState, withdrawn_from: Option<Timestamp>) -> String {
    match withdrawn_from {
        Some(at) => format!("{} from {at} on", state.as_str()),
        None => state.as_str().to_owned(),
    }
}

fn summary(summary: &Value, details: &Value) -> String {
    let text = [summary, details]
        .into_iter()
        .filter_map(Value::as_str)
        .find(|text| !text.trim().is_empty());
    text.map_or_else(|| "none given".to_owned(), |text| cut(text, SUMMARY_WIDTH))
}

/// Returns each rating with its score; a rating that is not a CVSS vector stays as it is. A malicious package is critical
/// in a scan, whatever the ratings are.
fn severity(ratings: &Value, malicious: Option<&str>) -> String {
    let ratings: Vec<String> = entries(ratings)
        .filter_map(|rating| rating["score"].as_str())
        .map(|text| match score_vector(text) {
            Some((score, level)) => format!("{level} {score} ({})", cut(text, 120)),
            None => cut(text, 120),
        })
        .collect();
    let stated = match ratings.as_slice() {
        [] => "not rated by the records below".to_owned(),
        ratings => ratings.join("; "),
    };
    match malicious {
        Some(said_by) => format!(
            "critical, because the package is malicious ({}); {stated}",
            cut(said_by, 60)
        ),
        None => stated,
    }
}

/// Returns one text for each range and for the listed versions.
fn ranges(affected: &Value) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for entry in entries(affected) {
        let of_entry: Vec<String> = entries(&entry["ranges"]).flat_map(events).collect();
        if of_entry.is_empty() {
            texts.extend(versions(&entry["versions"]));
        }
        texts.extend(of_entry);
    }
    if texts.is_empty() {
        return vec!["no versions are given".to_owned()];
    }
    let more = texts.len().saturating_sub(MAX_RANGES);
    texts.truncate(MAX_RANGES);
    if more > 0 {
        texts.push(format!("… and {more} more; --json has all"));
    }
    texts
}

/// Returns the intervals of a range: an event that introduces, and the one that ends it.
fn events(range: &Value) -> Vec<String> {
    let kind = match range["type"].as_str() {
        Some("GIT") => " (commits)",
        _ => "",
    };
    let mut texts = Vec::new();
    let mut from: Option<&str> = None;
    let start = |from: &str| match from {
        "0" => "all versions".to_owned(),
        from => format!("from {from}"),
    };
    for event in entries(&range["events"]) {
        let at = |name: &str| event[name].as_str();
        let end = match (at("fixed"), at("last_affected"), at("limit")) {
            (Some(fixed), ..) => format!("before {fixed}"),
            (_, Some(last), _) => format!("up to and with {last}"),
            (_, _, Some(limit)) => format!("below {limit}"),
            _ => {
                if let Some(open) = std::mem::replace(&mut from, at("introduced")) {
                    texts.push(format!("{}{kind}", start(open)));
                }
                continue;
            }
        };
        texts.push(match from.take() {
            Some("0") | None => format!("all {end}{kind}"),
            Some(from) => format!("{}, {end}{kind}", start(from)),
        });
    }
    if let Some(open) = from {
        texts.push(format!("{}, no fix known{kind}", start(open)));
    }
    texts
}

fn versions(listed: &Value) -> Option<String> {
    let all: Vec<&str> = entries(listed).filter_map(Value::as_str).collect();
    if all.is_empty() {
        return None;
    }
    let shown = all[..all.len().min(MAX_VERSIONS)].join(", ");
    Some(match all.len() - all.len().min(MAX_VERSIONS) {
        0 => shown,
        more => format!("{shown} and {more} more versions"),
    })
}

/// Returns the versions that end a range of versions, in the order of the record.
fn fixes(affected: &Value) -> String {
    let mut fixed: Vec<&str> = Vec::new();
    for range in entries(affected).flat_map(|entry| entries(&entry["ranges"])) {
        if range["type"] != "GIT" {
            fixed.extend(entries(&range["events"]).filter_map(|event| event["fixed"].as_str()));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    fixed.retain(|version| seen.insert(*version));
    if fixed.is_empty() {
        return "no fixed version is given".to_owned();
    }
    let more = fixed.len().saturating_sub(MAX_RANGES);
    fixed.truncate(MAX_RANGES);
    match more {
        0 => fixed.join(", "),
        more => format!("{} and {more} more", fixed.join(", ")),
    }
}

/// Returns the first advisory link and the number of all.
fn links(references: &Value) -> String {
    let all: Vec<&Value> = entries(references).collect();
    let advisory = all.iter().find(|link| link["type"] == "ADVISORY");
    let first = advisory
        .or_else(|| all.first())
        .and_then(|link| link["url"].as_str());
    match first {
        None => "none given".to_owned(),
        Some(url) if all.len() == 1 => cut(url, SUMMARY_WIDTH),
        Some(url) => {
            let more = u64::try_from(all.len() - 1).unwrap_or(u64::MAX);
            format!(
                "{} and {}",
                cut(url, SUMMARY_WIDTH),
                counted(more, "more", "more")
            )
        }
    }
}

fn entries(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_interval_of_a_range_is_a_line() {
        let range = |events: Value| events_of(&events);
        fn events_of(events: &Value) -> Vec<String> {
            super::events(&json!({ "type": "ECOSYSTEM", "events": events }))
        }
        assert_eq!(
            range(
                json!([{"introduced": "0"}, {"fixed": "2.2.18"}, {"introduced": "3.0"}, {"last_affected": "3.0.11"}])
            ),
            ["all before 2.2.18", "from 3.0, up to and with 3.0.11"]
        );
        assert_eq!(
            range(json!([{"introduced": "0"}])),
            ["all versions, no fix known"]
        );
        assert_eq!(range(json!([{"introduced": "4"}])), ["from 4, no fix known"]);
        assert!(range(json!("hostile")).is_empty());
    }

    #[test]
    fn withdrawal_that_is_still_to_come_is_shown_with_its_time() {
        let from = "2027-01-01T00:00:00.000Z".parse().unwrap();
        assert_eq!(
            state(AdvisoryState::Withdrawn, Some(from)),
            "withdrawn from 2027-01-01T00:00:00.000Z on"
        );
        assert_eq!(state(AdvisoryState::Withdrawn, None), "withdrawn");
    }

    #[test]
    fn what_is_not_said_is_named() {
        assert_eq!(fixes(&json!([])), "no fixed version is given");
        assert_eq!(ranges(&json!([{"versions": []}])), ["no versions are given"]);
        assert_eq!(severity(&Value::Null, None), "not rated by the records below");
        assert_eq!(summary(&json!(" "), &json!("In Django\n2.2")), "In Django 2.2");
    }

    /// It was shown as not rated, and a scan called it critical.
    #[test]
    fn malicious_package_is_critical_with_its_ratings() {
        let unrated = severity(&Value::Null, Some("MAL-2025-1"));
        assert_eq!(
            unrated,
            "critical, because the package is malicious (MAL-2025-1); not rated by the records below"
        );
        let rated = severity(&json!([{"score": "low"}]), Some("CWE-506"));
        assert!(rated.ends_with("(CWE-506); low"), "{rated}");
    }

    #[test]
    fn long_lists_are_counted() {
        let versions: Vec<String> = (0..20).map(|number| format!("1.{number}")).collect();
        let shown = ranges(&json!([{ "versions": versions }]));
        assert_eq!(shown.len(), 1);
        assert!(shown[0].ends_with("and 12 more versions"), "{}", shown[0]);
    }

    #[test]
    fn vector_is_shown_with_its_score() {
        let vector = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]);
        let rated = severity(&vector, None);
        assert!(rated.starts_with("critical 9.8 (CVSS:3.1/"), "{rated}");
        assert_eq!(severity(&json!([{"score": "high"}]), None), "high");
    }
}
