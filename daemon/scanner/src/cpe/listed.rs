//! Products of CVE records: entries of `affected` with CPE names and a list of versions.

use serde_json::Value as Json;

use super::applicability::{Bound, ProductMatch, list};
use super::name::Cpe;
use super::value::Value;

/// Calls `take` for each product and range of versions of an entry; with its text for a name that cannot be read.
///
/// An entry about a package of a collection is left out: its names are of the collection (Red Hat's products), which is
/// not affected as a whole.
pub(super) fn take(entry: &Json, take: &mut dyn FnMut(Result<ProductMatch, &str>)) {
    let is_of_collection = ["packageName", "collectionURL", "packageURL"].iter().any(|key| {
        let text = entry.get(*key).and_then(Json::as_str);
        text.is_some_and(|text| !text.trim().is_empty())
    });
    if is_of_collection {
        return;
    }
    let names = entry.get("cpes").and_then(Json::as_array).into_iter().flatten();
    let ranges = ranges(entry);
    for name in names.filter_map(Json::as_str) {
        let Ok(criteria) = Cpe::parse(name.trim()) else {
            take(Err(name));
            continue;
        };
        // A name with a version of its own states it.
        if !matches!(criteria.version(), Value::Any | Value::Na) {
            take(Ok(ProductMatch {
                criteria,
                ..ProductMatch::default()
            }));
            continue;
        }
        for range in &ranges {
            take(Ok(ProductMatch {
                criteria: criteria.any_version(),
                ..range.clone()
            }));
        }
    }
}

/// Returns the ranges of affected versions, without names.
fn ranges(entry: &Json) -> Vec<ProductMatch> {
    let text = |of: &Json, key: &str| {
        of.get(key)
            .and_then(Json::as_str)
            .map(str::trim)
            .unwrap_or_default()
            .to_owned()
    };
    let unreadable = || ProductMatch {
        is_unreadable: true,
        ..ProductMatch::default()
    };
    let versions = list(entry.get("versions"));
    let is_other = |item: &Json| text(item, "status") != "unaffected";
    // An item may become affected from one of its changes on.
    let is_affected = |item: &&Json| is_other(item) || list(item.get("changes")).iter().any(is_other);
    let by_default = text(entry, "defaultStatus") == "affected";
    let affected: Vec<&Json> = versions.iter().filter(is_affected).collect();
    if by_default {
        // All versions but some: what the exceptions are is not evaluated.
        let is_listed = |item: &Json| text(item, "status") == "affected";
        return vec![if versions.iter().all(is_listed) {
            ProductMatch::default()
        } else {
            unreadable()
        }];
    }
    if affected.is_empty() {
        // A list of unaffected versions alone, or no list: it does not say which are affected.
        let is_silent = versions.is_empty() && text(entry, "defaultStatus") != "unaffected";
        return if is_silent { vec![unreadable()] } else { Vec::new() };
    }
    affected
        .into_iter()
        .map(|version| range_of(version, &text).unwrap_or_else(unreadable))
        .collect()
}

/// Returns one range; `None` if its form cannot be compared.
fn range_of(version: &Json, text: &dyn Fn(&Json, &str) -> String) -> Option<ProductMatch> {
    let is_version = |text: &str| text.starts_with(|first: char| first.is_ascii_digit() || first == 'v');
    let bound = |version: String, is_included| Bound { version, is_included };
    let (from, below, up_to) = (
        text(version, "version"),
        text(version, "lessThan"),
        text(version, "lessThanOrEqual"),
    );
    // Unknown ones, and those that become affected later, have no form to compare.
    if text(version, "versionType") == "git" || text(version, "status") != "affected" {
        return None;
    }
    let is_open = below == "*" || up_to == "*";
    let mut end = match (below.as_str(), up_to.as_str()) {
        _ if is_open => None,
        ("", "") => None,
        ("", last) if is_version(last) => Some(bound(up_to.clone(), true)),
        (end, "") if is_version(end) => Some(bound(below.clone(), false)),
        _ => return None,
    };
    for change in list(version.get("changes")) {
        match (text(change, "status").as_str(), text(change, "at")) {
            ("unaffected", at) if end.is_none() && is_version(&at) => end = Some(bound(at, false)),
            _ => return None,
        }
    }
    let is_range = is_open || end.is_some();
    let start = match from.as_str() {
        "0" | "*" | "" | "-" if is_range => None,
        "*" => None,
        from if is_version(from) => Some(bound(from.to_owned(), true)),
        // A range from a beginning in words still ends.
        _ if end.is_some() && matches!(from.as_str(), "unspecified" | "n/a") => None,
        _ => return None,
    };
    let is_single = !is_range && start.is_some();
    Some(ProductMatch {
        end: if is_single { start.clone() } else { end },
        start,
        ..ProductMatch::default()
    })
}
