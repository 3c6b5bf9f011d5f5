//! Groups of packages that were not judged: of one kind, for one reason, each with what helps.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Deserialize;

/// The kind of packages that only have a CPE name.
const WITH_CPE: &str = "with a CPE name only";
/// The kind of packages that can be looked up by nothing.
const WITHOUT_URL: &str = "without a package URL";

/// Most packages that a group names.
const NAMED: usize = 3;

/// A package that was not judged.
#[derive(Debug, Clone, Copy)]
pub struct Unjudged<'a> {
    /// Its package URL, if it has one.
    pub purl: Option<&'a str>,
    /// Its CPE name, if it is to be looked up by one.
    pub cpe: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
    /// The reason, as verdicts write it: `no_knowledge`.
    pub reason: &'a str,
    /// Why it is undecided, if it is.
    pub doubt: Option<&'a Doubt>,
}

/// Why a package is undecided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Doubt {
    /// The cause, as verdicts write it: `advisory`.
    pub cause: String,
    /// The first vulnerabilities whose advisories could not be evaluated.
    pub vulnerabilities: Vec<String>,
    /// The number of all of them.
    pub number: u64,
}

impl Doubt {
    /// Returns the words for the cause.
    fn words(&self) -> String {
        match self.cause.as_str() {
            "advisory" => "an advisory could not be evaluated",
            "version" => "its version has no place in the order of versions",
            "name" => "advisories may use another name: its namespace or source package is missing",
            "release" => "its release is known only in part at this site",
            "order" => "versions of its ecosystem have no known order",
            "vendor" => "advisories about its name may be about another vendor's package",
            "cpe_name" => "a CPE name in which nothing matches proves nothing",
            // A newer site's code.
            other => return other.replace('_', " "),
        }
        .to_owned()
    }

    /// Returns the vulnerabilities whose advisories could not be evaluated, if there are any.
    fn unevaluated(&self) -> Option<String> {
        let named = self.vulnerabilities.join(", ");
        let named_number = u64::try_from(self.vulnerabilities.len()).unwrap_or(u64::MAX);
        match self.number.saturating_sub(named_number) {
            _ if self.vulnerabilities.is_empty() => None,
            0 => Some(named),
            more => Some(format!("{named} and {more} more")),
        }
    }
}

/// Returns the words for why one package was not judged, with the vulnerabilities that are in doubt.
#[must_use]
pub fn why_of(reason: &str, doubt: Option<&Doubt>) -> String {
    match doubt {
        None => why(reason),
        Some(doubt) => match doubt.unevaluated() {
            None => doubt.words(),
            Some(unevaluated) if doubt.cause == "advisory" => format!("not evaluated: {unevaluated}"),
            Some(unevaluated) if doubt.cause == "vendor" => format!("{}: {unevaluated}", doubt.words()),
            Some(unevaluated) => format!("{}; not evaluated: {unevaluated}", doubt.words()),
        },
    }
}

/// Packages of one kind that were not judged for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// How many there are.
    pub packages: u64,
    /// What they are: `npm`, `deb ubuntu`; `without a package URL`, `with a CPE name only`.
    pub kind: String,
    /// The reason, in words.
    pub why: String,
    /// The first of them by name.
    pub such_as: Vec<String>,
    /// What helps, in one sentence; empty if nothing does here.
    pub remedy: String,
}

impl Group {
    /// Returns what it holds, as in `2 npm packages` or `1 package without a package URL`.
    #[must_use]
    pub fn subject(&self) -> String {
        let noun = if self.packages == 1 { "package" } else { "packages" };
        if self.kind == WITH_CPE || self.kind == WITHOUT_URL {
            format!("{} {noun} {}", self.packages, self.kind)
        } else {
            format!("{} {} {noun}", self.packages, self.kind)
        }
    }
}

/// Groups packages by kind and reason, most packages first.
#[must_use]
pub fn groups<'a>(packages: impl IntoIterator<Item = Unjudged<'a>>) -> Vec<Group> {
    let mut found: BTreeMap<(String, &str, &str), Vec<Unjudged<'a>>> = BTreeMap::new();
    for package in packages {
        let cause = package.doubt.map_or("", |doubt| doubt.cause.as_str());
        let key = (kind_of(&package), package.reason, cause);
        found.entry(key).or_default().push(package);
    }
    let mut groups: Vec<Group> = found
        .into_iter()
        .map(|((kind, reason, _), packages)| {
            let first = packages.first();
            let doubt = first.and_then(|first| first.doubt);
            Group {
                packages: u64::try_from(packages.len()).unwrap_or(u64::MAX),
                why: doubt.map_or_else(|| why(reason), Doubt::words),
                such_as: packages
                    .iter()
                    .take(NAMED)
                    .map(|one| one.name.to_owned())
                    .collect(),
                remedy: match (reason, first) {
                    ("undecided", Some(first)) => remedy_of_doubt(first),
                    _ => remedy(reason, &kind),
                },
                kind,
            }
        })
        .collect();
    // A stable sort: groups of one size stay in the order of their kinds.
    groups.sort_by_key(|group| Reverse(group.packages));
    groups
}

/// Returns the type of a package URL, with the distribution where that decides which sources speak about it.
fn kind_of(package: &Unjudged<'_>) -> String {
    let Some(path) = package.purl.and_then(|purl| purl.strip_prefix("pkg:")) else {
        let kind = if package.cpe.is_some() {
            WITH_CPE
        } else {
            WITHOUT_URL
        };
        return kind.to_owned();
    };
    let mut parts = path.split(['/', '@', '?', '#']);
    let kind = parts.next().unwrap_or_default();
    let distribution = parts
        .next()
        .filter(|_| matches!(kind, "deb" | "rpm" | "apk" | "alpm"));
    match distribution {
        Some(distribution) => format!("{kind} {distribution}"),
        None => kind.to_owned(),
    }
}

/// Returns the words for a reason.
#[must_use]
pub fn why(reason: &str) -> String {
    let words = match reason {
        "unversioned" => "its version has no place in the order of versions",
        "unsupported_ecosystem" => "no advisories exist for this kind",
        "no_distro" => "no release of the distribution",
        "no_knowledge" => "no source for it at this site",
        "undecided" => "an advisory could not be evaluated",
        "unknown" => "no readable package URL or CPE name",
        // A newer site's code.
        other => return other.replace('_', " "),
    };
    words.to_owned()
}

/// Returns the commands that take in a source about a kind of packages, if presets are known for it.
fn presets_about(kind: &str) -> Option<String> {
    // The presets, and the ecosystem for the preset `osv`.
    let (presets, ecosystem): (&[&str], _) = match kind {
        "cargo" => (&["rustsec", "ghsa"], Some("crates.io")),
        "composer" => (&["ghsa"], Some("Packagist")),
        "gem" => (&["ghsa"], Some("RubyGems")),
        "golang" => (&["govulndb", "ghsa"], Some("Go")),
        "hex" => (&["ghsa"], Some("Hex")),
        "maven" => (&["ghsa"], Some("Maven")),
        "npm" => (&["ghsa"], Some("npm")),
        "nuget" => (&["ghsa"], Some("NuGet")),
        "pub" => (&["ghsa"], Some("Pub")),
        "pypi" => (&["pypa", "ghsa"], Some("PyPI")),
        "swift" => (&["ghsa"], Some("SwiftURL")),
        "apk alpine" => (&["alpine"], None),
        "apk chainguard" => (&["chainguard"], None),
        "apk minimos" => (&["minimos"], None),
        "apk wolfi" => (&["wolfi"], None),
        "deb debian" => (&["debian"], None),
        "deb ubuntu" => (&["ubuntu"], None),
        "rpm almalinux" => (&["almalinux"], None),
        "rpm amzn" => (&["amazon"], None),
        "rpm fedora" => (&["fedora"], None),
        "rpm opensuse" | "rpm sles" | "rpm suse" => (&["suse"], None),
        "rpm ol" | "rpm oracle" => (&["oracle"], None),
        "rpm redhat" | "rpm rhel" => (&["redhat"], None),
        "rpm rocky" | "rpm rocky-linux" => (&["rocky"], None),
        _ => return None,
    };
    let presets = presets
        .iter()
        .map(|preset| format!("`starling feeds add {preset}`"));
    let part = ecosystem.map(|ecosystem| format!("`starling feeds add osv --parameter {ecosystem}`"));
    Some(presets.chain(part).collect::<Vec<_>>().join(" or "))
}

fn remedy(reason: &str, kind: &str) -> String {
    match reason {
        "no_knowledge" if kind == WITH_CPE => {
            "let the SBOM state package URLs, or take in a source with CPE names (`nvd`, `cve`); one that no source uses is not found"
                .to_owned()
        }
        "no_knowledge" => match presets_about(kind) {
            Some(presets) => format!("take in a source about {kind}: {presets}"),
            None => format!(
                "take in a source about {kind}: `starling feeds presets` lists those that can be fetched, with their ecosystems"
            ),
        },
        "no_distro" => {
            let distribution = kind.split_once(' ').map_or("debian", |(_, distribution)| distribution);
            format!("let the SBOM name the distribution's release, as in `?distro={distribution}-RELEASE`")
        }
        "unversioned" => "let the SBOM state the exact version".to_owned(),
        "unknown" => "let the SBOM state package URLs".to_owned(),
        _ => String::new(),
    }
}

/// Returns what helps with a doubt: a command that can be run as it stands, about the first package of a group.
fn remedy_of_doubt(package: &Unjudged<'_>) -> String {
    let name = package.purl.or(package.cpe).and_then(shell_word);
    let explain = name.map(|name| format!("`starling explain {name}` shows each advisory with its result"));
    let cause = package.doubt.map_or("", |doubt| doubt.cause.as_str());
    let advice = match cause {
        "version" => Some("let the SBOM state the exact version"),
        "name" => Some("let the SBOM state the whole name, with its namespace or source package"),
        _ if package.purl.is_none() => Some("let the SBOM state package URLs"),
        _ => None,
    };
    let both: Vec<String> = advice.map(str::to_owned).into_iter().chain(explain).collect();
    both.join("; ")
}

/// Returns a word as a shell takes it; `None` if it cannot be quoted plainly.
fn shell_word(word: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/@+%,=".contains(c);
    if word.chars().all(is_plain) {
        return Some(word.to_owned());
    }
    let is_quotable = !word.chars().any(|c| c == '\'' || c == '`' || c.is_control());
    is_quotable.then(|| format!("'{word}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_grouped_by_kind_and_reason() {
        let package = |purl, name, reason| Unjudged {
            purl,
            cpe: Some("cpe:2.3:a:box:box:1").filter(|_| name == "box"),
            name,
            reason,
            doubt: None,
        };
        let found = groups([
            package(Some("pkg:npm/%40a/b@1"), "@a/b", "no_knowledge"),
            package(Some("pkg:deb/ubuntu/bash@5"), "bash", "no_knowledge"),
            package(Some("pkg:deb/ubuntu/zlib@1"), "zlib", "no_knowledge"),
            package(Some("pkg:deb/ubuntu/curl"), "curl", "unversioned"),
            package(None, "thing", "unknown"),
            package(None, "box", "no_knowledge"),
        ]);
        let shown: Vec<_> = found
            .iter()
            .map(|group| (group.packages, group.kind.as_str(), group.why.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                (2, "deb ubuntu", "no source for it at this site"),
                (
                    1,
                    "deb ubuntu",
                    "its version has no place in the order of versions"
                ),
                (1, "npm", "no source for it at this site"),
                (1, "with a CPE name only", "no source for it at this site"),
                (1, "without a package URL", "no readable package URL or CPE name"),
            ]
        );
        assert_eq!(found[0].such_as, ["bash", "zlib"]);
        let subjects: Vec<String> = found.iter().map(Group::subject).collect();
        assert_eq!(subjects[0], "2 deb ubuntu packages");
        assert_eq!(subjects[4], "1 package without a package URL");
        assert!(found[0].remedy.contains("take in a source about deb ubuntu"));
    }

    #[test]
    fn doubt_says_its_cause_and_gives_a_command_that_runs() {
        let doubt = |cause: &str, vulnerabilities: &[&str], number| Doubt {
            cause: cause.to_owned(),
            vulnerabilities: vulnerabilities.iter().map(ToString::to_string).collect(),
            number,
        };
        let group = |purl, doubt: &Doubt| {
            let package = Unjudged {
                purl: Some(purl),
                cpe: None,
                name: "x",
                reason: "undecided",
                doubt: Some(doubt),
            };
            groups([package]).remove(0)
        };
        let (advisory, version, name) = (
            doubt("advisory", &["CVE-1"], 1),
            doubt("version", &["CVE-1", "CVE-2"], 9),
            doubt("name", &[], 0),
        );
        assert_eq!(why_of("undecided", Some(&advisory)), "not evaluated: CVE-1");
        assert_eq!(
            why_of("undecided", Some(&version)),
            "its version has no place in the order of versions; not evaluated: CVE-1, CVE-2 and 7 more"
        );
        assert!(why_of("undecided", Some(&name)).starts_with("advisories may use another name"));
        assert_eq!(
            group("pkg:deb/debian/a@1?distro=debian-12", &advisory).remedy,
            "`starling explain 'pkg:deb/debian/a@1?distro=debian-12'` shows each advisory with its result"
        );
        let version = group("pkg:npm/lodash@latest", &version);
        assert_eq!(
            version.remedy,
            "let the SBOM state the exact version; `starling explain pkg:npm/lodash@latest` shows each advisory with its \
             result"
        );
        assert_eq!(version.why, "its version has no place in the order of versions");
        assert!(group("pkg:maven/core@1", &name).remedy.contains("namespace"));
        assert_eq!(shell_word("a'b"), None);
    }

    #[test]
    fn remedy_names_the_presets_of_the_ecosystem() {
        assert_eq!(
            remedy("no_knowledge", "npm"),
            "take in a source about npm: `starling feeds add ghsa` or `starling feeds add osv --parameter npm`"
        );
        assert_eq!(
            remedy("no_knowledge", "deb ubuntu"),
            "take in a source about deb ubuntu: `starling feeds add ubuntu`"
        );
        let unknown = remedy("no_knowledge", "conda");
        assert!(
            unknown.contains("`starling feeds presets` lists those"),
            "{unknown}"
        );
    }
}
