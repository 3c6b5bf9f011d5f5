//! Products of a CNA's container that are packages of a registry, or commits of a repository.

use starling_protocol::json::Value;

use super::super::draft::{Affected, Draft, Range};
use super::super::text::quote;
use super::super::value::{list_of, str_of};

/// Registries by a part of their address.
const REGISTRIES: [(&str, &str); 11] = [
    ("npmjs.", "npm"),
    ("pypi.", "PyPI"),
    ("crates.io", "crates.io"),
    ("rubygems.org", "RubyGems"),
    ("packagist.org", "Packagist"),
    ("nuget.org", "NuGet"),
    ("hex.pm", "Hex"),
    ("repo.maven.apache.org", "Maven"),
    ("repo1.maven.org", "Maven"),
    ("pub.dev", "Pub"),
    ("pkg.go.dev", "Go"),
];

/// URL types of packages, by their ecosystem.
const TYPES: [(&str, &str); 10] = [
    ("npm", "npm"),
    ("pypi", "PyPI"),
    ("cargo", "crates.io"),
    ("gem", "RubyGems"),
    ("composer", "Packagist"),
    ("nuget", "NuGet"),
    ("hex", "Hex"),
    ("maven", "Maven"),
    ("pub", "Pub"),
    ("golang", "Go"),
];

/// Adds the entries of `affected` that a container names as packages or commits.
pub(super) fn of_container(draft: &mut Draft<'_>, cna: &Value<'_>) {
    for product in list_of(cna, "affected") {
        let (commits, versions): (Vec<&Value<'_>>, Vec<&Value<'_>>) = list_of(product, "versions")
            .iter()
            .partition(|one| is_commit(one));
        if let Some(repo) = str_of(product, "repo") {
            let ranges = git_ranges(draft, repo, &commits, str_of(product, "defaultStatus"));
            if !ranges.is_empty() {
                draft.affected.push(Affected {
                    ranges,
                    ..Affected::default()
                });
            }
        }
        if let Some((ecosystem, name)) = package(product) {
            let mut entry = Affected::of(ecosystem, name);
            read_versions(draft, &mut entry, &versions, str_of(product, "defaultStatus"));
            if !entry.ranges.is_empty() || !entry.versions.is_empty() {
                draft.affected.push(entry);
            }
        }
    }
}

fn is_commit(version: &Value<'_>) -> bool {
    matches!(
        str_of(version, "versionType"),
        Some("git" | "original_commit_for_fix")
    )
}

/// The package that a product is: by its package URL, else by its registry and name.
pub(crate) fn package(product: &Value<'_>) -> Option<(&'static str, String)> {
    if let Some(purl) = str_of(product, "packageURL") {
        return package_of_url(purl);
    }
    let collection = str_of(product, "collectionURL")?;
    let name = str_of(product, "packageName")?;
    let (_, ecosystem) = REGISTRIES.iter().find(|(part, _)| collection.contains(part))?;
    if name.contains(char::is_whitespace) {
        return None;
    }
    Some((ecosystem, name.to_owned()))
}

/// The package that a package URL of a registry names.
pub(crate) fn package_of_url(purl: &str) -> Option<(&'static str, String)> {
    let rest = purl.strip_prefix("pkg:")?.trim_start_matches('/');
    let rest = rest.split(['?', '#']).next()?;
    let (ty, path) = rest.split_once('/')?;
    // The version stands behind the last `@`; a scope begins with one.
    let path = match path.rfind('@') {
        Some(at) if at > 0 && !path.get(..at)?.ends_with('/') => path.get(..at)?,
        _ => path,
    };
    let (_, ecosystem) = TYPES.iter().find(|(own, _)| *own == ty)?;
    let name = percent_decoded(path)?;
    let name = match (*ecosystem, name.rsplit_once('/')) {
        ("Maven", Some((group, artifact))) => format!("{group}:{artifact}"),
        _ => name,
    };
    (!name.is_empty() && !name.contains(char::is_whitespace)).then_some((ecosystem, name))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = tail.get(2..)?;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

/// A version that stands for the beginning.
fn is_beginning(version: &str) -> bool {
    matches!(
        version,
        "0" | "*" | "unspecified" | "n/a" | "-" | "0.0" | "0.0.0" | ""
    )
}

/// True for text that is no version: words and comparisons.
fn is_prose(version: &str) -> bool {
    version.contains(|c: char| c.is_whitespace() || "<>=,|".contains(c))
        || !version.contains(|c: char| c.is_ascii_digit())
}

fn read_versions(
    draft: &mut Draft<'_>,
    entry: &mut Affected<'_>,
    versions: &[&Value<'_>],
    default: Option<&str>,
) {
    if default == Some("affected") {
        return read_exceptions(draft, entry, versions);
    }
    for one in versions
        .iter()
        .filter(|one| str_of(one, "status") == Some("affected"))
    {
        let version = str_of(one, "version").unwrap_or_default();
        let less_than = str_of(one, "lessThan");
        let up_to = str_of(one, "lessThanOrEqual");
        let bound = less_than.or(up_to);
        if bound.is_some_and(|bound| bound != "*" && is_prose(bound))
            || (!is_beginning(version) && is_prose(version))
        {
            draft.warn(format!(
                "{}: versions in words: \"{}\"",
                entry.name,
                quote(version)
            ));
            continue;
        }
        if bound.is_none() && one.get("changes").is_none() {
            if is_beginning(version) {
                // A product all of whose versions are meant says so in words only.
                draft.warn(format!("{}: no version is named", entry.name));
            } else {
                entry.versions.push(version.to_owned());
            }
            continue;
        }
        let start = if is_beginning(version) { "0" } else { version };
        let mut range = Range::from(start);
        for change in list_of(one, "changes") {
            if let (Some(at), Some(status)) = (str_of(change, "at"), str_of(change, "status")) {
                let kind = if status == "affected" {
                    "introduced"
                } else {
                    "fixed"
                };
                range = range.and(kind, at);
            }
        }
        match (less_than, up_to) {
            (Some("*"), _) | (None, Some("*")) | (None, None) => {}
            (Some(fixed), _) => range = range.and("fixed", fixed),
            (None, Some(last)) => range = range.and("last_affected", last),
        }
        entry.ranges.push(range);
    }
}

/// Of a product that is affected unless said otherwise: what is unaffected from a version on ends the range, and any
/// other exception is left out, so that nothing is called clean in doubt.
fn read_exceptions(draft: &mut Draft<'_>, entry: &mut Affected<'_>, versions: &[&Value<'_>]) {
    let mut range = Range::from("0");
    for one in versions
        .iter()
        .filter(|one| str_of(one, "status") == Some("unaffected"))
    {
        let version = str_of(one, "version").unwrap_or_default();
        let is_open = str_of(one, "lessThan") == Some("*")
            || str_of(one, "lessThanOrEqual").is_some_and(|v| v.ends_with('*'));
        let is_alone =
            one.get("lessThan").is_none() && one.get("lessThanOrEqual").is_none() && versions.len() == 1;
        if (is_open || is_alone) && range.events.len() == 1 && !is_prose(version) && !is_beginning(version) {
            range = range.and("fixed", version);
        } else {
            draft.warn(format!(
                "{}: the exception {} is not carried over",
                entry.name,
                quote(version)
            ));
        }
    }
    entry.ranges.push(range);
}

fn is_hash(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn git_ranges(
    draft: &mut Draft<'_>,
    repo: &str,
    commits: &[&Value<'_>],
    default: Option<&str>,
) -> Vec<Range> {
    let mut ranges = Vec::new();
    let wanted = if default == Some("affected") {
        ""
    } else {
        "affected"
    };
    for one in commits.iter().filter(|one| str_of(one, "status") == Some(wanted)) {
        let start = str_of(one, "version").unwrap_or_default();
        let start = if is_beginning(start) { "0" } else { start };
        let fixed = str_of(one, "lessThan").filter(|fixed| *fixed != "*");
        if (start != "0" && !is_hash(start)) || fixed.is_some_and(|fixed| !is_hash(fixed)) {
            draft.warn(format!("not a commit: \"{}\"", quote(fixed.unwrap_or(start))));
            continue;
        }
        let mut range = Range::from(start);
        if let Some(fixed) = fixed {
            range = range.and("fixed", fixed);
        } else if let Some(last) = str_of(one, "lessThanOrEqual").filter(|last| is_hash(last)) {
            range = range.and("last_affected", last);
        } else if start != "0" && one.get("lessThan").is_none() {
            // A single commit.
            range = range.and("last_affected", start);
        }
        (range.kind, range.repo) = ("GIT", Some(repo.to_owned()));
        ranges.push(range);
    }
    ranges
}
