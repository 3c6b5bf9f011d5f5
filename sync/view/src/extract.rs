//! Extracts from a record's body what identity needs: its aliases, its packages, whether it is withdrawn.
//!
//! Lenient by design. A field of the wrong type, `null` instead of a list, a name that cannot be a key: each is
//! skipped, and reported if something is lost. The body itself stays unchanged.

use std::collections::{BTreeMap, BTreeSet};

use starling_protocol::ContentHash;
use starling_protocol::json::{self, Value};

use crate::changes::Problem;
use crate::codec::{RecordRow, RecordState, write_package};
use crate::limits::{MAX_NAME_BYTES, MAX_RECORD_ALIASES, MAX_RECORD_PACKAGES, MAX_RECORD_PRODUCTS};
use crate::package::{PackageId, normalise_repository};
use crate::parsed_body::{related_of, upstream_of};
use crate::ports::RecordKey;
use crate::settings::{NormaliseName, ProductsOf, Settings};
use crate::vulnerability::VulnerabilityId;

/// Builds the row of a record from its body, with a list of its problems.
pub(crate) fn extract(
    record: &RecordKey,
    content: ContentHash,
    body: &[u8],
    settings: &Settings,
) -> (RecordRow, BTreeSet<Problem>) {
    let mut problems = BTreeSet::new();
    let value = match json::parse(body) {
        Ok(value) if value.as_object().is_some() => value,
        _ => {
            problems.insert(Problem::BodyUnreadable);
            return (
                RecordRow::silent(RecordState::BodyUnreadable, Some(content)),
                problems,
            );
        }
    };
    let state = if is_withdrawn(&value) {
        RecordState::Withdrawn
    } else {
        RecordState::Live
    };
    let aliases = aliases(&value, record, &mut problems);
    let own = VulnerabilityId::of_record(&record.id);
    let mut upstream = upstream_of(&value);
    // With several CVEs, none names the record, even if all but one of them are its aliases.
    let is_one = upstream.len() == 1;
    // A record that names no CVE at all may be about those that it calls related.
    if upstream.is_empty() && !own.is_cve() && !aliases.iter().any(VulnerabilityId::is_cve) {
        upstream = related_of(&value);
    }
    upstream.retain(|id| *id != own && aliases.binary_search(id).is_err());
    let row = RecordRow {
        state,
        content: Some(content),
        is_disagreed: false,
        others: Vec::new(),
        upstream: if is_one { upstream.pop_first() } else { None },
        related: upstream.into_iter().take(MAX_RECORD_ALIASES).collect(),
        aliases,
        packages: packages(&value, record, settings.normalise_name, &mut problems),
        products: products(&value, body, settings.products_of, &mut problems),
    };
    (row, problems)
}

/// Joins the rows of several contents between which authors disagree; the first is shown first. The result is
/// live if any content is live, covers every package that any of them names, and is named only by the names
/// that all of them give. A content that cannot be read gives no names.
pub(crate) fn unresolved(rows: Vec<RecordRow>, contents: usize) -> Option<RecordRow> {
    let is_live = |row: &RecordRow| row.state == RecordState::Live;
    let any_live = rows.iter().any(is_live);
    let names = NamesGiven::by(&rows, contents);
    let mut counting = rows
        .into_iter()
        .filter(|row| row.state.contributes() && (!any_live || is_live(row)));
    let mut joined = counting.next()?;
    let mut packages = BTreeMap::new();
    let mut take = |row: &mut RecordRow| {
        for package in row.packages.drain(..) {
            let mut key = Vec::new();
            write_package(&mut key, &package);
            packages.insert(key, package);
        }
    };
    take(&mut joined);
    let mut products: BTreeSet<String> = joined.products.drain(..).collect();
    for mut row in counting {
        take(&mut row);
        products.append(&mut row.products.drain(..).collect());
        joined.others.extend(row.content);
    }
    joined.is_disagreed = true;
    joined.others.sort_unstable();
    joined.aliases = names.aliases.into_iter().collect();
    joined.upstream = names.upstream;
    joined.related = names.related.into_iter().take(MAX_RECORD_ALIASES).collect();
    joined.packages = packages.into_values().take(MAX_RECORD_PACKAGES).collect();
    joined.products = products.into_iter().take(MAX_RECORD_PRODUCTS).collect();
    Some(joined)
}

/// The names that the contents of a disputed record give.
#[derive(Default)]
struct NamesGiven {
    /// Aliases that all of them give.
    aliases: BTreeSet<VulnerabilityId>,
    /// The one CVE that all of them are made from.
    upstream: Option<VulnerabilityId>,
    /// Other ids that some of them give.
    related: BTreeSet<VulnerabilityId>,
}

impl NamesGiven {
    fn by(rows: &[RecordRow], contents: usize) -> Self {
        let mut names = Self::default();
        let reads = |row: &&RecordRow| row.state.contributes();
        if let Some(first) = rows.first()
            && rows.iter().filter(reads).count() == contents
        {
            let given = |alias: &&VulnerabilityId| rows.iter().all(|row| row.aliases.contains(alias));
            names.aliases = first.aliases.iter().filter(given).cloned().collect();
            let same = rows.iter().all(|row| row.upstream == first.upstream);
            names.upstream = first.upstream.clone().filter(|_| same);
        }
        for row in rows {
            let all = row.aliases.iter().chain(&row.upstream).chain(&row.related);
            let is_name =
                |id: &VulnerabilityId| names.aliases.contains(id) || names.upstream.as_ref() == Some(id);
            let related: Vec<_> = all.filter(|id| !is_name(id)).cloned().collect();
            names.related.extend(related);
        }
        names
    }
}

/// Returns true if a body belongs to a withdrawn record: `withdrawn` is any text.
pub(crate) fn is_withdrawn(body: &Value<'_>) -> bool {
    body.get("withdrawn")
        .and_then(Value::as_str)
        .is_some_and(|time| !time.trim().is_empty())
}

/// Returns the package that an entry of `affected` names, in normalised spelling.
///
/// `None` if it names no package; `Err` if the name cannot be a key.
pub(crate) fn package_of(
    affected: &Value<'_>,
    normalise_name: NormaliseName,
) -> Result<Option<PackageId>, Problem> {
    let Some(package) = affected.get("package") else {
        return Ok(None);
    };
    let text = |key| {
        package
            .get(key)
            .and_then(Value::as_str)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let (Some(ecosystem), Some(name)) = (text("ecosystem"), text("name")) else {
        return Ok(None);
    };
    let name = normalise_name(ecosystem, name);
    if !is_usable(ecosystem) || !is_usable(&name) {
        return Err(Problem::UnusableName);
    }
    Ok(Some(PackageId::Package {
        ecosystem: ecosystem.to_owned(),
        name,
    }))
}

/// Returns the git repositories that an entry of `affected` names, in normalised spelling.
pub(crate) fn repositories_of<'a>(
    affected: &'a Value<'_>,
) -> impl Iterator<Item = Result<PackageId, Problem>> + 'a {
    list(affected, "ranges").iter().filter_map(|range| {
        let is_git = range.get("type").and_then(Value::as_str) == Some("GIT");
        let url = range.get("repo").and_then(Value::as_str).filter(|_| is_git)?;
        let repository = normalise_repository(url);
        if repository.is_empty() {
            None
        } else if is_usable(&repository) {
            Some(Ok(PackageId::Repository { repository }))
        } else {
            Some(Err(Problem::UnusableName))
        }
    })
}

/// Returns a list by its key. A missing value, `null` or a value of another type gives an empty list.
pub(crate) fn list<'a, 'v>(value: &'a Value<'v>, key: &str) -> &'a [Value<'v>] {
    value.get(key).and_then(Value::as_array).unwrap_or_default()
}

fn aliases(body: &Value<'_>, record: &RecordKey, problems: &mut BTreeSet<Problem>) -> Vec<VulnerabilityId> {
    let own = VulnerabilityId::of_record(&record.id);
    let mut ids = BTreeSet::new();
    for text in list(body, "aliases").iter().filter_map(Value::as_str) {
        match VulnerabilityId::of(text) {
            Some(id) if id != own => _ = ids.insert(id),
            Some(_) => {}
            None if text.trim().is_empty() => {}
            None => _ = problems.insert(Problem::UnusableName),
        }
    }
    if ids.len() > MAX_RECORD_ALIASES {
        problems.insert(Problem::TooManyAliases);
        ids.clear();
    }
    ids.into_iter().collect()
}

fn packages(
    body: &Value<'_>,
    record: &RecordKey,
    normalise_name: NormaliseName,
    problems: &mut BTreeSet<Problem>,
) -> Vec<PackageId> {
    let affected = list(body, "affected");
    let mut found = keyed(
        affected
            .iter()
            .filter_map(|entry| package_of(entry, normalise_name).transpose()),
        problems,
    );
    if found.is_empty() {
        found = keyed(affected.iter().flat_map(repositories_of), problems);
    }
    if found.is_empty() {
        return vec![PackageId::Record(record.clone())];
    }
    if found.len() > MAX_RECORD_PACKAGES {
        problems.insert(Problem::TooManyPackages);
    }
    found.into_values().take(MAX_RECORD_PACKAGES).collect()
}

/// Returns the products that a record names by CPE, sorted.
fn products(
    value: &Value<'_>,
    body: &[u8],
    products_of: ProductsOf,
    problems: &mut BTreeSet<Problem>,
) -> Vec<String> {
    // The body is parsed once more for them, so only if there may be any.
    let specific = value.get("database_specific");
    if specific.and_then(|specific| specific.get("native")).is_none() {
        return Vec::new();
    }
    let (mut found, has_others) = products_of(body);
    let named = found.len();
    found.retain(|product| is_usable(product));
    if has_others || found.len() < named {
        problems.insert(Problem::UnusableProduct);
    }
    if found.len() > MAX_RECORD_PRODUCTS {
        problems.insert(Problem::TooManyProducts);
    }
    found.into_iter().take(MAX_RECORD_PRODUCTS).collect()
}

/// Collects identities by their keys: sorted, each once.
fn keyed(
    packages: impl Iterator<Item = Result<PackageId, Problem>>,
    problems: &mut BTreeSet<Problem>,
) -> BTreeMap<Vec<u8>, PackageId> {
    let mut found = BTreeMap::new();
    for package in packages {
        match package {
            Ok(package) => {
                let mut key = Vec::new();
                write_package(&mut key, &package);
                found.insert(key, package);
            }
            Err(problem) => _ = problems.insert(problem),
        }
    }
    found
}

fn is_usable(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let author = starling_protocol::SiteId::from_bytes([1; 32]);
        Settings {
            policy: crate::policy::ViewPolicy::default().compile(author),
            decisions: Default::default(),
            normalise_name: |_, name| name.to_ascii_lowercase(),
            products_of: |_| {
                (
                    BTreeSet::from(["a:acme:rocket".to_owned(), "a:\u{1}:b".to_owned()]),
                    false,
                )
            },
        }
    }

    #[test]
    fn further_products_of_a_record_are_left_out_by_name() {
        let many = Settings {
            products_of: |_| {
                (
                    (0..=MAX_RECORD_PRODUCTS)
                        .map(|n| format!("a:acme:{n:05}"))
                        .collect(),
                    false,
                )
            },
            ..settings()
        };
        let record = RecordKey::new("acme".parse().unwrap(), "X-1".parse().unwrap());
        let body = br#"{"database_specific":{"native":{}}}"#;
        let (row, problems) = extract(&record, ContentHash::of(body), body, &many);
        assert_eq!(row.products.len(), MAX_RECORD_PRODUCTS);
        assert!(problems.contains(&Problem::TooManyProducts));
        assert_eq!(RecordRow::decode(&row.encode()), Some(row));
    }

    #[test]
    fn products_of_native_data_are_read() {
        let (row, problems) = read(r#"{"database_specific":{"native":{"configurations":[]}}}"#);
        assert_eq!(row.products, ["a:acme:rocket"]);
        assert!(problems.contains(&Problem::UnusableProduct));
        let (row, problems) = read(r#"{"database_specific":{}}"#);
        assert!(row.products.is_empty() && problems.is_empty());
    }

    fn read(body: &str) -> (RecordRow, BTreeSet<Problem>) {
        let record = RecordKey::new("acme".parse().unwrap(), "X-1".parse().unwrap());
        extract(
            &record,
            ContentHash::of(body.as_bytes()),
            body.as_bytes(),
            &settings(),
        )
    }

    fn names(row: &RecordRow) -> Vec<String> {
        row.packages.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn package_is_preferred_over_repository_over_record() {
        let git = r#"{"ranges":[{"type":"GIT","repo":"https://GitHub.com/a/b.git"},{"type":"SEMVER","repo":"https://x/y"}]}"#;
        let (row, _) = read(&format!(
            r#"{{"affected":[{git},{{"package":{{"ecosystem":"npm","name":"A"}}}}]}}"#
        ));
        assert_eq!(names(&row), ["npm/a"]);
        let (row, _) = read(&format!(r#"{{"affected":[{git}]}}"#));
        assert_eq!(names(&row), ["https://github.com/a/b"]);
        let (row, _) = read(r#"{"affected":[]}"#);
        assert_eq!(names(&row), ["acme/X-1"]);
    }

    #[test]
    fn single_upstream_cve_names_a_record() {
        let upstream = |ids: &str| {
            let (row, _) = read(&format!(r#"{{"aliases":["CVE-2025-9"],"upstream":{ids}}}"#));
            let related: Vec<String> = row.related.iter().map(ToString::to_string).collect();
            (row.upstream.map(|id| id.to_string()).unwrap_or_default(), related)
        };
        let one = |id: &str| (id.to_owned(), Vec::new());
        assert_eq!(upstream(r#"["CVE-2025-1"]"#), one("CVE-2025-1"));
        let spellings = r#"["cve-2025-1", "CVE-2025-1", "UBUNTU-CVE-2025-1"]"#;
        assert_eq!(upstream(spellings), one("CVE-2025-1"));
        assert_eq!(upstream(r#"["CVE-2025-9"]"#), one(""));
        let both = vec!["CVE-2025-1".to_owned(), "CVE-2025-2".to_owned()];
        assert_eq!(upstream(r#"["CVE-2025-1", "CVE-2025-2"]"#), (String::new(), both));
        let other = vec!["CVE-2025-1".to_owned()];
        assert_eq!(
            upstream(r#"["CVE-2025-1", "CVE-2025-9"]"#),
            (String::new(), other)
        );
        for nothing in ["[]", "7"] {
            assert_eq!(upstream(nothing), one(""), "{nothing}");
        }
    }

    /// Distributions listed the CVEs of their records as related before the schema had a place for them.
    #[test]
    fn related_cves_lead_to_a_record_that_names_none() {
        let related = |rest: &str| {
            let (row, _) = read(&format!(
                r#"{{"related":["CVE-2025-1","GHSA-1","cve-2025-2"]{rest}}}"#
            ));
            assert!(
                row.upstream.is_none_or(|id| id.to_string() == "CVE-2025-9"),
                "{rest}"
            );
            row.related.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        for rest in ["", r#","aliases":["GHSA-2"],"upstream":["GHSA-3"]"#] {
            assert_eq!(related(rest), ["CVE-2025-1", "CVE-2025-2"], "{rest}");
        }
        for rest in [r#","aliases":["CVE-2025-9"]"#, r#","upstream":["CVE-2025-9"]"#] {
            assert!(related(rest).is_empty(), "{rest}");
        }
        let record = RecordKey::new("acme".parse().unwrap(), "CVE-2025-9".parse().unwrap());
        let body = br#"{"related":["CVE-2025-1"]}"#;
        let (row, _) = extract(&record, ContentHash::of(body), body, &settings());
        assert!(row.related.is_empty());
    }

    #[test]
    fn disputed_record_is_named_only_by_common_aliases() {
        let of = |bodies: &[&str], contents| {
            let rows = bodies.iter().map(|body| read(body).0).collect();
            unresolved(rows, contents).unwrap()
        };
        let ids = |ids: &[VulnerabilityId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (a, b) = (
            r#"{"aliases":["CVE-2025-1","CVE-2025-2"],"affected":[{"package":{"ecosystem":"npm","name":"a"}}]}"#,
            r#"{"aliases":["CVE-2025-1"],"withdrawn":"2026-01-01T00:00:00Z"}"#,
        );
        let joined = of(&[a, b], 2);
        assert_eq!(
            (ids(&joined.aliases), ids(&joined.related)),
            (vec!["CVE-2025-1".to_owned()], vec!["CVE-2025-2".to_owned()])
        );
        // Only one content applies, but nobody has decided for it.
        assert!(joined.is_unresolved() && joined.others.is_empty());
        // A content that is not here may give no name.
        let joined = of(&[a], 2);
        assert_eq!((ids(&joined.aliases).len(), ids(&joined.related).len()), (0, 2));
        let made = r#"{"upstream":["CVE-2025-3"]}"#;
        assert_eq!(of(&[made, made], 2).upstream, VulnerabilityId::of("CVE-2025-3"));
        assert_eq!(
            ids(&of(&[made, a], 2).related),
            ["CVE-2025-1", "CVE-2025-2", "CVE-2025-3"]
        );
    }

    #[test]
    fn fields_of_the_wrong_type_are_skipped() {
        for body in [
            r#"{"affected":null,"aliases":null,"withdrawn":null}"#,
            r#"{"affected":{},"aliases":"CVE-2021-1","withdrawn":""}"#,
            r#"{"affected":[1,null,{"package":[]},{"package":{"name":"x"}}],"aliases":[1,null,""," "],"withdrawn":7}"#,
        ] {
            let (row, problems) = read(body);
            assert_eq!(
                (row.state, row.aliases.len(), names(&row)),
                (RecordState::Live, 0, vec!["acme/X-1".to_owned()])
            );
            assert!(problems.is_empty(), "{body}");
        }
    }

    #[test]
    fn aliases_are_normalised_without_the_own_id() {
        let (row, _) = read(r#"{"aliases":["cve-2021-1 ","CVE-2021-1","X-1","GHSA-AAAA-bbbb-cccc"]}"#);
        let ids: Vec<&str> = row.aliases.iter().map(VulnerabilityId::as_str).collect();
        assert_eq!(ids, ["CVE-2021-1", "GHSA-aaaa-bbbb-cccc"]);
    }

    #[test]
    fn too_many_aliases_are_not_followed() {
        let ids: Vec<String> = (0..=MAX_RECORD_ALIASES).map(|n| format!("\"A-{n}\"")).collect();
        let (row, problems) = read(&format!(r#"{{"aliases":[{}]}}"#, ids.join(",")));
        assert!(row.aliases.is_empty() && problems.contains(&Problem::TooManyAliases));
        let (row, problems) = read(&format!(r#"{{"aliases":[{}]}}"#, ids[1..].join(",")));
        assert!(row.aliases.len() == MAX_RECORD_ALIASES && problems.is_empty());
    }

    #[test]
    fn names_that_cannot_be_keys_are_reported() {
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for name in ["a\\u0000b", long.as_str()] {
            let (row, problems) = read(&format!(
                r#"{{"affected":[{{"package":{{"ecosystem":"npm","name":"{name}"}}}}]}}"#
            ));
            assert_eq!(names(&row), ["acme/X-1"]);
            assert!(problems.contains(&Problem::UnusableName));
        }
    }

    #[test]
    fn non_object_body_is_unreadable() {
        for body in ["", "[]", "{\"a\":", "null"] {
            let (row, problems) = read(body);
            assert_eq!(row.state, RecordState::BodyUnreadable);
            assert!(problems.contains(&Problem::BodyUnreadable), "{body:?}");
        }
    }
}
