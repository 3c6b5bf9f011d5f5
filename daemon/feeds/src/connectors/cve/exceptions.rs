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
    // At a version where one of them becomes affected, the first item with that version decides.
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
    for one in versions.iter().filter(|one| is_fixed_within(one)) {
        let last = list_of(one, "changes").last();
        let fixed = last
            .filter(|last| is_unaffected(last))
            .and_then(|last| str_of(last, "at"));
        let version = str_of(one, "version").unwrap_or_default();
        let is_certain = |fixed: &&str| !is_mixed && is_before(version, fixed) && bound_of(one) == Some("*");
        match fixed.filter(is_certain) {
            Some(fixed) => range = range.and("fixed", fixed),
            None => draft.warn(format!(
                "{name}: the exception within {} is not carried over",
                shown(one)
            )),
        }
    }
    range
}

/// Returns true if an affected item says that some of its versions are not.
fn is_fixed_within(one: &Value<'_>) -> bool {
    let mut changes = list_of(one, "changes").iter();
    str_of(one, "status") == Some("affected")
        && changes.any(|change| is_unaffected(change) && str_of(change, "at") != str_of(one, "lessThan"))
}

/// Most exceptions before an item that are compared with it.
const MAX_EARLIER: usize = 100;

/// Takes the exceptions before an item out of its range: the first item that has a version decides. One that may be
/// within the range and cannot be taken out is reported, and so are too many.
pub(super) fn without_earlier(
    draft: &mut Draft<'_>,
    name: &str,
    range: Range,
    one: &Value<'_>,
    earlier: &[&Value<'_>],
) -> Range {
    let end = str_of(one, "lessThan").filter(|end| numbers(end).is_some());
    let end = end.filter(|_| list_of(one, "changes").is_empty());
    let start = str_of(one, "version").unwrap_or_default();
    let mut range = range;
    if earlier.len() > MAX_EARLIER {
        draft.warn(format!(
            "{name}: the {} exceptions before {} are not carried over: at most {MAX_EARLIER} are compared",
            earlier.len(),
            shown(one)
        ));
        return range;
    }
    for exception in earlier {
        if is_apart(exception, one) {
            continue;
        }
        let within = interval(exception).zip(end);
        let within = within.filter(|((_, until), end)| is_before(until, end));
        match within {
            Some(((Some(from), until), _)) if is_beginning(start) || is_before(start, from) => {
                range = range.and("fixed", from).and("introduced", until);
            }
            // It has the beginning of the range.
            Some(((from, until), _))
                if from.is_none_or(|from| is_not_after(from, start))
                    && (is_beginning(start) || is_before(start, until)) =>
            {
                range
                    .events
                    .retain(|(kind, at)| *kind != "introduced" || !is_not_after(at, until));
                range.events.insert(0, ("introduced", until.to_owned()));
            }
            _ => draft.warn(format!(
                "{name}: the exception {} is not carried over",
                shown(exception)
            )),
        }
    }
    range
}

/// Returns true if an exception certainly has no version of a range.
fn is_apart(exception: &Value<'_>, one: &Value<'_>) -> bool {
    let is_first_before = |first: &Value<'_>, second: &Value<'_>| {
        let (version, next) = (str_of(first, "version"), str_of(second, "version"));
        let (version, next) = (version.unwrap_or_default(), next.unwrap_or_default());
        let is_without_end = is_beginning(version) || !list_of(first, "changes").is_empty();
        if is_beginning(next) || (bound_of(first).is_none() && is_without_end) {
            return false;
        }
        let last = bound_of(first).unwrap_or(version);
        match str_of(first, "lessThan") {
            Some(end) => end == next || is_not_after(end, next),
            None => is_before(last, next),
        }
    };
    is_first_before(exception, one) || is_first_before(one, exception)
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
pub(super) fn is_before(first: &str, second: &str) -> bool {
    matches!((numbers(first), numbers(second)), (Some(first), Some(second)) if first < second)
}

/// Same as [`is_before`], or both are equal.
pub(super) fn is_not_after(first: &str, second: &str) -> bool {
    matches!((numbers(first), numbers(second)), (Some(first), Some(second)) if first <= second)
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
