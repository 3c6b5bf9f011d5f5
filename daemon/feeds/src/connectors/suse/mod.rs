//! SUSE's CSAF documents: advisories, and VEX by CVE.
//!
//! A product id consists of a product's name and a binary package with its version. Entries have the name of the binary
//! package. The ecosystems are those of SUSE's own OSV records: `SUSE:Linux Enterprise Server 15 SP3`, `openSUSE:Leap
//! 15.5`.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::Connector;
use super::csaf::status::Statements;
use super::csaf::tree::Tree;
use super::csaf::{document, is_suse, publisher};
use super::draft::{Affected, Draft, Range};
use super::output::Output;
use super::rpm::{self, Nevra};
use super::shape::Shape;
use super::text::quote;
use super::value;

/// Reads CSAF documents of SUSE.
pub(crate) struct Suse;

impl Connector for Suse {
    fn name(&self) -> &'static str {
        "suse"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        publisher(shape).is_some_and(|publisher| is_suse(&publisher))
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        document(bytes, out, affected);
    }
}

/// Returns the ecosystem of the product with this name.
pub(crate) fn ecosystem_of(product: &str) -> String {
    let product = product.trim();
    match product.strip_prefix("openSUSE ") {
        Some(rest) => format!("openSUSE:{rest}"),
        None => format!("SUSE:{}", product.strip_prefix("SUSE ").unwrap_or(product)),
    }
}

/// Returns the component and the platform of a product: from its relationship, else from its id, which contains both.
fn parts<'v>(tree: &Tree<'v>, id: &'v str) -> Option<(&'v str, &'v str)> {
    let by_id = || {
        let (product, package) = id.split_once(':')?;
        (tree.has(product) && tree.has(package)).then_some((package, product))
    };
    tree.parts(id).or_else(by_id)
}

/// Returns the name and version in a component's package URL, which documents since 2026 contain. The version is `None`
/// if the URL means all versions.
fn name_and_version_in_url(tree: &Tree<'_>, component: &str) -> Option<(String, Option<String>)> {
    let url = tree.get(component)?.purl()?.trim();
    let path = url
        .strip_prefix("pkg:rpm/suse/")
        .or_else(|| url.strip_prefix("pkg:rpm/opensuse/"))?;
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let (name, version) = path.split_once('@').unwrap_or((path, ""));
    let version = Some(rpm::percent_decoded(version)).filter(|version| !version.is_empty());
    let name = rpm::percent_decoded(name);
    (!name.is_empty() && !name.contains('/')).then_some((name, version))
}

/// Returns the package name of an affected component, which is listed as a name or as a build with its version.
///
/// The two look alike: `libgtk-3-0` is a name. A build is recognised by its release, which has several parts
/// (`150400.6.1`), while the last part of a library's name is one number (`libgtk-3-0`, `libwebkit2gtk-4_0-37`).
fn name_of_affected(package: &str) -> String {
    match Nevra::parse(package).filter(|nevra| nevra.release.contains('.')) {
        Some(nevra) => nevra.name,
        None => rpm::without_arch(package).to_owned(),
    }
}

/// The fix of a package.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Fix {
    /// No fix exists.
    Open,
    /// This version has the fix.
    At(String),
    /// A fixed version exists, but the document does not name it.
    Unnamed,
}

/// Ecosystem, package, fix and, if there is no fix, the vendor's plan for one.
type Key = (String, String, Fix, Option<&'static str>);

fn affected<'v>(draft: &mut Draft<'v>, tree: &Tree<'v>, statements: &Statements<'v>) -> Vec<Affected<'v>> {
    let mut entries: BTreeSet<Key> = BTreeSet::new();
    let mut others = 0_usize;
    for id in &statements.fixed {
        match parts(tree, id) {
            Some((package, product)) => {
                // Numbers at the end of a name do not make it a build: `libgtk-3-0`.
                let is_build = |nevra: &Nevra| nevra.version.contains('.') || nevra.release.contains('.');
                let stated = name_and_version_in_url(tree, package);
                let by_id = || Nevra::of_build(package).filter(is_build);
                let by_id = || by_id().map(|nevra| (nevra.name.clone(), nevra.evr()));
                let (name, fix) = match stated
                    .and_then(|(name, version)| Some((name, version?)))
                    .or_else(by_id)
                {
                    Some((name, version)) => (name, Fix::At(version)),
                    None => {
                        draft.warn(format!("the fixed product \"{}\" has no version", quote(id)));
                        (package.to_owned(), Fix::Unnamed)
                    }
                };
                entries.insert((ecosystem_of(product), name, fix, None));
            }
            None => others += 1,
        }
    }
    for id in statements.affected.iter().chain(&statements.investigated) {
        let is_investigated = !statements.affected.contains(id);
        let plan = statements
            .plan(id)
            .or(is_investigated.then_some("under_investigation"))
            .unwrap_or("none");
        match parts(tree, id) {
            Some((package, product)) => {
                let name = name_and_version_in_url(tree, package)
                    .map_or_else(|| name_of_affected(package), |(name, _)| name);
                entries.insert((ecosystem_of(product), name, Fix::Open, Some(plan)));
            }
            None => others += 1,
        }
    }
    if others > 0 {
        draft.warn(format!(
            "{others} products are not packages of a product, and have no entry"
        ));
    }
    let entries = entries.into_iter().map(|(ecosystem, name, fix, plan)| {
        let mut entry = Affected::of(ecosystem, name);
        entry.ranges.push(match fix {
            Fix::At(fixed) => Range::before(fixed),
            Fix::Open => Range::from("0"),
            Fix::Unnamed => Range::undecided(),
        });
        if let Some(plan) = plan {
            entry.specific.push(("fix_state", value::text(plan)));
        }
        entry
    });
    entries.collect()
}
