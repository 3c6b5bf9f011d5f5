//! Converts a CNA's statements about versions and commits to ranges. An unknown statement becomes a range without
//! events, which a scan leaves undecided: it never makes a package clean.

use starling_protocol::json::Value;

use super::super::draft::{Affected, Draft, Range};
use super::super::ghsa::{self, RangeOrVersion};
use super::super::text::{is_prose, is_span, quote};
use super::super::value::{list_of, str_of};
use super::exceptions::{self, is_not_after};

/// Returns the version for the beginning of a range with an end.
pub(super) fn is_beginning(version: &str) -> bool {
    matches!(
        version,
        "0" | "*" | "unspecified" | "n/a" | "-" | "0.0" | "0.0.0" | ""
    )
}

/// Adds the statements about the versions of a package.
pub(super) fn of_package(
    draft: &mut Draft<'_>,
    entry: &mut Affected<'_>,
    versions: &[&Value<'_>],
    default: Option<&str>,
) {
    if default == Some("affected") {
        let range = exceptions::but_for_exceptions(draft, &entry.name, versions);
        entry.ranges.push(range);
    }
    let mut doubts = 0_usize;
    // The exceptions before an item.
    let mut earlier: Vec<&Value<'_>> = Vec::new();
    for one in versions {
        let status = str_of(one, "status");
        let before = earlier.len();
        earlier.extend((status == Some("unaffected")).then_some(*one));
        match status {
            Some("affected") => {}
            // With a default of affected, all versions are stated already.
            Some("unaffected") if default == Some("affected") || !says_affected(one) => continue,
            Some("unaffected") => {}
            status => {
                draft.warn(format!(
                    "{}: the status of {} is \"{}\"",
                    entry.name,
                    shown(one),
                    quote(status.unwrap_or_default())
                ));
                doubts += 1;
                continue;
            }
        }
        let version = str_of(one, "version").unwrap_or_default();
        if bound_of(one).is_none() && list_of(one, "changes").is_empty() && !matches!(version, "0" | "*") {
            doubts += usize::from(!add_single(draft, entry, one));
            continue;
        }
        match range_of(one, is_version).filter(|_| !is_without_version(one)) {
            Some((range, is_understood)) => {
                let earlier = earlier.get(..before).unwrap_or_default();
                let range = exceptions::without_earlier(draft, &entry.name, range, one, earlier);
                entry.ranges.push(range);
                if !is_understood {
                    draft.warn(format!(
                        "{}: the changes in {} are not understood",
                        entry.name,
                        shown(one)
                    ));
                    doubts += 1;
                }
            }
            None => {
                draft.warn(format!("{}: {}: {}", entry.name, unclear(one), shown(one)));
                doubts += 1;
            }
        }
    }
    let is_told = !entry.ranges.is_empty() || !entry.versions.is_empty();
    let is_unknown = !matches!(default, Some("affected" | "unaffected") | None)
        || (default.is_none() && !is_told && doubts == 0);
    if is_unknown {
        draft.warn(format!(
            "{}: the status of other versions is not known",
            entry.name
        ));
    }
    // One of them is enough.
    if doubts > 0 || is_unknown {
        entry.ranges.push(Range::undecided());
    }
}

/// Adds an item of one version; returns false if it is not understood, which is reported.
fn add_single(draft: &mut Draft<'_>, entry: &mut Affected<'_>, one: &Value<'_>) -> bool {
    let version = str_of(one, "version").unwrap_or_default();
    if is_beginning(version) {
        // A product of which all versions are affected says so only in words.
        draft.warn(format!("{}: no version is named", entry.name));
        return false;
    }
    match compared(version) {
        Some(RangeOrVersion::Range(range)) => entry.ranges.push(range),
        Some(RangeOrVersion::Version(version)) => entry.versions.push(version),
        None if !is_version(version) => {
            draft.warn(format!("{}: versions in words: {}", entry.name, shown(one)));
            return false;
        }
        None => entry.versions.push(version.to_owned()),
    }
    true
}

/// Returns the meaning of comparisons in place of a version, as GitHub's CNA writes them: `>= 1.0, < 1.2.3`.
fn compared(version: &str) -> Option<RangeOrVersion> {
    ghsa::range(version).filter(|_| version.starts_with(['<', '>', '=', '≤', '≥']))
}

pub(super) fn is_version(text: &str) -> bool {
    !is_prose(text) && !is_span(text)
}

/// Returns true if an item calls any of its versions affected, or something that is not understood: by its status, or
/// from one of its changes on.
pub(super) fn says_affected(one: &Value<'_>) -> bool {
    let is_other = |item: &Value<'_>| str_of(item, "status") != Some("unaffected");
    is_other(one) || list_of(one, "changes").iter().any(is_other)
}

pub(super) fn bound_of<'v>(one: &'v Value<'_>) -> Option<&'v str> {
    str_of(one, "lessThan").or_else(|| str_of(one, "lessThanOrEqual"))
}

/// Returns an item for a warning: its version and its end.
pub(super) fn shown(one: &Value<'_>) -> String {
    let version = str_of(one, "version").unwrap_or_default();
    match bound_of(one) {
        Some(bound) => format!("\"{}\" to \"{}\"", quote(version), quote(bound)),
        None => format!("\"{}\"", quote(version)),
    }
}

/// Returns the range of an item, and true if all its changes are understood; `None` if its beginning or end is not.
/// An unknown change ends nothing. An unaffected item begins with its first change to affected.
fn range_of(one: &Value<'_>, is_known: fn(&str) -> bool) -> Option<(Range, bool)> {
    let version = str_of(one, "version").unwrap_or_default();
    let start = if is_beginning(version) { "0" } else { version };
    let is_end = |bound: &str| bound == "*" || is_known(bound);
    let bounds = [str_of(one, "lessThan"), str_of(one, "lessThanOrEqual")];
    if (start != "0" && !is_known(start)) || !bounds.into_iter().flatten().all(is_end) {
        return None;
    }
    let end = end_of(one)?;
    let mut range = match str_of(one, "status") {
        Some("unaffected") => Range::undecided(),
        _ => Range::from(start),
    };
    let mut is_understood = true;
    for change in list_of(one, "changes") {
        match (str_of(change, "at"), str_of(change, "status")) {
            (Some(at), Some("affected")) if is_known(at) => range = range.and("introduced", at),
            (Some(at), Some("unaffected")) if is_known(at) => range = range.and("fixed", at),
            _ => is_understood = false,
        }
    }
    let end = end.map(|(kind, version)| (kind, version.to_owned()));
    // A change at the end of the range states it already.
    range.events.extend(end.filter(|end| !range.events.contains(end)));
    Some((range, is_understood))
}

/// Returns the end of an item: of two, the later one. An end of `*` is none. `None` if the order of two is not certain.
fn end_of<'v>(one: &'v Value<'_>) -> Option<Option<(&'static str, &'v str)>> {
    match (str_of(one, "lessThan"), str_of(one, "lessThanOrEqual")) {
        (Some("*"), _) | (_, Some("*")) | (None, None) => Some(None),
        (Some(fixed), None) => Some(Some(("fixed", fixed))),
        (None, Some(last)) => Some(Some(("last_affected", last))),
        (Some(fixed), Some(last)) if is_not_after(fixed, last) => Some(Some(("last_affected", last))),
        (Some(fixed), Some(last)) if is_not_after(last, fixed) => Some(Some(("fixed", fixed))),
        _ => None,
    }
}

/// Returns why an item is not understood.
fn unclear(one: &Value<'_>) -> &'static str {
    if is_without_version(one) {
        "a range without a version"
    } else {
        "versions in words"
    }
}

/// Returns true if an item certainly has no version, because its end is not after its beginning: one of them is not what
/// it says.
fn is_without_version(one: &Value<'_>) -> bool {
    let version = str_of(one, "version").unwrap_or_default();
    let start = if is_beginning(version) { "0" } else { version };
    match end_of(one)
        .flatten()
        .filter(|_| list_of(one, "changes").is_empty())
    {
        Some(("fixed", end)) => start == end || is_not_after(end, start),
        Some((_, end)) => exceptions::is_before(end, start),
        None => false,
    }
}

fn is_hash(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the statements about the commits of a repository.
pub(super) fn of_commits(
    draft: &mut Draft<'_>,
    repo: &str,
    commits: &[&Value<'_>],
    default: Option<&str>,
) -> Vec<Range> {
    let mut ranges = Vec::new();
    let (mut doubts, mut exceptions) = (0_usize, 0_usize);
    for one in commits {
        match str_of(one, "status") {
            Some("affected") => {}
            Some("unaffected") if default != Some("affected") && says_affected(one) => {}
            Some("unaffected") => {
                exceptions += 1;
                continue;
            }
            status => {
                draft.warn(format!(
                    "the status of the commits {} is \"{}\"",
                    shown(one),
                    quote(status.unwrap_or_default())
                ));
                doubts += 1;
                continue;
            }
        }
        let version = str_of(one, "version").unwrap_or_default();
        let is_alone = bound_of(one).is_none() && list_of(one, "changes").is_empty();
        let is_named = !is_alone || !is_beginning(version) || matches!(version, "0" | "*");
        let range = range_of(one, is_hash).filter(|(_, is_understood)| *is_understood && is_named);
        let Some((mut range, _)) = range else {
            draft.warn(format!("not commits: {}", shown(one)));
            doubts += 1;
            continue;
        };
        if is_alone && !is_beginning(version) {
            // A single commit.
            range = range.and("last_affected", version);
        }
        ranges.push(range);
    }
    if default == Some("affected") && exceptions > 0 {
        draft.warn(format!(
            "{exceptions} exceptions of commits are not carried over from {}",
            quote(repo)
        ));
        doubts += 1;
    }
    if default == Some("affected") && exceptions == 0 {
        ranges.push(Range::from("0"));
    }
    if doubts > 0 {
        ranges.push(Range::undecided());
    }
    for range in &mut ranges {
        (range.kind, range.repo) = ("GIT", Some(repo.to_owned()));
    }
    ranges
}
