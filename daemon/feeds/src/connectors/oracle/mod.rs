//! Oracle Linux: its OVAL definitions.
//!
//! Of several definitions with one id, the one with the highest version number applies. Live patches (`ksplice`) and
//! certified builds (`fips`) have their own epochs but the names of the plain packages: their ranges begin with that
//! epoch, so that they include no plain build.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::Connector;
use super::draft::Draft;
use super::output::Output;
use super::severity;
use super::shape::Shape;
use super::text::quote;
use super::updateinfo::{self, Package, add_packages, from_the_beginning, kernel_line, major_of};
use super::xml::{Dialect, Element};

/// Reads OVAL definitions of Oracle Linux.
pub(crate) struct Oracle;

const DIALECT: Dialect = Dialect {
    fallback: encoding_rs::WINDOWS_1252,
    known: &[],
};

/// A definition's place, its element, and unusual details of its reading.
type Definition = (String, Element, Vec<String>);

impl Connector for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        shape.is_xml("oval_definitions") && shape.xml_holds("oval:com.oracle.el")
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let mut newest: BTreeMap<String, (u64, Vec<Definition>)> = BTreeMap::new();
        let mut older = 0_usize;
        out.xml_records(
            bytes,
            &["definition"],
            &DIALECT,
            &mut |out, pointer, element, warnings| {
                let Some(id) = id_of(&element) else {
                    return out.reject(pointer, "the definition names no advisory");
                };
                let version = element
                    .attribute("version")
                    .and_then(|version| version.parse().ok())
                    .unwrap_or(0);
                let definition = (pointer, element, warnings);
                let (newest_version, kept) = newest.entry(id).or_default();
                if version < *newest_version || kept.iter().any(|(_, own, _)| *own == definition.1) {
                    older += 1;
                } else {
                    if version > *newest_version {
                        older += kept.len();
                        kept.clear();
                        *newest_version = version;
                    }
                    // Definitions of one edition, such as of two releases, all apply.
                    kept.push(definition);
                }
            },
        );
        if older > 0 {
            out.note(format!(
                "{older} definitions are older editions of others, and are passed over"
            ));
        }
        for (id, (_, kept)) in newest {
            for (pointer, definition, warnings) in kept {
                let draft = record(&id, &definition, warnings);
                out.record(pointer, draft);
            }
        }
    }
}

/// Returns the advisory's id: from its reference, else from its title.
fn id_of(definition: &Element) -> Option<String> {
    let metadata = definition.child("metadata")?;
    let stated = metadata.all("reference").find(|one| {
        one.attribute("source")
            .is_some_and(|source| source.to_ascii_lowercase().starts_with("el"))
    });
    let stated = stated.and_then(|one| one.attribute("ref_id")).map(str::trim);
    let titled = || {
        let word = metadata
            .text_of("title")?
            .split_whitespace()
            .next()?
            .trim_end_matches(':');
        // `ELSA-2007:0057` is also used.
        word.starts_with("EL").then(|| word.replacen(':', "-", 1))
    };
    stated
        .filter(|id| id.starts_with("EL"))
        .map(str::to_owned)
        .or_else(titled)
}

fn record(id: &str, definition: &Element, warnings: Vec<String>) -> Draft<'static> {
    let mut draft = Draft::of(id);
    for warning in warnings {
        draft.warn(warning);
    }
    let empty = Element::default();
    let metadata = definition.child("metadata").unwrap_or(&empty);
    let advisory = metadata.child("advisory").unwrap_or(&empty);
    draft.summary = metadata
        .text_of("title")
        .map(|title| title.split_whitespace().collect::<Vec<_>>().join(" "));
    draft.details = metadata.text_of("description").map(str::to_owned);
    let issued = advisory
        .child("issued")
        .and_then(|issued| issued.attribute("date"));
    draft.published = draft.time("issued", issued);
    // The source does not state when a definition was changed.
    draft.modified.clone_from(&draft.published);
    updateinfo::word(&mut draft, advisory.text_of("severity"));
    for reference in metadata.all("reference") {
        let kind = if reference.attribute("source") == Some("CVE") {
            "WEB"
        } else {
            "ADVISORY"
        };
        draft.link(kind, reference.attribute("ref_url").unwrap_or_default());
    }
    vulnerabilities(&mut draft, advisory);
    for reference in metadata
        .all("reference")
        .filter(|one| one.attribute("source") == Some("CVE"))
    {
        for cve in reference
            .attribute("ref_id")
            .into_iter()
            .flat_map(updateinfo::cves_in)
        {
            draft.derive(&cve);
        }
    }
    let mut found = Found::default();
    if let Some(criteria) = definition.child("criteria") {
        found.walk(criteria, &Around::default());
    }
    if found.others > 0 {
        draft.warn(format!(
            "{} builds of ksplice and FIPS have no epoch of their own, and no entry",
            found.others
        ));
    }
    for comment in found.unknown.iter().take(5) {
        draft.warn(format!("the criterion \"{}\" is not understood", quote(comment)));
    }
    if found.packages.is_empty() && found.others == 0 {
        draft.warn("the definition names no package");
    }
    add_packages(
        &mut draft,
        &found.packages,
        &|package| (!package.collection.is_empty()).then(|| format!("Oracle Linux:{}", package.collection)),
        &|package| found.introduced(package),
    );
    let kind = match id.get(..4) {
        Some("ELBA") => Some("bugfix"),
        Some("ELEA") => Some("enhancement"),
        _ => None,
    };
    updateinfo::class(&mut draft, kind);
    draft.keep("definition", definition.to_value());
    draft
}

/// Adds the names and vectors of an advisory's vulnerabilities.
fn vulnerabilities(draft: &mut Draft<'_>, advisory: &Element) {
    let (mut rated, mut is_partial) = (Vec::new(), false);
    for cve in advisory.all("cve") {
        let before = rated.len();
        let name = cve.text.trim();
        let ids = updateinfo::cves_in(name);
        ids.iter().for_each(|id| draft.derive(id));
        if ids.is_empty() && !name.is_empty() {
            draft.warn(format!("not the id of a CVE record: \"{}\"", quote(name)));
        }
        for (attribute, version) in [("cvss4", "4.0"), ("cvss3", "3.1"), ("cvss2", "2.0")] {
            let stated = cve.attribute(attribute).filter(|stated| *stated != "N/A");
            // The score is before the vector.
            let Some((score, vector)) = stated.and_then(|stated| stated.split_once('/')) else {
                continue;
            };
            match severity::vector_of(vector, version) {
                Some(severity) => rated.push((score.to_owned(), severity)),
                None => draft.warn(format!("{attribute}: not a CVSS vector: \"{}\"", quote(vector))),
            }
        }
        is_partial |= rated.len() == before;
    }
    updateinfo::rate(draft, rated, is_partial, advisory.text_of("severity"));
}

/// The values of outer criteria.
#[derive(Debug, Clone, Default)]
struct Around {
    /// Several, if the packages of one list are for any of them.
    releases: Vec<String>,
    arch: String,
    module: Option<String>,
}

impl Around {
    /// Returns the releases of a package's build: of several, the one in the build's own release, if it is there.
    fn releases_of(&self, evr: &str) -> Vec<String> {
        let own = major_of(evr, "el").filter(|own| self.releases.contains(own));
        match (self.releases.as_slice(), own) {
            // The caller counts packages of no release.
            ([], _) => vec![String::new()],
            ([_, _, ..], Some(own)) => vec![own],
            (all, _) => all.to_vec(),
        }
    }
}

#[derive(Default)]
struct Found {
    packages: Vec<Package>,
    /// Builds without an entry.
    others: usize,
    unknown: Vec<String>,
}

impl Found {
    /// Returns the version line of Oracle's own kernel. Each release of the system has several at a time, with the same
    /// names and errata of their own.
    fn introduced(&self, package: &Package) -> String {
        if let (true, Some((epoch, _))) = (
            is_other_build(&package.name, &package.evr),
            package.evr.split_once(':'),
        ) {
            return format!("{epoch}:0");
        }
        let is_kernel = |other: &Package| other.name.starts_with("kernel-uek") && other.evr == package.evr;
        if package.evr.contains("uek") && !package.evr.contains(':') && self.packages.iter().any(is_kernel) {
            return kernel_line(&package.evr);
        }
        from_the_beginning(package)
    }

    fn add(&mut self, name: &str, evr: &str, around: &Around) {
        for release in around.releases_of(evr) {
            self.packages.push(Package {
                name: name.to_owned(),
                evr: evr.to_owned(),
                arch: around.arch.clone(),
                module: around.module.clone(),
                collection: release,
            });
        }
    }

    fn walk(&mut self, criteria: &Element, around: &Around) {
        let mut around = around.clone();
        let comments: Vec<&str> = comments_of(criteria).collect();
        // Alternative releases may be criteria of their own.
        let is_of_releases = |inner: &&Element| {
            !inner.children.is_empty() && inner.all("criteria").next().is_none() && {
                let mut comments = comments_of(inner);
                comments.all(|comment| release_of(comment).is_some())
            }
        };
        let alternatives = criteria
            .all("criteria")
            .filter(is_of_releases)
            .flat_map(comments_of);
        let releases: Vec<String> = comments
            .iter()
            .copied()
            .chain(alternatives)
            .filter_map(release_of)
            .collect();
        if !releases.is_empty() {
            around.releases = releases;
        }
        for comment in &comments {
            if let Some(arch) = comment.trim().strip_prefix("Oracle Linux arch is ") {
                around.arch = arch.trim().to_owned();
            } else if let Some(module) = between(comment, "Module ", " is enabled") {
                around.module = Some(module.to_owned());
            }
        }
        for comment in comments {
            if let Some((name, evr)) = comment.trim().split_once(" is earlier than ") {
                let evr = evr.trim();
                let evr = evr.strip_prefix("0:").unwrap_or(evr);
                if is_other_build(name, evr) && !evr.contains(':') {
                    self.others += 1;
                } else {
                    self.add(name.trim(), evr, &around);
                }
            } else if !is_known(comment) {
                self.unknown.push(comment.to_owned());
                // Its statement about the package is not understood, so the package is undecided.
                if let Some(name) = package_of(comment) {
                    self.add(name, "", &around);
                }
            }
        }
        for inner in criteria.all("criteria") {
            self.walk(inner, &around);
        }
    }
}

fn comments_of(criteria: &Element) -> impl Iterator<Item = &str> {
    criteria
        .all("criterion")
        .filter_map(|one| one.attribute("comment"))
}

/// Returns the major release that a criterion asks for.
fn release_of(comment: &str) -> Option<String> {
    let release = between(comment, "Oracle Linux ", " is installed")?;
    Some(release.split('.').next().unwrap_or(release).to_owned())
}

/// Returns true for a live patch or a certified build.
fn is_other_build(name: &str, evr: &str) -> bool {
    let evr = evr.to_ascii_lowercase();
    evr.contains("ksplice") || evr.contains("fips") || name.starts_with("ksplice")
}

/// Returns the package whose version a criterion is about: `rocket` of `rocket is less than 0:1.3`.
fn package_of(comment: &str) -> Option<&str> {
    let (name, rest) = comment.trim().split_once(' ')?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
    let is_about_version = rest.starts_with("is ") && rest.contains(|c: char| c.is_ascii_digit());
    (is_about_version && name.chars().all(is_part)).then_some(name)
}

fn is_known(comment: &str) -> bool {
    [
        "is installed",
        "arch is",
        "is signed with",
        "is enabled",
        "is ksplice-based",
    ]
    .iter()
    .any(|part| comment.contains(part))
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    Some(text.trim().strip_prefix(before)?.strip_suffix(after)?.trim())
}
