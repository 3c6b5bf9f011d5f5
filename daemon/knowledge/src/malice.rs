//! Reports of malicious packages: what the records of an advisory say of themselves.

use starling_scanner::severity::{MALICIOUS, StatedSeverity, reports_malice};
use starling_view::{AdvisoryState, CanonicalAdvisory, EdgeState, JsonText};

/// Embedded malicious code, and the weaknesses below it: trojan horse to spyware.
const WEAKNESSES: std::ops::RangeInclusive<u16> = 506..=512;
/// RustSec's category of such advisories.
const CATEGORY: &str = "malicious";

/// Returns the mark of an advisory that reports a malicious package: its value is what says so. `None` for a
/// vulnerability, and if every record is withdrawn.
///
/// One of these says so: the id of a record (`MAL-2025-1`), another name that no withdrawn record has, a weakness
/// (CWE-506), or RustSec's category of the package.
pub fn stated_malice(folded: &CanonicalAdvisory) -> Option<StatedSeverity> {
    if folded.state == AdvisoryState::Withdrawn {
        return None;
    }
    let said_by = by_id(folded)
        .or_else(|| by_weakness(folded))
        .or_else(|| by_category(folded))?;
    Some(StatedSeverity {
        source: "starling".to_owned(),
        kind: MALICIOUS.to_owned(),
        value: said_by,
    })
}

fn by_id(folded: &CanonicalAdvisory) -> Option<String> {
    let is_in_force = |state| matches!(state, EdgeState::Live | EdgeState::Unresolved);
    let of_state = |id: &str, wanted: bool| {
        let mut edges = folded.edges.iter().filter(|edge| edge.id.as_str() == id);
        edges.any(|edge| is_in_force(edge.state) == wanted)
    };
    let own = folded.edges.iter().filter(|edge| is_in_force(edge.state));
    let own = own.map(|edge| edge.id.as_str()).find(|id| reports_malice(id));
    let vulnerability = folded.vulnerability.to_string();
    let names = folded.aliases.iter().map(ToString::to_string);
    own.map(str::to_owned).or_else(|| {
        let mut names = names.chain([vulnerability]);
        names.find(|name| reports_malice(name) && !of_state(name, false))
    })
}

fn by_weakness(folded: &CanonicalAdvisory) -> Option<String> {
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

/// Returns RustSec's category if an entry that counts has it.
fn by_category(folded: &CanonicalAdvisory) -> Option<String> {
    let counting = folded.statements.iter().filter(|stated| stated.weight.counts());
    let lists = counting.map(|stated| &stated.affected);
    let only = folded.fields.affected.iter().map(|field| &field.value);
    let mut lists = lists.chain(only.filter(|_| folded.statements.is_empty()));
    lists.any(has_category).then(|| CATEGORY.to_owned())
}

fn has_category(list: &JsonText) -> bool {
    // Most lists have no such word, and need not be read.
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
