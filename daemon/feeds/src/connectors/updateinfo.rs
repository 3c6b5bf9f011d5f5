//! Update notices of RPM repositories (`updateinfo.xml`), and common parts of all notices of RPM distributions.

use std::collections::BTreeMap;

use super::draft::{Affected, Draft, Range};
use super::output::Output;
use super::rpm::{Nevra, with_epoch};
use super::severity::{Severity, worst_first};
use super::shape::Shape;
use super::text::{self, quote};
use super::value;
use super::xml::{Dialect, Element};

/// Options for reading elements of these files.
const DIALECT: Dialect = Dialect {
    fallback: encoding_rs::WINDOWS_1252,
    known: &[],
};

/// A package of a notice.
#[derive(Debug, Clone, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Version and release, with the epoch.
    pub(crate) evr: String,
    pub(crate) arch: String,
    /// Its module, as `name:stream`.
    pub(crate) module: Option<String>,
    /// Its list, by short name and name.
    pub(crate) collection: String,
}

/// Ecosystem, package, first and fixed version, and module.
type Key = (String, String, String, String, Option<String>);

/// Adds the packages of a notice: packages with the same name and version in one ecosystem become one entry.
/// `introduced` is the beginning of the package's version line.
pub(crate) fn add_packages(
    draft: &mut Draft<'_>,
    packages: &[Package],
    ecosystem_of: &dyn Fn(&Package) -> Option<String>,
    introduced: &dyn Fn(&Package) -> String,
) {
    let mut entries: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    let (mut others, mut of_next) = (0_usize, 0_usize);
    let has_binary = packages.iter().any(|package| package.arch != "src");
    for package in packages {
        // The source package is not installed; the packages built from it are listed too.
        if package.arch == "src" && has_binary {
            continue;
        }
        if is_of_next(&package.evr) {
            of_next += 1;
            continue;
        }
        let Some(ecosystem) = ecosystem_of(package) else {
            others += 1;
            continue;
        };
        let key = (
            ecosystem,
            package.name.clone(),
            introduced(package),
            package.evr.clone(),
            package.module.clone(),
        );
        let archs = entries.entry(key).or_default();
        if !package.arch.is_empty() && !archs.contains(&package.arch) {
            archs.push(package.arch.clone());
        }
    }
    if of_next > 0 {
        draft.warn(format!(
            "{of_next} packages are builds of EPEL Next, and have no entry"
        ));
    }
    if others > 0 {
        draft.warn(format!(
            "{others} packages are of no release that is known, and have no entry"
        ));
    }
    for ((ecosystem, name, introduced, evr, module), mut archs) in entries {
        let mut entry = Affected::of(ecosystem, name);
        if is_version(&evr) {
            entry.ranges.push(Range::from(introduced).and("fixed", evr));
        } else {
            draft.warn(format!(
                "{}: the version \"{}\" is not understood",
                quote(&entry.name),
                quote(&evr)
            ));
            entry.ranges.push(Range::undecided());
        }
        if let Some(module) = module {
            entry.ecosystem_specific.push(("rpmmod", value::text(module)));
        }
        if !archs.is_empty() {
            archs.sort_unstable();
            entry.ecosystem_specific.push(("arch", value::texts(archs)));
        }
        draft.affected.push(entry);
    }
}

/// Returns true for a build of EPEL Next (`1.0-2.el9.next`, `1.0-2.el9.next.1`). Builds for CentOS Stream have other versions than those
/// for the release.
pub(crate) fn is_of_next(version: &str) -> bool {
    let parts = version.split_once(".el").map(|(_, rest)| rest.split('.'));
    parts.is_some_and(|mut parts| parts.any(|part| part == "next"))
}

/// Returns true for text of the characters that a version with its epoch and release may have, with a digit.
fn is_version(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".+-:~^_".contains(&byte);
    text.bytes().all(is_part) && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Sets the severity word, unless it is empty.
pub(crate) fn word(draft: &mut Draft<'_>, word: Option<&str>) {
    let word = word.map(str::trim).unwrap_or_default();
    if !word.is_empty() && !["none", "unspecified", "n/a"].contains(&word.to_ascii_lowercase().as_str()) {
        draft.specific.push(("severity", value::text(word.to_owned())));
    }
}

/// Rates a notice by the vectors of its vulnerabilities, each with its stated score, the worst first. If not all of them
/// have a vector (`is_partial`), and the notice's word is worse than these, the word alone applies.
pub(crate) fn rate(
    draft: &mut Draft<'_>,
    rated: Vec<(String, Severity)>,
    is_partial: bool,
    word: Option<&str>,
) {
    let least = match word.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "critical" => 9.0,
        "important" | "high" => 7.0,
        "moderate" | "medium" => 4.0,
        _ => 0.0,
    };
    let scores = rated
        .iter()
        .filter_map(|(score, _)| score.trim().parse::<f64>().ok());
    if is_partial && scores.fold(0.0, f64::max) < least {
        return;
    }
    for severity in worst_first(rated) {
        draft.rate(severity);
    }
}

/// Sets the class of a notice that is not about a vulnerability: it names none, and its type or kind says so.
pub(crate) fn class(draft: &mut Draft<'_>, kind: Option<&str>) {
    let kind: String = kind
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_alphabetic)
        .collect();
    let kind = kind.to_ascii_lowercase();
    let class = match kind.strip_prefix("type").unwrap_or(&kind) {
        "bugfix" => "bugfix",
        "enhancement" => "enhancement",
        "newpackage" => "newpackage",
        _ => return,
    };
    let texts = [&draft.summary, &draft.details].into_iter().flatten();
    let ids = draft.upstream.iter().chain(&draft.related).chain(texts);
    if ids.map(String::as_str).any(|text| !cves_in(text).is_empty()) {
        return;
    }
    // It rates the bug.
    draft.specific.retain(|(key, _)| *key != "severity");
    for entry in &mut draft.affected {
        entry.specific.push(("informational", value::text(class)));
    }
}

/// Returns the ids of CVE records in a text, in any capitals.
pub(crate) fn cves_in(text: &str) -> Vec<String> {
    text::cves_in(&text.to_ascii_uppercase())
}

/// Adds the vulnerabilities that a bug's title begins with.
pub(crate) fn of_bug(draft: &mut Draft<'_>, title: &str) {
    let cves = cves_of_bug(title);
    let is_short = |word: &str| word.starts_with("...") || word.starts_with('\u{2026}');
    // The tracker cuts long lists.
    if !cves.is_empty() && title.split_whitespace().any(is_short) {
        draft.warn(format!(
            "the title of a bug leaves out ids of vulnerabilities: \"{}\"",
            quote(title)
        ));
    }
    for cve in cves {
        draft.derive(&cve);
    }
}

/// Returns the ids of CVE records that a bug's title begins with: the convention of Red Hat's tracker, which opens a bug
/// for each vulnerability as `CVE-2024-1234 CVE-2024-1235 package: text [release]`. Marks such as `TRIAGE` and
/// `[Major Incident]` may stand before them.
fn cves_of_bug(title: &str) -> Vec<String> {
    let mut rest = title.trim_start();
    loop {
        let mark = match rest.strip_prefix('[') {
            Some(mark) => mark.split_once(']').map(|(_, rest)| rest),
            None => ["TRIAGE", "EMBARGOED"]
                .iter()
                .find_map(|mark| rest.strip_prefix(mark)),
        };
        let Some(after) = mark else { break };
        rest = after.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '-' | ':'));
    }
    let words = rest.split(|c: char| c.is_whitespace() || matches!(c, ',' | '/' | '&'));
    let words = words.filter(|word| !matches!(*word, "" | "and"));
    let mut found = Vec::new();
    for word in words {
        let id = word.trim_end_matches([':', ';']).to_ascii_uppercase();
        if !text::is_cve(&id) {
            break;
        }
        found.push(id);
        // Words follow a colon.
        if word.ends_with(':') {
            break;
        }
    }
    found
}

/// Adds an id as a link, unless the notice states it.
pub(crate) fn link_only(draft: &mut Draft<'_>, cve: &str) {
    if !draft.is_derived_from(cve) {
        draft.relate(cve);
    }
}

/// The differences of one distribution's notices.
pub(crate) struct Owner {
    /// The prefix of its notices' ids.
    pub(crate) prefixes: &'static [&'static str],
    /// The ecosystem of a notice's package.
    pub(crate) ecosystem: fn(&Package, &Element) -> Option<String>,
    /// The beginning of a package's version line.
    pub(crate) introduced: fn(&Package, &Element) -> String,
    /// True if the ids that titles of bugs begin with are its statements about vulnerabilities.
    pub(crate) has_bugs_by_cve: bool,
}

impl Owner {
    /// Returns true if a document is a list of updates with an id of this owner.
    pub(crate) fn knows(&self, shape: &Shape<'_>) -> bool {
        let mut prefixes = self.prefixes.iter();
        shape.is_xml("updates") && prefixes.any(|prefix| shape.xml_holds(&format!("<id>{prefix}")))
    }

    /// Reads an `updateinfo.xml`.
    pub(crate) fn read(&self, bytes: &[u8], out: &mut Output<'_>) {
        out.xml_records(
            bytes,
            &["update"],
            &DIALECT,
            &mut |out, pointer, update, warnings| {
                self.update(out, pointer, &update, warnings);
            },
        );
    }

    fn update(&self, out: &mut Output<'_>, pointer: String, update: &Element, warnings: Vec<String>) {
        let id = update.text_of("id").unwrap_or_default();
        if !self.prefixes.iter().any(|prefix| id.starts_with(prefix)) {
            let expected = self.prefixes.join(", ");
            return out.reject(
                pointer,
                format!("the id \"{}\" does not begin with {expected}", quote(id)),
            );
        }
        let mut draft = Draft::of(id);
        for warning in warnings {
            draft.warn(warning);
        }
        let date = |name: &str| update.child(name).and_then(|child| child.attribute("date"));
        draft.published = draft.time("issued", date("issued"));
        draft.modified = draft
            .time("updated", date("updated"))
            .or_else(|| draft.published.clone());
        draft.summary = update
            .text_of("title")
            .or_else(|| update.text_of("summary"))
            .map(str::to_owned);
        draft.details = update.text_of("description").map(str::to_owned);
        word(&mut draft, update.text_of("severity"));
        if self.has_bugs_by_cve {
            let bugs = update.items("references", "reference");
            for title in bugs.filter_map(|bug| bug.attribute("title")) {
                of_bug(&mut draft, title);
            }
        }
        for reference in update.items("references", "reference") {
            let (id, title) = (reference.attribute("id"), reference.attribute("title"));
            let cves = || [id, title].into_iter().flatten().flat_map(cves_in);
            let kind = reference.attribute("type").map(str::to_ascii_lowercase);
            match kind.as_deref() {
                Some("cve") => cves().for_each(|cve| draft.derive(&cve)),
                // The rest of a bug's title is free text: its ids become links only.
                Some("bugzilla") => cves().for_each(|cve| link_only(&mut draft, &cve)),
                _ => {
                    if let Some(id) = id.filter(|id| id.contains('-') && !id.contains(char::is_whitespace)) {
                        draft.relate(id);
                    }
                }
            }
            let kind = match kind.as_deref() {
                Some("self") => "ADVISORY",
                Some("bugzilla") => "REPORT",
                _ => "WEB",
            };
            draft.link(kind, reference.attribute("href").unwrap_or_default());
        }
        let packages = packages(&mut draft, update);
        if packages.is_empty() {
            draft.warn("the notice names no package");
        }
        add_packages(
            &mut draft,
            &packages,
            &|package| (self.ecosystem)(package, update),
            &|package| (self.introduced)(package, update),
        );
        class(&mut draft, update.attribute("type"));
        let mut native = update.clone();
        native.children.retain(|child| {
            !["id", "title", "description", "issued", "updated"].contains(&child.name.as_str())
        });
        draft.keep("update", native.to_value());
        out.record(pointer, draft);
    }
}

fn packages(draft: &mut Draft<'_>, update: &Element) -> Vec<Package> {
    let mut packages = Vec::new();
    // A list may have its packages without a collection around them.
    let lists = update.all("pkglist");
    for collection in update.items("pkglist", "collection").chain(lists) {
        let names = format!(
            "{} {}",
            collection.attribute("short").unwrap_or_default(),
            collection.text_of("name").unwrap_or_default()
        );
        let module = collection.child("module").and_then(|module| {
            Some(format!(
                "{}:{}",
                module.attribute("name")?,
                module.attribute("stream")?
            ))
        });
        for package in collection.all("package") {
            let attribute = |name: &str| {
                let stated = package.attribute(name).map(str::trim);
                stated
                    .filter(|text| !text.is_empty())
                    .or_else(|| package.text_of(name))
            };
            let attribute = |name: &str| attribute(name).unwrap_or_default();
            let (name, version, release) = (attribute("name"), attribute("version"), attribute("release"));
            if name.is_empty() || version.is_empty() || release.is_empty() {
                if let Some(found) = package.text_of("filename").and_then(Nevra::parse) {
                    packages.push(Package {
                        evr: found.evr(),
                        name: found.name,
                        arch: found.arch,
                        module: module.clone(),
                        collection: names.clone(),
                    });
                    continue;
                }
                draft.warn(format!(
                    "a package without name, version or release: \"{}\"",
                    quote(name)
                ));
                continue;
            }
            packages.push(Package {
                name: name.to_owned(),
                evr: with_epoch(&format!("{version}-{release}"), attribute("epoch")),
                arch: attribute("arch").to_owned(),
                module: module.clone(),
                collection: names.clone(),
            });
        }
    }
    packages
}

/// Returns the major release in a package's release or a list's name: 9 for `2.el9_4` and `almalinux-9-for-x86_64`.
pub(crate) fn major_of(text: &str, mark: &str) -> Option<String> {
    text.match_indices(mark).find_map(|(at, _)| {
        let rest = text.get(at + mark.len()..)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty() && digits.len() <= 2).then_some(digits)
    })
}

/// Returns the line of a kernel's version: 5.4 of `5.4.17-2136.el8uek`, 2.6.39 of `2.6.39-400.el6uek`.
pub(crate) fn kernel_line(evr: &str) -> String {
    let version = evr.split('-').next().unwrap_or(evr);
    let parts = if version.starts_with("2.6.") { 3 } else { 2 };
    version.split('.').take(parts).collect::<Vec<_>>().join(".")
}

/// Returns an entry that begins with the first version.
pub(crate) fn from_the_beginning(_: &Package) -> String {
    "0".to_owned()
}

#[cfg(test)]
mod tests {
    use super::cves_of_bug;

    #[test]
    fn title_of_a_bug_begins_with_its_vulnerabilities() {
        for (title, expected) in [
            ("CVE-2030-0001 rocket: flaw [fedora-40]", "CVE-2030-0001"),
            (
                "CVE-2030-0001 CVE-2030-0002 rocket: various flaws",
                "CVE-2030-0001 CVE-2030-0002",
            ),
            (
                "CVE-2030-0001, CVE-2030-0002 and CVE-2030-0003: rocket",
                "CVE-2030-0001 CVE-2030-0002 CVE-2030-0003",
            ),
            (
                "CVE-2030-0001 CVE-2030-0002 ... rocket: flaws like CVE-2030-0009",
                "CVE-2030-0001 CVE-2030-0002",
            ),
            ("TRIAGE CVE-2030-0001 rocket: flaw", "CVE-2030-0001"),
            (" [Major Incident] CVE-2030-0001 rocket: flaw", "CVE-2030-0001"),
            ("EMBARGOED TRIAGE-CVE-2030-0001 rocket: flaw", "CVE-2030-0001"),
            ("CVE-2030-0001: CVE-2030-0002 is not fixed", "CVE-2030-0001"),
            ("cve-2030-0001 rocket: flaw", "CVE-2030-0001"),
            ("rocket: incomplete fix for CVE-2030-0001", ""),
            ("CVE-2030-XXXX rocket: flaw", ""),
            ("[abrt] rocket: crash", ""),
            ("[", ""),
            ("", ""),
        ] {
            assert_eq!(cves_of_bug(title).join(" "), expected, "{title}");
        }
    }
}
