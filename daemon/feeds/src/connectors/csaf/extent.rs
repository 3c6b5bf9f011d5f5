//! The versions that a product of a CSAF document stands for.

use super::super::draft::Range;
use super::super::ghsa::is_before;
use super::super::rpm::percent_decoded;
use super::tree::Product;

/// The versions of a product.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Extent<'v> {
    /// No version is named: all of them.
    All,
    /// One version.
    One(String),
    /// Ranges of versions.
    Ranges(Vec<Range>),
    /// Ranges that include a version which the text excludes.
    Wider(Vec<Range>, &'v str),
    /// A text that is neither a version nor a range.
    Unclear(&'v str),
}

/// Returns the versions of a product: those of the branch of its range, else the version in its URL, else the name of
/// the branch of its version.
pub(super) fn extent_of<'v>(purl: &'v str, product: &Product<'v>) -> Extent<'v> {
    if let Some(range) = product.range {
        return range_of(range, false);
    }
    let path = purl.split(['?', '#']).next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    let in_url = last.rsplit_once('@').map(|(_, version)| version);
    match (in_url.filter(|version| !version.is_empty()), product.version) {
        (Some(version), _) => match percent_decoded(version) {
            decoded if is_sound(&decoded) => Extent::One(decoded),
            _ => Extent::Unclear(version),
        },
        (None, Some(name)) => range_of(name, true),
        (None, None) => Extent::All,
    }
}

/// Returns the first version that has the fix; `None` if a fixed product does not name it.
pub(super) fn fixed_at(extent: &Extent<'_>) -> Option<String> {
    match extent {
        Extent::One(version) => Some(version.clone()),
        Extent::Ranges(ranges) => match ranges.as_slice() {
            [range] => match range.events.first() {
                Some(("introduced", version)) if version != "0" => Some(version.clone()),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// Parses `vers:npm/>=1.0|<1.2`, `<1.2`, `>=1.0, <1.2`; in the branch of a version, also a version alone.
fn range_of(text: &str, is_version: bool) -> Extent<'_> {
    let text = text.trim();
    if let "" | "*" | "-" | "n/a" | "unspecified" | "any" | "all" = text.to_ascii_lowercase().as_str() {
        return Extent::All;
    }
    let (constraints, is_vers) = match text.strip_prefix("vers:") {
        Some(rest) => (rest.split_once('/').map_or(rest, |(_, rest)| rest), true),
        None => (text, false),
    };
    let parts: Vec<String> = if is_vers {
        constraints
            .split('|')
            .map(|part| percent_decoded(part.trim()))
            .collect()
    } else if text.starts_with(|c: char| "<>=!".contains(c)) {
        words(text)
    } else if is_sound(text) && (is_version || text.bytes().all(|b| b.is_ascii_digit() || b == b'.')) {
        return Extent::One(text.to_owned());
    } else {
        return Extent::Unclear(text);
    };
    match ranges(&parts) {
        None => Extent::Unclear(text),
        Some((ranges, true)) => Extent::Wider(ranges, text),
        Some((ranges, false)) => Extent::Ranges(ranges),
    }
}

/// Cuts a text before each operator; commas and bars between the parts are left out.
fn words(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut is_after_operator = false;
    for c in text.chars() {
        let is_operator = "<>=!".contains(c);
        match parts.last_mut() {
            Some(part) if !is_operator || is_after_operator => part.push(c),
            _ => parts.push(c.to_string()),
        }
        is_after_operator = is_operator;
    }
    let separators = |c: char| c.is_whitespace() || ",|".contains(c);
    parts
        .iter()
        .map(|part| part.trim_end_matches(separators).to_owned())
        .collect()
}

/// Returns the ranges of these constraints, and true if they include an excluded version. `None` if one is unknown.
///
/// No order of versions is known here: what two constraints say together is never less than what they mean.
fn ranges(parts: &[String]) -> Option<(Vec<Range>, bool)> {
    let (mut ranges, mut is_wider) = (Vec::new(), false);
    let mut start: Option<String> = None;
    for part in parts {
        if part == "*" {
            ranges.push(Range::from("0"));
            continue;
        }
        let (operator, version) = part.split_at(part.find(|c: char| !"<>=!".contains(c))?);
        let version = version.trim();
        if !is_sound(version) {
            return None;
        }
        let from = |start: Option<String>| Range::from(start.unwrap_or_else(|| "0".to_owned()));
        match operator {
            ">=" | ">" => {
                is_wider |= operator == ">";
                if let (Some((kind, end)), [_, _]) = (end_after(&ranges, version), parts) {
                    ranges = vec![Range::from(version).and(kind, end)];
                    continue;
                }
                ranges.extend(start.replace(version.to_owned()).map(Range::from));
            }
            "<" => ranges.push(from(start.take()).and("fixed", version)),
            "<=" => ranges.push(from(start.take()).and("last_affected", version)),
            "" | "=" | "==" => ranges.push(Range::from(version).and("last_affected", version)),
            "!=" => is_wider = true,
            _ => return None,
        }
    }
    ranges.extend(start.map(Range::from));
    (!ranges.is_empty()).then_some((ranges, is_wider))
}

/// Returns the end of the only range, if that has no beginning and certainly ends after this version: then it begins there.
fn end_after(ranges: &[Range], version: &str) -> Option<(&'static str, String)> {
    let [only] = ranges else { return None };
    let [("introduced", start), (kind, end)] = only.events.as_slice() else {
        return None;
    };
    (start == "0" && is_before(version, end)).then(|| (*kind, end.clone()))
}

/// Returns true for the form of a version; false for words, lists and patterns.
fn is_sound(version: &str) -> bool {
    let is_pattern = |part: &str| part.eq_ignore_ascii_case("x");
    version.contains(|c: char| c.is_ascii_digit())
        && !version.contains(|c: char| c.is_whitespace() || "<>=,;|*".contains(c))
        && !version.split('.').any(is_pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(extent: Extent<'_>) -> String {
        let list = |ranges: Vec<Range>| {
            let range = |range: Range| {
                let events = range
                    .events
                    .iter()
                    .map(|(kind, version)| format!("{kind}={version}"));
                events.collect::<Vec<_>>().join(" ")
            };
            ranges.into_iter().map(range).collect::<Vec<_>>().join("; ")
        };
        match extent {
            Extent::All => "all".to_owned(),
            Extent::One(version) => format!("=={version}"),
            Extent::Ranges(ranges) => list(ranges),
            Extent::Wider(ranges, _) => format!("wider: {}", list(ranges)),
            Extent::Unclear(_) => "unclear".to_owned(),
        }
    }

    #[test]
    fn version_ranges_are_parsed_or_unclear() {
        for (text, expected) in [
            (
                "vers:npm/>=1.0|<1.2|>=2.0",
                "introduced=1.0 fixed=1.2; introduced=2.0",
            ),
            ("<=3", "introduced=0 last_affected=3"),
            ("< 1.2", "introduced=0 fixed=1.2"),
            ("vers:all/*", "introduced=0"),
            (
                "vers:npm/1.2|1.3",
                "introduced=1.2 last_affected=1.2; introduced=1.3 last_affected=1.3",
            ),
            ("vers:pypi/<1!2.0%2Bx", "introduced=0 fixed=1!2.0+x"),
            (">=1.0, <1.2", "introduced=1.0 fixed=1.2"),
            (">=1.0 <1.2", "introduced=1.0 fixed=1.2"),
            ("<1.2, >=1.0", "introduced=1.0 fixed=1.2"),
            ("<1.2, >=2.0", "introduced=0 fixed=1.2; introduced=2.0"),
            // The lower one of two beginnings is not known.
            ("vers:npm/>=1.0|>=2.0", "introduced=1.0; introduced=2.0"),
            ("vers:npm/>1.0|<2.0", "wider: introduced=1.0 fixed=2.0"),
            ("vers:npm/>=1.0|!=1.5|<2.0", "wider: introduced=1.0 fixed=2.0"),
            ("1.2", "==1.2"),
            ("all", "all"),
        ] {
            assert_eq!(shown(range_of(text, false)), expected, "{text}");
        }
        for text in [
            "all versions before 3",
            "2.x",
            "<2.x",
            "1.0-1.5",
            "!=1",
            "<",
            "vers:npm/",
            "< 1.2 and > 1.0",
        ] {
            assert_eq!(shown(range_of(text, false)), "unclear", "{text}");
        }
    }

    #[test]
    fn version_of_a_branch_may_be_a_range() {
        for (name, expected) in [
            ("1.0-beta", "==1.0-beta"),
            ("<1.2", "introduced=0 fixed=1.2"),
            ("vers:npm/<1.2", "introduced=0 fixed=1.2"),
            ("*", "all"),
            ("2.x", "unclear"),
            ("V3.2 SP1", "unclear"),
        ] {
            assert_eq!(shown(range_of(name, true)), expected, "{name}");
        }
    }

    #[test]
    fn version_in_a_url_is_one_version() {
        let product = Product::default();
        for (purl, expected) in [
            ("pkg:npm/p@1.0%2Bx?type=jar#sub", "==1.0+x"),
            ("pkg:npm/%40scope/p", "all"),
            ("pkg:npm/p@", "all"),
            ("pkg:npm/p@*", "unclear"),
            ("pkg:npm/p@%3C1.2", "unclear"),
            ("pkg:npm/p@latest", "unclear"),
        ] {
            assert_eq!(shown(extent_of(purl, &product)), expected, "{purl}");
        }
    }

    #[test]
    fn fixed_range_begins_with_the_fix() {
        for (text, expected) in [
            ("vers:npm/>=1.2", Some("1.2")),
            ("1.2", Some("1.2")),
            ("vers:npm/>1.2", None),
            ("<1.2", None),
            ("*", None),
        ] {
            assert_eq!(fixed_at(&range_of(text, false)).as_deref(), expected, "{text}");
        }
    }
}
