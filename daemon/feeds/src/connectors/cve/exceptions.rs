//! Unaffected items of a CNA's list: exceptions from the default, or from items that follow them.
//!
//! An exception is carried over only if the order of its ends is certain; any other one is reported, and excuses
//! nothing.

use starling_protocol::json::Value;

use super::super::draft::{Draft, Range};
use super::super::value::{list_of, str_of};
use super::versions::{bound_of, is_beginning, is_version, says_affected, shown};

/// Returns the range of a product that is affected by default, without its exceptions.
pub(super) fn but_for_exceptions(draft: &mut Draft<'_>, name: &str, versions: &[&Value<'_>]) -> Range {
    let mut range = Range::from("0");
    let exceptions = || versions.iter().filter(|one| is_unaffected(one));
    // Where one of them becomes affected, the first item that has the version decides.
    let is_mixed = exceptions().any(|one| says_affected(one));
    for one in exceptions() {
        let version = str_of(one, "version").unwrap_or_default();
        let is_start = is_version(version) && !is_beginning(version);
        let is_open = bound_of(one) == Some("*") && list_of(one, "changes").is_empty();
        match interval(one).filter(|_| !is_mixed) {
            _ if is_open && is_start && !is_mixed => range = range.and("fixed", version),
            Some((None, end)) if range.events.first().is_some_and(|(_, first)| first == "0") => {
                range.events.splice(..1, [("introduced", end.to_owned())]);
            }
            Some((Some(from), end)) => range = range.and("fixed", from).and("introduced", end),
            _ => draft.warn(format!(
                "{name}: the exception {} is not carried over",
                shown(one)
            )),
        }
    }
    range
}

/// Takes the exceptions before an item out of its range: the first item that has a version decides.
pub(super) fn without_earlier(range: Range, one: &Value<'_>, earlier: &[&Value<'_>]) -> Range {
    let end = str_of(one, "lessThan").filter(|end| numbers(end).is_some());
    let start = str_of(one, "version").unwrap_or_default();
    let Some(end) = end.filter(|_| list_of(one, "changes").is_empty()) else {
        return range;
    };
    let mut range = range;
    for exception in earlier.iter().filter(|earlier| is_unaffected(earlier)) {
        let Some((Some(from), until)) = interval(exception) else {
            continue;
        };
        let is_inside = is_beginning(start) || is_before(start, from);
        if is_inside && is_before(until, end) {
            range = range.and("fixed", from).and("introduced", until);
        }
    }
    range
}

fn is_unaffected(one: &Value<'_>) -> bool {
    str_of(one, "status") == Some("unaffected")
}

/// Returns the first version of an item and the first one after it; `None` if they are not certain to be in this order.
/// An item from the beginning on has no first version.
fn interval<'v>(one: &'v Value<'_>) -> Option<(Option<&'v str>, &'v str)> {
    let end =
        str_of(one, "lessThan").filter(|end| numbers(end).is_some_and(|numbers| !numbers.is_empty()))?;
    if !list_of(one, "changes").is_empty() {
        return None;
    }
    let version = str_of(one, "version").unwrap_or_default();
    if is_beginning(version) {
        return Some((None, end));
    }
    is_before(version, end).then_some((Some(version), end))
}

/// Returns true if both versions are numbers alone, which every order compares alike, and the first is lower.
fn is_before(first: &str, second: &str) -> bool {
    matches!((numbers(first), numbers(second)), (Some(first), Some(second)) if first < second)
}

/// Returns the numbers of a version without zeros at their end; `None` for any other text.
fn numbers(version: &str) -> Option<Vec<u64>> {
    let numbers: Option<Vec<u64>> = version.split('.').map(|part| part.parse().ok()).collect();
    let mut numbers =
        numbers.filter(|_| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))?;
    while numbers.last() == Some(&0) {
        numbers.pop();
    }
    Some(numbers)
}
