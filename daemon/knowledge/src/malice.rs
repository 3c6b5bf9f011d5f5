//! Recognises advisories that report a malicious package instead of a vulnerability.

use starling_scanner::severity::{MALICIOUS, StatedSeverity, reports_malice};
use starling_view::{AdvisoryState, CanonicalAdvisory, EdgeState, JsonText};

/// Numbers of the CWEs for malicious code: 506 (embedded malicious code) and its kinds, from trojan horse to spyware.
const WEAKNESSES: std::ops::RangeInclusive<u16> = 506..=512;
/// RustSec's category for malicious packages.
const CATEGORY: &str = "malicious";

/// Returns a severity of kind [`MALICIOUS`] if the advisory reports a malicious package. Its value is the evidence.
/// Returns `None` for a vulnerability, and if every record is withdrawn.
///
/// The evidence is, in this order: the id of a record that is in force (`MAL-2025-1`); another id of the advisory, unless
/// a record with that id is not in force; a weakness (CWE-506); or RustSec's category.
pub fn stated_malice(folded: &CanonicalAdvisory) -> Option<StatedSeverity> {
    if folded.state == AdvisoryState::Withdrawn {
        return None;
    }
    let evidence = id_of_malice(folded)
        .or_else(|| weakness_of_malice(folded))
        .or_else(|| category_of_malice(folded))?;
    Some(StatedSeverity {
        source: "starling".to_owned(),
        kind: MALICIOUS.to_owned(),
        value: evidence,
    })
}

/// Returns an id for a malicious package: that of a record in force, else another id of the advisory.
fn id_of_malice(folded: &CanonicalAdvisory) -> Option<String> {
    let is_in_force = |state| matches!(state, EdgeState::Live | EdgeState::Unresolved);
    let is_of_inactive_record = |id: &str| {
        let mut edges = folded.edges.iter().filter(|edge| edge.id.as_str() == id);
        edges.any(|edge| !is_in_force(edge.state))
    };
    let own = folded.edges.iter().filter(|edge| is_in_force(edge.state));
    let own = own.map(|edge| edge.id.as_str()).find(|id| reports_malice(id));
    let vulnerability = folded.vulnerability.to_string();
    let names = folded.aliases.iter().map(ToString::to_string);
    own.map(str::to_owned).or_else(|| {
        let mut names = names.chain([vulnerability]);
        names.find(|name| reports_malice(name) && !is_of_inactive_record(name))
    })
}

fn weakness_of_malice(folded: &CanonicalAdvisory) -> Option<String> {
    let names = folded
        .fields
        .cwes
        .iter()
        .map(|member| member.value.as_str().trim_matches('"'));
    let is_malice = |name: &&str| {
        let number = name.strip_prefix("CWE-").and_then(|digits| digits.parse().ok());
        number.is_some_and(|number| WEAKNESSES.contains(&number))
    };
    names.filter(is_malice).map(str::to_owned).next()
}

/// Returns RustSec's category if a statement that applies has it.
fn category_of_malice(folded: &CanonicalAdvisory) -> Option<String> {
    let applicable = folded.statements.iter().filter(|stated| stated.weight.counts());
    let lists = applicable.map(|stated| &stated.affected);
    // An advisory with a single statement has it in this field only.
    let single = folded.fields.affected.iter().map(|field| &field.value);
    let mut lists = lists.chain(single.filter(|_| folded.statements.is_empty()));
    lists.any(has_category).then(|| CATEGORY.to_owned())
}

fn has_category(list: &JsonText) -> bool {
    // Most lists do not contain the word: then they need not be parsed.
    if !list.as_str().contains(CATEGORY) {
        return false;
    }
    let entries: Vec<serde_json::Value> = serde_json::from_str(list.as_str()).unwrap_or_default();
    entries.iter().any(|entry| {
        let categories = entry.pointer("/database_specific/categories");
        let mut categories = categories
            .and_then(serde_json::Value::as_array)
            .into_iter()
            .flatten();
        categories.any(|category| category.as_str() == Some(CATEGORY))
    })
}
