//! Generates SBOMs from a site's knowledge: of any size, the same from the same knowledge and seed. For benchmarks
//! and trials, which need documents whose packages have advisories.

use serde_json::{Value, json};

use crate::knowledge::{Advisory, JudgedAt, Knowledge, KnowledgeError, StatedEntries};
use crate::matching::{Subject, evaluate};
use crate::osv::Event;
use crate::purl::osv::{package_of, purl_of};
use crate::purl::{PackageUrl, PurlParts};

/// Most components of a document.
pub const MAX_MADE_COMPONENTS: usize = super::MAX_COMPONENTS;
/// Versions of a package that are tried before another package is used.
const TRIES: usize = 16;
/// A version above all real versions.
const NEVER_YET: &str = "99999.0.0";

/// Options of a generated document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateOptions {
    /// Number of components.
    pub components: usize,
    /// The percentage of affected components.
    pub affected_percent: u8,
    /// The seed; another seed gives another document.
    pub seed: u64,
    /// Ecosystems to use, with or without a release; empty means all.
    pub ecosystems: Vec<String>,
}

/// The reason why no document was generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// The knowledge could not be read.
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    /// No known package matches.
    #[error(
        "cannot make an SBOM: of {packages} packages that are known, none can be named in one and has a version that is {wanted}"
    )]
    NothingFits {
        /// Number of known packages in the requested ecosystems.
        packages: usize,
        /// `affected` or `not affected`.
        wanted: &'static str,
    },
}

/// Generates a CycloneDX 1.6 document. `packages` are ecosystem and name of known packages, in any order.
///
/// # Errors
/// If the knowledge cannot be read, or has no matching package.
pub fn generate(
    packages: &[(String, String)],
    knowledge: &dyn Knowledge,
    options: &GenerateOptions,
) -> Result<Vec<u8>, GenerateError> {
    let wanted = |ecosystem: &str| {
        let is = |name: &String| {
            let rest = ecosystem.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        options.ecosystems.is_empty() || options.ecosystems.iter().any(is)
    };
    let mut packages: Vec<&(String, String)> = packages
        .iter()
        .filter(|(ecosystem, _)| wanted(ecosystem))
        .collect();
    packages.sort_unstable();
    packages.dedup();
    let mut chance = Chance::new(options.seed);
    let count = options.components.min(MAX_MADE_COMPONENTS);
    let mut components = Vec::with_capacity(count);
    for index in 0..count {
        let affected = chance.below(100) < usize::from(options.affected_percent);
        let made = one(&packages, knowledge, affected, &mut chance)?;
        let purl = made.ok_or(GenerateError::NothingFits {
            packages: packages.len(),
            wanted: if affected { "affected" } else { "not affected" },
        })?;
        components.push(component(index, &purl));
    }
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {
            "component": { "type": "application", "name": "made by starling sbom generate" },
            "properties": [
                { "name": "starling:seed", "value": options.seed.to_string() },
                { "name": "starling:affected-percent", "value": options.affected_percent.to_string() },
            ],
        },
        "components": components,
    });
    Ok(document.to_string().into_bytes())
}

fn component(index: usize, purl: &PackageUrl) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": format!("{index}-{purl}"),
        "name": purl.name(),
        "purl": purl.to_string(),
    });
    if let Some(version) = purl.version() {
        component["version"] = version.into();
    }
    component
}

/// Returns the first matching package from a random one on, with a matching version.
fn one(
    packages: &[&(String, String)],
    knowledge: &dyn Knowledge,
    affected: bool,
    chance: &mut Chance,
) -> Result<Option<PackageUrl>, KnowledgeError> {
    let start = chance.below(packages.len());
    let (after, before) = (packages.get(start..), packages.get(..start));
    for (ecosystem, name) in after.into_iter().chain(before).flatten() {
        let Some(purl) = named(ecosystem, name) else {
            continue;
        };
        let advisories = knowledge.advisories(ecosystem, name)?.into_iter();
        let advisories: Vec<_> = advisories
            .map(|advisory| advisory.applying_at(JudgedAt::default()))
            .collect();
        if let Some(version) = version(ecosystem, &advisories, affected, chance) {
            return Ok(Some(purl.with_version(Some(&version))));
        }
    }
    Ok(None)
}

/// Returns the URL by which a scan finds a package; `None` if no URL identifies it.
fn named(ecosystem: &str, name: &str) -> Option<PackageUrl> {
    let found = |purl: &PackageUrl| {
        package_of(purl).is_some_and(|package| {
            package.release_known && package.ecosystem == ecosystem && package.name == name
        })
    };
    let plain = purl_of(ecosystem, name)?;
    if found(&plain) {
        return Some(plain);
    }
    // A distribution's release in the form of its `distro` qualifier.
    let (base, release) = ecosystem.split_once(':')?;
    let number = release.trim_start_matches('v').split(':').next()?;
    let id = plain.namespace().unwrap_or(base).to_ascii_lowercase();
    let distro = format!("{id}-{number}");
    let parts = PurlParts {
        ty: plain.ty(),
        namespace: plain.namespace(),
        name: plain.name(),
        qualifiers: plain.qualifiers().chain([("distro", distro.as_str())]).collect(),
        ..PurlParts::default()
    };
    PackageUrl::build(&parts).ok().filter(found)
}

/// Returns a version that some advisory affects, or that none affects.
fn version(ecosystem: &str, advisories: &[Advisory], affected: bool, chance: &mut Chance) -> Option<String> {
    let live = || advisories.iter().filter(|advisory| advisory.withdrawn.is_none());
    let entries = || {
        let said = live().flat_map(Advisory::stated).filter(StatedEntries::counts);
        said.flat_map(|said| said.entries)
    };
    let mut texts: Vec<&str> = Vec::new();
    for entry in entries() {
        for event in entry.ranges.iter().flat_map(|range| &range.events) {
            match event {
                Event::Introduced(text) | Event::LastAffected(text) if affected => texts.push(text),
                Event::Fixed(text) if !affected => texts.push(text),
                _ => {}
            }
        }
        if affected {
            texts.extend(entry.versions.iter().map(|version| version.0.as_str()));
        }
    }
    let start = chance.below(texts.len());
    let (before, after) = texts.split_at_checked(start)?;
    let tried = after.iter().chain(before).take(TRIES).copied();
    tried.chain([NEVER_YET]).find_map(|text| {
        let subject = Subject::new(ecosystem, text);
        let is_affected = entries().any(|entry| evaluate(entry, &subject).is_affected());
        (subject.is_ordered() && is_affected == affected && text.trim() != "0")
            .then(|| text.trim().to_owned())
    })
}

/// Generates numbers that look random and are determined by a seed.
struct Chance(blake3::OutputReader);

impl Chance {
    fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("starling 2026-11 v1 made SBOM");
        hasher.update(&seed.to_le_bytes());
        Self(hasher.finalize_xof())
    }

    /// Returns a number below `end`; 0 if there is none.
    fn below(&mut self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        // The bias is below 2^-40 for any number of packages.
        let number = u64::from_le_bytes(bytes).checked_rem(end).unwrap_or(0);
        usize::try_from(number).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::osv::Record;
    use crate::sbom;
    use crate::scan::{ScanOptions, scan};

    /// Knowledge of some packages, with the same rule for all.
    struct Same(Vec<(String, String)>);

    impl Knowledge for Same {
        fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
            let json = format!(
                r#"{{"id":"CVE-2024-1","affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},
                    "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"1.0.0"}},{{"fixed":"1.5.0"}}]}}]}}]}}"#
            );
            let record = Record::from_json(json.as_bytes()).unwrap();
            Ok(vec![Advisory {
                vulnerability: record.id,
                affected: record.affected,
                ..Advisory::default()
            }])
        }

        fn knows_ecosystem(&self, ecosystem: &str) -> Result<bool, KnowledgeError> {
            Ok(self.0.iter().any(|(known, _)| known == ecosystem))
        }
    }

    fn knowledge() -> Same {
        let names = [
            ("npm", "a"),
            ("npm", "@scope/b"),
            ("PyPI", "c"),
            ("Maven", "g:d"),
            ("Debian:12", "e"),
            ("AlmaLinux:9", "f"),
            ("Alpine:v3.18", "g"),
            ("Ubuntu:22.04:LTS", "h"),
            ("OnlyHere", "no URL can name it"),
        ];
        let owned = names.map(|(ecosystem, name)| (ecosystem.to_owned(), name.to_owned()));
        Same(owned.to_vec())
    }

    fn options(components: usize, affected_percent: u8) -> GenerateOptions {
        GenerateOptions {
            components,
            affected_percent,
            seed: 7,
            ecosystems: Vec::new(),
        }
    }

    #[test]
    fn requested_share_is_affected_and_all_can_be_checked() {
        let knowledge = knowledge();
        for (percent, least, most) in [(0, 0, 0), (30, 200, 400), (100, 1_000, 1_000)] {
            let document = generate(&knowledge.0, &knowledge, &options(1_000, percent)).unwrap();
            let inventory = sbom::read(&document).unwrap();
            let result = scan(&inventory, &knowledge, &ScanOptions::default()).unwrap();
            assert_eq!(result.coverage.matched, 1_000);
            let affected: usize = result.findings.iter().map(|finding| finding.places.len()).sum();
            assert!((least..=most).contains(&affected), "{percent} %: {affected}");
        }
    }

    #[test]
    fn equal_options_give_equal_bytes() {
        let knowledge = knowledge();
        let made = |options: &GenerateOptions| generate(&knowledge.0, &knowledge, options).unwrap();
        let first = made(&options(50, 10));
        assert_eq!(first, made(&options(50, 10)));
        let other = GenerateOptions {
            seed: 8,
            ..options(50, 10)
        };
        assert_ne!(first, made(&other));
        assert_eq!(
            sbom::read(&made(&options(0, 10))).unwrap().components.len(),
            1,
            "itself"
        );
    }

    #[test]
    fn impossible_options_are_refused() {
        let knowledge = knowledge();
        let only = |ecosystem: &str| GenerateOptions {
            ecosystems: vec![ecosystem.to_owned()],
            ..options(3, 50)
        };
        let made = |options: &GenerateOptions| generate(&knowledge.0, &knowledge, options);
        assert!(made(&only("Debian")).is_ok());
        assert!(matches!(
            made(&only("Deb")),
            Err(GenerateError::NothingFits { packages: 0, .. })
        ));
        assert!(matches!(
            made(&only("OnlyHere")),
            Err(GenerateError::NothingFits { packages: 1, .. })
        ));
    }
}
