//! Converts products of a container that are packages of a registry, and those of a CNA that are commits of a
//! repository.

use std::collections::BTreeSet;

use starling_protocol::json::Value;

use super::super::draft::{Affected, Draft, Range};
use super::super::text::quote;
use super::super::value::{self, list_of, str_of};
use super::versions;

/// Registries by a part of their address.
const REGISTRIES: [(&str, &str); 18] = [
    ("npmjs.", "npm"),
    ("pypi.", "PyPI"),
    ("crates.io", "crates.io"),
    ("rubygems.org", "RubyGems"),
    ("packagist.org", "Packagist"),
    ("nuget.org", "NuGet"),
    ("hex.pm", "Hex"),
    ("repo.maven.apache.org", "Maven"),
    ("maven.org", "Maven"),
    ("central.sonatype.", "Maven"),
    ("mvnrepository.com", "Maven"),
    ("pub.dev", "Pub"),
    ("pkg.go.dev", "Go"),
    ("golang.org", "Go"),
    ("hackage.haskell.org", "Hackage"),
    ("cran.r-project.org", "CRAN"),
    ("conan.io", "ConanCenter"),
    ("opam.ocaml.org", "opam"),
];

/// URL types of packages, by their ecosystem.
const TYPES: [(&str, &str); 20] = [
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
    ("bioconductor", "Bioconductor"),
    ("swift", "SwiftURL"),
    ("githubactions", "GitHub Actions"),
    // The URL type of components that are actions.
    ("github", "GitHub Actions"),
    ("hackage", "Hackage"),
    ("cran", "CRAN"),
    ("conan", "ConanCenter"),
    ("bitnami", "Bitnami"),
    ("julia", "Julia"),
    ("opam", "opam"),
];

/// The entries about packages that a record has: containers repeat each other, and a record may have thousands.
#[derive(Default)]
pub(crate) struct Said(BTreeSet<(String, String, Vec<Range>, Vec<String>)>);

impl Said {
    /// Returns true if no entry before said the same.
    fn is_new(&mut self, entry: &Affected<'_>) -> bool {
        let (ecosystem, name) = (entry.ecosystem.clone(), entry.name.clone());
        self.0
            .insert((ecosystem, name, entry.ranges.clone(), entry.versions.clone()))
    }
}

/// Adds the entries of `affected` for the packages and commits of a CNA's products.
pub(crate) fn of_products(draft: &mut Draft<'_>, products: &[Value<'_>], said: &mut Said) {
    let mut nameless = Nameless::default();
    for product in products {
        add_commits(draft, product);
        add_package(draft, product, &mut nameless, said);
    }
    nameless.warn(draft);
}

/// Adds the entries of `affected` for the packages of another container, unless the CNA says the same. Its products
/// without a package usually repeat the CNA's.
pub(super) fn of_adp(draft: &mut Draft<'_>, adp: &Value<'_>, said: &mut Said) {
    let mut nameless = Nameless::default();
    for product in list_of(adp, "affected") {
        add_package(draft, product, &mut nameless, said);
    }
    nameless.warn(draft);
}

/// Returns the items about commits, and those about versions.
fn versions_of<'v, 'a>(product: &'v Value<'a>) -> (Vec<&'v Value<'a>>, Vec<&'v Value<'a>>) {
    list_of(product, "versions")
        .iter()
        .partition(|one| is_commit(one))
}

fn add_commits(draft: &mut Draft<'_>, product: &Value<'_>) {
    let (commits, _) = versions_of(product);
    match str_of(product, "repo") {
        Some(repo) if !commits.is_empty() => {
            let ranges = versions::of_commits(draft, repo, &commits, str_of(product, "defaultStatus"));
            if !ranges.is_empty() {
                draft.affected.push(Affected {
                    ranges,
                    ..Affected::default()
                });
            }
        }
        None if commits.iter().any(|one| versions::says_affected(one)) => {
            let name = str_of(product, "product").unwrap_or_default();
            draft.warn(format!(
                "{}: {} ranges of commits without a repository are not carried over",
                quote(name),
                commits.len()
            ));
        }
        _ => {}
    }
}

fn add_package(draft: &mut Draft<'_>, product: &Value<'_>, nameless: &mut Nameless, said: &mut Said) {
    let Some((ecosystem, name)) = package(product) else {
        match (str_of(product, "packageURL"), product.get("packageURL")) {
            (Some(purl), _) => draft.warn(format!(
                "the package URL \"{}\" is of no known registry, and has no entry",
                quote(purl)
            )),
            (None, Some(other)) if !value::is_empty(other) => draft.warn(format!(
                "the package URL is {} instead of a text, and has no entry",
                other.type_name()
            )),
            _ => nameless.take(product),
        }
        return;
    };
    let (commits, versions) = versions_of(product);
    let mut entry = Affected::of(ecosystem, name);
    if let Some(path) = str_of(product, "packageName").filter(|path| ecosystem == "Go" && *path != entry.name)
    {
        let import = value::object([("path", value::text(path.to_owned()))]);
        entry
            .ecosystem_specific
            .push(("imports", Value::Array(vec![import])));
    }
    versions::of_package(draft, &mut entry, &versions, str_of(product, "defaultStatus"));
    if product
        .get("versions")
        .is_some_and(|versions| !versions.is_null() && versions.as_array().is_none())
    {
        entry.ranges.push(Range::undecided());
    }
    let says_of_commits = commits.iter().any(|one| versions::says_affected(one));
    if says_of_commits && entry.ranges.is_empty() && entry.versions.is_empty() {
        // The package versions of these commits are unknown.
        draft.warn(format!("{}: no version is named but commits", entry.name));
        entry.ranges.push(Range::undecided());
    }
    if (!entry.ranges.is_empty() || !entry.versions.is_empty()) && said.is_new(&entry) {
        draft.affected.push(entry);
    }
}

/// Counts the packages that are not of a known registry. Nothing else looks such a product up.
#[derive(Default)]
struct Nameless {
    count: usize,
    first: String,
}

impl Nameless {
    fn take(&mut self, product: &Value<'_>) {
        let (collection, name) = (str_of(product, "collectionURL"), str_of(product, "packageName"));
        let Some(shown) = name
            .or_else(|| str_of(product, "product"))
            .filter(|_| collection.is_some())
        else {
            return;
        };
        let is_unaffected = str_of(product, "defaultStatus").is_none_or(|default| default == "unaffected")
            && !list_of(product, "versions").iter().any(versions::says_affected);
        if is_unaffected {
            return;
        }
        if self.count == 0 {
            self.first = format!(
                "\"{}\" of {}",
                quote(shown),
                quote(collection.unwrap_or_default())
            );
        }
        self.count += 1;
    }

    fn warn(self, draft: &mut Draft<'_>) {
        if self.count > 0 {
            draft.warn(format!(
                "packages that are not of a known registry have no entry: {}, the first is {}",
                self.count, self.first
            ));
        }
    }
}

fn is_commit(version: &Value<'_>) -> bool {
    matches!(
        str_of(version, "versionType"),
        Some("git" | "original_commit_for_fix")
    )
}

/// Returns the package of a product: by its package URL, else by its registry and name.
pub(crate) fn package(product: &Value<'_>) -> Option<(&'static str, String)> {
    if let Some(found) = str_of(product, "packageURL").and_then(package_of_url) {
        return Some(found);
    }
    let collection = str_of(product, "collectionURL")?;
    let lower = collection.to_ascii_lowercase();
    let (_, ecosystem) = REGISTRIES.iter().find(|(part, _)| lower.contains(part))?;
    let name = match str_of(product, "packageName") {
        Some(name) => name.to_owned(),
        None => name_in_address(ecosystem, collection)?,
    };
    if name.contains(char::is_whitespace) {
        return None;
    }
    match *ecosystem {
        "Maven" if !name.contains(':') => {
            let (group, artifact) = name.trim_matches('/').rsplit_once('/')?;
            Some((ecosystem, format!("{group}:{artifact}")))
        }
        "Go" => Some((ecosystem, go_module(&name, str_of(product, "vendor")).to_owned())),
        _ => Some((ecosystem, name)),
    }
}

/// Returns the package whose page in a registry this is.
fn name_in_address(ecosystem: &str, address: &str) -> Option<String> {
    const BEFORE_NAMES: [&str; 7] = [
        "/project/",
        "/package/",
        "/packages/",
        "/crates/",
        "/gems/",
        "/artifact/",
        "pkg.go.dev/",
    ];
    let address = address.split(['?', '#']).next()?;
    let path = BEFORE_NAMES
        .iter()
        .find_map(|before| Some(address.split_once(before)?.1))?;
    let path = percent_decoded(path)?;
    let parts = match ecosystem {
        "Go" => usize::MAX,
        "Packagist" | "Maven" => 2,
        _ if path.starts_with('@') => 2,
        _ => 1,
    };
    let name = path.split('/').filter(|part| !part.is_empty()).take(parts);
    Some(name.collect::<Vec<_>>().join("/")).filter(|name| !name.is_empty())
}

/// Returns the module of a package of Go, which CNAs name by its import path: the standard library, the toolchain, or
/// the module that is given as its vendor.
fn go_module<'n>(name: &'n str, vendor: Option<&'n str>) -> &'n str {
    let first = name.split('/').next().unwrap_or_default();
    let is_below = |module: &&str| {
        name.strip_prefix(*module)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    match vendor {
        _ if first == "cmd" => "toolchain",
        // Import paths outside of the standard library begin with a host.
        _ if !first.contains('.') && !matches!(name, "stdlib" | "toolchain") => "stdlib",
        Some(module) if module.contains('.') && is_below(&module) => module,
        _ => name,
    }
}

/// Returns the registry's package of a package URL.
pub(crate) fn package_of_url(purl: &str) -> Option<(&'static str, String)> {
    let (scheme, rest) = purl.split_once(':')?;
    let rest = rest.trim_start_matches('/');
    if !scheme.eq_ignore_ascii_case("pkg") {
        return None;
    }
    let rest = rest.split(['?', '#']).next()?;
    let (ty, path) = rest.split_once('/')?;
    // The version follows the last `@`; a scope begins with one.
    let path = match path.rfind('@') {
        Some(at) if at > 0 && !path.get(..at)?.ends_with('/') => path.get(..at)?,
        _ => path,
    };
    let (_, ecosystem) = TYPES.iter().find(|(own, _)| own.eq_ignore_ascii_case(ty))?;
    let name = percent_decoded(path.trim_matches('/'))?;
    let name = match (*ecosystem, name.rsplit_once('/')) {
        ("Maven", Some((group, artifact))) => format!("{group}:{artifact}"),
        // An artifact without its group names nothing.
        ("Maven", None) => return None,
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
