//! Checks a mute before it is signed: refuses one that can never match, and warns about one that matches nothing in the
//! site's current knowledge.

use starling_api::ServiceResult;
use starling_api_types::{ErrorCode, Problem};
use starling_documents::graph::MAX_CHANGES_PER_AUTHOR;
use starling_documents::mutes::MuteText;
use starling_policy::Glob;
use starling_scanner::cpe::CPE_ECOSYSTEM;
use starling_scanner::name::{ecosystem_base, normalise_name};
use starling_scanner::purl::PackageUrl;
use starling_scanner::purl::osv::package_of;
use starling_store::MuteBook;
use starling_view::{PackageId, VulnerabilityId};

use super::SiteParts;
use super::problem::store_problem;
use crate::ecosystem_names::{is_ecosystem, nearest_ecosystem};
use crate::home::error_chain;

/// Number of remaining changes below which a site is warned about the limit.
const FEW_CHANGES: usize = 1_000;
/// The prefix with which a mute names an SBOM by its hash.
const HASH: &str = "blake3:";
/// Most packages of an advisory listed in a warning.
const NAMED: usize = 5;

fn refuse(detail: &str) -> Problem {
    Problem::new(ErrorCode::BadRequest, format!("muting: {detail}"))
}

/// Returns the canonical spelling of a vulnerability's id, which findings use.
///
/// # Errors
/// `bad_request` if it is not an id.
pub(super) fn vulnerability(doing: &str, text: &str) -> ServiceResult<String> {
    let text = text.trim();
    // No id of any source contains these characters; a pattern would be taken for an id that does not exist.
    let odd = text.contains(|c: char| c.is_whitespace() || matches!(c, '*' | '?'));
    let id = VulnerabilityId::of(text).filter(|_| !odd);
    id.map(|id| id.as_str().to_owned()).ok_or_else(|| {
        let short: String = text.chars().take(80).collect();
        let detail = format!("{doing}: {short:?} is not the id of a vulnerability");
        Problem::new(ErrorCode::BadRequest, detail)
            .hint("give one id, such as CVE-2021-44228; patterns are for packages, ecosystems and SBOMs")
    })
}

/// Refuses patterns that cannot match anything.
///
/// # Errors
/// `bad_request`.
pub(super) fn patterns(text: &MuteText) -> ServiceResult<()> {
    for (field, pattern) in [
        ("package", &text.package),
        ("ecosystem", &text.ecosystem),
        ("sbom", &text.sbom),
    ] {
        if let Some(pattern) = pattern {
            Glob::new(pattern).map_err(|error| refuse(&format!("{field}: {error}")))?;
        }
    }
    if let Some(ecosystem) = text.ecosystem.as_deref() {
        known_ecosystem(ecosystem)?;
    }
    if let Some(package) = text.package.as_deref().and_then(as_purl) {
        let hint = "write a package URL, or a pattern such as `lodash*`";
        PackageUrl::parse_lenient(package).map_err(|error| refuse(&error.to_string()).hint(hint))?;
    }
    if let Some(hash) = text.sbom.as_deref().and_then(|sbom| sbom.strip_prefix(HASH)) {
        let hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'*' | b'?');
        let whole = hash.len() == 64 || hash.contains('*');
        if !whole || !hash.bytes().all(hex) {
            return Err(refuse(&format!("{HASH}{hash:.80} is not the hash of an SBOM"))
                .hint("expected `sbom_hash` from a verdict: blake3: and 64 lower-case digits"));
        }
    }
    Ok(())
}

/// Refuses the name of an ecosystem that no finding has, unless it is a pattern.
fn known_ecosystem(written: &str) -> ServiceResult<()> {
    if ecosystem_base(written).contains(['*', '?']) || is_ecosystem(written) {
        return Ok(());
    }
    let short: String = written.chars().take(80).collect();
    let hint = match nearest_ecosystem(written) {
        Some(meant) => format!("did you mean {meant}?"),
        None => {
            "names are those of the OSV schema, such as npm, PyPI or Debian:12; docs/ecosystems.md lists them"
                .to_owned()
        }
    };
    Err(refuse(&format!("no finding is of the ecosystem {short:?}")).hint(hint))
}

/// Returns the package of a package URL; `None` for a pattern.
fn as_purl(package: &str) -> Option<&str> {
    (package.starts_with("pkg:") && !package.contains('*')).then_some(package)
}

/// Refuses a change that no site would read, because its author has reached the limit of changes.
///
/// # Errors
/// `bad_request`.
pub(super) fn room(doing: &str, own: usize) -> ServiceResult<Option<String>> {
    let Some(left) = MAX_CHANGES_PER_AUTHOR.checked_sub(own).filter(|left| *left > 0) else {
        let detail = format!(
            "{doing}: this site has made {own} changes of the list of mutes, and of each site {MAX_CHANGES_PER_AUTHOR} are \
             read"
        );
        let hint = "make this change at another site of the federation: a mute, and its removal, apply at all of them";
        return Err(Problem::new(ErrorCode::BadRequest, detail).hint(hint));
    };
    Ok((left <= FEW_CHANGES).then(|| {
        format!(
            "of the {MAX_CHANGES_PER_AUTHOR} changes of the list of mutes that are read of one site, {} are left here",
            left - 1
        )
    }))
}

impl SiteParts {
    /// Returns the number of changes that this site has made, with all of its keys.
    pub(super) fn own_changes(&self, book: &MuteBook) -> usize {
        let own = self.identity.home.chain().site();
        book.changes
            .iter()
            .filter(|change| change.log.site == own)
            .count()
    }

    /// Returns the parts of a mute that match nothing in the site's current knowledge.
    pub(super) fn matches_nothing(&self, text: &MuteText) -> ServiceResult<Option<String>> {
        let view = self.data.store.view();
        let view = view.map_err(|error| store_problem("reading the view", &error))?;
        let known = starling_view::advisories_by_id(&view, &text.vulnerability)
            .map_err(|error| Problem::internal("looking a vulnerability up", error_chain(&error)))?;
        if known.is_empty() {
            return Ok(Some(format!(
                "this site does not know {}: the mute applies when an advisory with that id arrives",
                text.vulnerability
            )));
        }
        if known.iter().any(|found| may_concern(text, &found.package)) {
            return Ok(None);
        }
        let packages = known.iter().map(|found| found.package.to_string());
        let mut named: Vec<String> = packages.take(NAMED).collect();
        if known.len() > NAMED {
            named.push(format!("{} more", known.len() - NAMED));
        }
        Ok(Some(format!(
            "what this site knows of {} concerns {}; the mute is for none of them, and counts once an advisory says \
             otherwise",
            text.vulnerability,
            named.join(", ")
        )))
    }
}

/// Returns true if a text is a CPE name, or `part:vendor:product`.
fn is_product(text: &str) -> bool {
    let starts = ["cpe:", "a:", "o:", "h:"]
        .iter()
        .any(|start| text.starts_with(start));
    starts && text.matches(':').count() >= 2
}

/// Returns true if a mute may match findings in a package, or if that depends on the SBOM.
fn may_concern(text: &MuteText, package: &PackageId) -> bool {
    let PackageId::Package { ecosystem, name } = package else {
        return true;
    };
    // Products that a record names beside its packages are not looked up here.
    let names_product = text.package.as_deref().is_some_and(is_product);
    if names_product || text.ecosystem.as_deref() == Some(CPE_ECOSYSTEM) {
        return true;
    }
    let matches = |pattern: &str, name: &str| Glob::new(pattern).is_ok_and(|glob| glob.matches(name));
    let bare = ecosystem_base(ecosystem);
    // A finding's ecosystem has a release, whatever the advisory's ecosystem is.
    let fits = |pattern: &str| {
        matches(pattern, ecosystem) || matches(pattern, bare) || matches(ecosystem_base(pattern), bare)
    };
    if !text.ecosystem.as_deref().is_none_or(fits) {
        return false;
    }
    let Some(said) = text.package.as_deref() else {
        return true;
    };
    let Some(purl) = as_purl(said) else {
        return said.starts_with("pkg:")
            || matches(said, name)
            || matches(&normalise_name(ecosystem, said), &normalise_name(ecosystem, name));
    };
    let Ok(purl) = PackageUrl::parse_lenient(purl) else {
        return false;
    };
    // A distribution's package is known by its source's name, which is in the SBOM.
    if matches!(purl.ty(), "deb" | "rpm" | "apk" | "alpm") {
        return true;
    }
    package_of(&purl).is_some_and(|found| {
        found.ecosystems().any(|own| ecosystem_base(own) == bare)
            && found.name == normalise_name(ecosystem, name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mute_id_is_normalised_or_refused() {
        for (given, kept) in [
            (" cve-2021-44228 ", "CVE-2021-44228"),
            ("ghsa-JFH8-C2JP-5V3Q", "GHSA-jfh8-c2jp-5v3q"),
            ("RUSTSEC-2021-0001", "RUSTSEC-2021-0001"),
        ] {
            assert_eq!(vulnerability("muting", given).unwrap(), kept);
        }
        for none in ["", " ", "CVE-2021-*", "CVE-2021-1 CVE-2021-2", "CVE-2021-?"] {
            let problem = vulnerability("muting", none).unwrap_err();
            assert!(problem.detail.contains("is not the id"), "{none}: {problem}");
        }
    }

    #[test]
    fn misspelt_ecosystem_is_refused_with_the_nearest() {
        let hint = |written: &str| known_ecosystem(written).unwrap_err().hint.clone().unwrap();
        assert_eq!(hint("npn"), "did you mean npm?");
        assert_eq!(hint("debian:12"), "did you mean Debian:12?");
        assert!(hint("elsewhere").contains("docs/ecosystems.md"));
        for right in ["npm", "Debian:12", "Debian:*", "np?", "*"] {
            known_ecosystem(right).unwrap();
        }
    }

    #[test]
    fn site_at_the_limit_of_changes_is_refused() {
        assert_eq!(room("muting", 0).unwrap(), None);
        let warning = room("muting", MAX_CHANGES_PER_AUTHOR - 1).unwrap().unwrap();
        assert!(warning.contains("0 are left"), "{warning}");
        for own in [MAX_CHANGES_PER_AUTHOR, MAX_CHANGES_PER_AUTHOR + 1] {
            let problem = room("muting", own).unwrap_err();
            assert!(
                problem.detail.contains("of each site 20000 are read"),
                "{problem}"
            );
        }
    }
}
