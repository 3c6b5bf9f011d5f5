//! GitHub's advisories from its REST interface. Those of its repository are OSV records, which need no connector.

#[cfg(test)]
mod tests;

use starling_protocol::json::Value;

use super::Connector;
use super::draft::{Affected, Draft, Range};
use super::form::Form;
use super::output::Output;
use super::severity;
use super::shallow;
use super::shape::Shape;
use super::text::{is_prose, quote};
use super::value::{self, list_of, str_of};

/// Reads GitHub's advisories.
pub(crate) struct Ghsa;

/// The form of an advisory.
const FORM: Form = Form {
    lists: &["vulnerabilities", "identifiers", "cwes"],
    texts: &[],
    versions: &[
        "vulnerable_version_range",
        "first_patched_version",
        "patched_versions",
        "identifier",
    ],
};

/// Ecosystems by GitHub's names for them.
const ECOSYSTEMS: [(&str, &str); 13] = [
    ("actions", "GitHub Actions"),
    ("composer", "Packagist"),
    ("erlang", "Hex"),
    ("go", "Go"),
    ("maven", "Maven"),
    ("npm", "npm"),
    ("nuget", "NuGet"),
    ("pip", "PyPI"),
    ("pub", "Pub"),
    ("rubygems", "RubyGems"),
    ("rust", "crates.io"),
    ("swift", "SwiftURL"),
    ("other", ""),
];

impl Connector for Ghsa {
    fn name(&self) -> &'static str {
        "ghsa"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        shape.has("ghsa_id")
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let quoted = FORM.quoted(crate::osv::strip_byte_order_mark(bytes).trim_ascii_start());
        let body = quoted.as_ref();
        if shallow::member(body, "ghsa_id").is_some() {
            if let Some(item) = out.json(body) {
                advisory(out, String::new(), item);
            }
        } else {
            out.json_items("", body, &mut advisory);
        }
    }
}

fn advisory(out: &mut Output<'_>, pointer: String, item: Value<'_>) {
    let (item, odd) = FORM.read(item);
    let id = str_of(&item, "ghsa_id").unwrap_or_default();
    if !id.starts_with("GHSA-") {
        return out.reject(pointer, format!("not the id of an advisory: \"{}\"", quote(id)));
    }
    let mut draft = Draft::of(id);
    draft.warn_of(odd);
    draft.published = draft.time("published_at", str_of(&item, "published_at"));
    draft.modified = draft.time("updated_at", str_of(&item, "updated_at"));
    draft.withdrawn = draft.time("withdrawn_at", str_of(&item, "withdrawn_at"));
    state(&mut draft, &item);
    draft.summary = str_of(&item, "summary").map(str::to_owned);
    draft.details = str_of(&item, "description").map(str::to_owned);
    let identifiers = list_of(&item, "identifiers").iter();
    let names = identifiers.filter_map(|identifier| str_of(identifier, "value"));
    let names: Vec<&str> = str_of(&item, "cve_id").into_iter().chain(names).collect();
    draft.named(&names);
    let severities = item.get("cvss_severities");
    for (key, version) in [("cvss_v4", "4.0"), ("cvss_v3", "3.1")] {
        // A score of 0.0 without a vector is not a rating.
        let vector_in = |stated: Option<&Value<'_>>| str_of(stated?, "vector_string").map(str::to_owned);
        let newer = vector_in(severities.and_then(|all| all.get(key)));
        let older = || vector_in(item.get("cvss").filter(|_| key == "cvss_v3"));
        let Some(vector) = newer.or_else(older) else {
            continue;
        };
        match severity::vector_of(&vector, version) {
            Some(severity) => draft.rate(severity),
            None => draft.warn(format!("{key}: not a CVSS vector: \"{}\"", quote(&vector))),
        }
    }
    if let Some(word) = str_of(&item, "severity").filter(|word| *word != "unknown") {
        draft
            .specific
            .push(("severity", value::text(word.to_ascii_uppercase())));
    }
    let mut cwes: Vec<String> = list_of(&item, "cwes")
        .iter()
        .filter_map(|cwe| str_of(cwe, "cwe_id"))
        .map(str::to_owned)
        .collect();
    if cwes.is_empty() {
        cwes.extend(value::strs_of(&item, "cwe_ids").map(str::to_owned));
    }
    if !cwes.is_empty() {
        draft.specific.push(("cwe_ids", value::texts(cwes)));
    }
    for reference in list_of(&item, "references") {
        draft.link(
            "WEB",
            reference
                .as_str()
                .or_else(|| str_of(reference, "url"))
                .unwrap_or_default(),
        );
    }
    for (key, kind) in [("source_code_location", "PACKAGE"), ("html_url", "ADVISORY")] {
        draft.link(kind, str_of(&item, key).unwrap_or_default());
    }
    for vulnerable in list_of(&item, "vulnerabilities") {
        package(&mut draft, vulnerable);
    }
    let told = [
        "ghsa_id",
        "cve_id",
        "summary",
        "description",
        "published_at",
        "updated_at",
        "withdrawn_at",
        "references",
    ];
    if let Value::Object(object) = value::without(item, &told) {
        for (key, value) in object.into_entries() {
            draft.keep(key, value);
        }
    }
    out.record(pointer, draft);
}

/// Evaluates the state of an advisory of a repository.
fn state(draft: &mut Draft<'_>, item: &Value<'_>) {
    match str_of(item, "state") {
        None | Some("published") => {}
        Some("closed" | "withdrawn") => {
            let closed = draft.time("closed_at", str_of(item, "closed_at"));
            let time = draft.withdrawn.take().or(closed);
            let time = time
                .or_else(|| draft.modified.clone())
                .or_else(|| draft.published.clone());
            draft.withdrawn = time.or_else(|| {
                draft.warn("a withdrawn advisory without a time");
                Some("1970-01-01T00:00:00Z".to_owned())
            });
        }
        Some(other) => draft.warn(format!(
            "the advisory is not published: its state is \"{}\"",
            quote(other)
        )),
    }
}

fn package<'v>(draft: &mut Draft<'v>, vulnerable: &Value<'v>) {
    let package = vulnerable.get("package").cloned().unwrap_or_default();
    let (stated, name) = (
        str_of(&package, "ecosystem").unwrap_or_default(),
        str_of(&package, "name").unwrap_or_default(),
    );
    let lower = stated.to_ascii_lowercase();
    let ecosystem = ECOSYSTEMS
        .iter()
        .find(|(own, _)| *own == lower)
        .map(|(_, name)| *name);
    let Some(ecosystem) = ecosystem.filter(|known| !known.is_empty() && !name.is_empty()) else {
        return draft.warn(format!(
            "a package of the ecosystem \"{}\" has no entry",
            quote(stated)
        ));
    };
    let mut entry = Affected::of(ecosystem, name);
    let text = str_of(vulnerable, "vulnerable_version_range").unwrap_or_default();
    let fixed = patched(draft, name, vulnerable);
    match range(text) {
        Some(RangeOrVersion::Range(mut range)) => {
            end_with(&mut range, &mut entry, fixed);
            entry.ranges.push(range);
        }
        Some(RangeOrVersion::Version(version)) => {
            match fixed {
                // As in GitHub's own records of the OSV schema, so that the fix is known.
                Some(fixed) if is_before(&version, fixed) => {
                    entry.ranges.push(Range::from(&version).and("fixed", fixed));
                }
                Some(fixed) => entry.specific.push(first_patched(fixed)),
                None => {}
            }
            entry.versions.push(version);
        }
        None => {
            draft.warn(format!(
                "{name}: the range \"{}\" is not understood, all versions are meant",
                quote(text)
            ));
            entry.ranges.push(Range::from("0"));
            entry.specific.extend(fixed.map(first_patched));
        }
    }
    draft.affected.push(entry);
}

/// Returns the first patched version of a package; in an advisory of a repository it is text that its owners wrote.
fn patched<'v>(draft: &mut Draft<'_>, name: &str, vulnerable: &'v Value<'_>) -> Option<&'v str> {
    let first = vulnerable.get("first_patched_version");
    let first = first.and_then(|first| first.as_str().or_else(|| str_of(first, "identifier")));
    // `None` is not a version.
    let is_version = |first: &&str| first.contains(|c: char| c.is_ascii_digit());
    if let Some(first) = first.map(str::trim).filter(is_version) {
        return Some(first);
    }
    let text = str_of(vulnerable, "patched_versions")?.trim();
    let version = text.trim_start_matches(['>', '=']).trim();
    let is_one = !version.contains([',', '|', '<', '>', '=', '^', '~', '*', ' ']);
    let has_digit = version.contains(|c: char| c.is_ascii_digit());
    if is_one && has_digit && !text.starts_with("> ") && !is_prose(version) {
        return Some(version);
    }
    if has_digit {
        draft.warn(format!(
            "{name}: the patched versions \"{}\" are not a single one, and end nothing",
            quote(text)
        ));
    }
    None
}

fn first_patched(fixed: &str) -> (&'static str, Value<'static>) {
    ("first_patched_version", value::text(fixed.to_owned()))
}

/// Ends a range by the first patched version, as GitHub's own records of the OSV schema do: without one, a range before a
/// version does not end, as that version is not a fix.
fn end_with(range: &mut Range, entry: &mut Affected<'_>, fixed: Option<&str>) {
    let last = match (range.events.last(), fixed) {
        (Some(("introduced", _)), Some(fixed)) => return range.events.push(("fixed", fixed.to_owned())),
        (Some(("last_affected", last)), Some(_)) => format!("<= {last}"),
        (Some(("fixed", end)), fixed) if fixed != Some(end.as_str()) => format!("< {end}"),
        _ => return,
    };
    let version = last.trim_start_matches(['<', '=', ' ']);
    let is_end = fixed.is_none_or(|fixed| is_before(version, fixed));
    entry.specific.push(match fixed {
        Some(fixed) if !is_end => first_patched(fixed),
        _ => ("last_known_affected_version_range", value::text(last)),
    });
    if is_end {
        range.events.pop();
        range
            .events
            .extend(fixed.map(|fixed| ("fixed", fixed.to_owned())));
    }
}

/// Returns true if a version is certainly before another one: a number in the same place is lower, or more numbers
/// follow.
pub(crate) fn is_before(first: &str, second: &str) -> bool {
    let bytes = first.bytes().zip(second.bytes());
    let same = bytes.take_while(|(a, b)| a == b).count();
    // The number in which they differ begins before the digits that differ.
    let head = first.get(..same).unwrap_or_default();
    let start = head.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number = |text: &str| {
        let text = text.get(start..)?;
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end)?.parse::<u64>().ok()
    };
    match (number(first), number(second)) {
        (Some(a), Some(b)) if a != b => a < b,
        _ => {
            let more = second.strip_prefix(first).and_then(|more| more.strip_prefix('.'));
            let is_number = |more: &str| more.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            // 1.2.0 is 1.2.
            more.is_some_and(|more| is_number(more) && more.contains(|c| ('1'..='9').contains(&c)))
        }
    }
}

/// The meaning of a text about versions.
pub(crate) enum RangeOrVersion {
    /// A range.
    Range(Range),
    /// A single version.
    Version(String),
}

/// Parses `>= 1.0, < 1.2.3`, `= 2.0.0`, `<= 3`, `> 1.0`, and several ranges in a row; an empty text means all versions.
/// `None` if the order of two bounds is not certain, so that they may be the ends of one range or of two.
pub(crate) fn range(text: &str) -> Option<RangeOrVersion> {
    let mut read = Bounds::default();
    // Owners of repositories type the operators.
    let mut text = text.to_owned();
    for (typed, meant) in [
        ("≤", "<="),
        ("≥", ">="),
        ("=<", "<="),
        ("=>", ">="),
        ("==", "="),
        ("||", ","),
    ] {
        text = text.replace(typed, meant);
    }
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let at = part.find(|c: char| !"<>=".contains(c))?;
        let (operator, version) = part.split_at(at);
        let version = version.trim();
        if is_prose(version) {
            return None;
        }
        match operator {
            // The version itself is not affected by `>`, which no event can state; calling it affected is the safe
            // choice.
            ">=" | ">" => read.begin(version)?,
            "<" => read.end("fixed", version)?,
            "<=" => read.end("last_affected", version)?,
            "=" if text.trim() == part => return Some(RangeOrVersion::Version(version.to_owned())),
            _ => return None,
        }
    }
    Some(RangeOrVersion::Range(read.finish()))
}

/// The bounds of ranges, in the order of a text.
#[derive(Default)]
struct Bounds {
    complete: Vec<(&'static str, String)>,
    start: Option<String>,
    end: Option<(&'static str, String)>,
}

impl Bounds {
    /// Adds the first version of a range: of the one before if that has none and ends later, else of another one.
    fn begin(&mut self, version: &str) -> Option<()> {
        match (&self.start, &self.end) {
            (None, None) => {}
            (None, Some((_, end))) if is_before(version, end) => {}
            (_, Some((_, end))) if end == version || is_before(end, version) => self.close(),
            _ => return None,
        }
        self.start = Some(version.to_owned());
        Some(())
    }

    /// Adds the end of a range, unless it certainly comes before the beginning.
    fn end(&mut self, kind: &'static str, version: &str) -> Option<()> {
        let is_reversed = |start: &String| is_before(version, start);
        if self.end.is_some() || self.start.as_ref().is_some_and(is_reversed) {
            return None;
        }
        self.end = Some((kind, version.to_owned()));
        Some(())
    }

    fn close(&mut self) {
        let start = self.start.take().unwrap_or_else(|| "0".to_owned());
        self.complete.push(("introduced", start));
        self.complete.extend(self.end.take());
    }

    fn finish(mut self) -> Range {
        if self.complete.is_empty() || self.start.is_some() || self.end.is_some() {
            self.close();
        }
        Range {
            events: self.complete,
            ..Range::undecided()
        }
    }
}

#[cfg(test)]
mod range_tests {
    use super::*;

    #[test]
    fn order_of_two_versions_is_certain_or_not() {
        for (first, second) in [
            ("1.9", "1.10"),
            ("3.11.0.Final", "3.11.1.Final"),
            ("1.1.3", "2.0.0-beta.1"),
            ("1.2", "1.2.1"),
            ("1.0-rc2", "1.0-rc10"),
            ("0.0.0-20210101000000-abc", "0.0.0-20220101000000-abc"),
        ] {
            assert!(
                is_before(first, second) && !is_before(second, first),
                "{first} {second}"
            );
        }
        for (first, second) in [
            ("1.2", "1.2"),
            ("1.2", "1.2.0"),
            ("1.0", "1.0-rc1"),
            ("1.0-rc1", "1.0"),
            ("1.0-beta5", "1.0-alpha7"),
            ("v1.2", "1.3"),
            ("1.2a", "1.2b"),
            ("é", "è"),
        ] {
            assert!(!is_before(first, second), "{first} {second}");
        }
    }

    #[test]
    fn ranges_are_parsed_or_refused() {
        let events = |text: &str| match range(text) {
            Some(RangeOrVersion::Range(range)) => range
                .events
                .iter()
                .map(|(kind, v)| format!("{kind}={v}"))
                .collect::<Vec<_>>()
                .join(" "),
            Some(RangeOrVersion::Version(version)) => format!("=={version}"),
            None => "none".to_owned(),
        };
        for (text, expected) in [
            (">= 1.0, < 1.2.3", "introduced=1.0 fixed=1.2.3"),
            ("<= 3", "introduced=0 last_affected=3"),
            ("= 2.0.0", "==2.0.0"),
            ("", "introduced=0"),
            ("> 1.0", "introduced=1.0"),
            ("before 3", "none"),
            ("= 1, < 2", "none"),
            ("<= 1.2.x", "none"),
            ("< 2.0, >= 1.0", "introduced=1.0 fixed=2.0"),
            (
                ">= 1.0, < 1.2, >= 2.0, <= 2.3",
                "introduced=1.0 fixed=1.2 introduced=2.0 last_affected=2.3",
            ),
            ("< 1.2, >= 2.0", "introduced=0 fixed=1.2 introduced=2.0"),
            (
                "< 1.2 || >= 2.0, < 2.3",
                "introduced=0 fixed=1.2 introduced=2.0 fixed=2.3",
            ),
            ("=> 1.0, =< 1.5", "introduced=1.0 last_affected=1.5"),
            ("≥ 1.0, ≤ 1.5", "introduced=1.0 last_affected=1.5"),
            ("== 1.5", "==1.5"),
            ("< 1.2 || < 2.3", "none"),
            (
                ">= 1.0, < 2.0, >= 2.0, < 2.1",
                "introduced=1.0 fixed=2.0 introduced=2.0 fixed=2.1",
            ),
            // One range or two, and which of them.
            ("< 1.2, < 2.3", "none"),
            (">= 1.0, >= 2.0", "none"),
            (">= 2.0, < 1.0", "none"),
            ("< 1.2-b, >= 1.2-a", "none"),
        ] {
            assert_eq!(events(text), expected, "{text}");
        }
    }
}
