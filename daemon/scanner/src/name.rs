//! Normalises package names per ecosystem, so that an advisory and an SBOM with the same package have the same key.
//!
//! Only the ecosystem's own registry rules are used: names that the registry distinguishes stay different. Go and npm
//! are normalised further, because the canonical form of their package URLs loses the case, so the advisory's name
//! must lose it too. Folding is ASCII only. Names with Unicode look-alikes stay different: such look-alikes are used
//! for name-confusion attacks.
//!
//! This module does not depend on package URLs, versions or matching.

use std::borrow::Cow;

/// Returns the ecosystem without its suffix: `Debian` for `Debian:12`.
///
/// The suffix is a release or a repository (`Packagist:https://packages.drupal.org/8`); rules for names and versions
/// never depend on it.
pub fn ecosystem_base(ecosystem: &str) -> &str {
    let trimmed = ecosystem.trim();
    trimmed.split_once(':').map_or(trimmed, |(base, _)| base)
}

/// Returns the normalised form of `name` in `ecosystem` (an OSV ecosystem, with or without suffix).
///
/// Surrounding white space is removed in every ecosystem. The name of an unknown ecosystem is not changed. The
/// function is idempotent, and its result is never longer than its input.
///
/// ```
/// use starling_scanner::name::normalise_name;
/// assert_eq!(normalise_name("PyPI", "Foo__Bar.baz"), "foo-bar-baz");
/// assert_eq!(normalise_name("crates.io", "serde_json"), "serde_json");
/// ```
pub fn normalise_name(ecosystem: &str, name: &str) -> String {
    spelling(ecosystem, name).into_owned()
}

/// Same as [`normalise_name`], without copying a name that is already normalised.
pub(crate) fn spelling<'a>(ecosystem: &str, name: &'a str) -> Cow<'a, str> {
    let name = name.trim();
    match ecosystem_base(ecosystem) {
        "PyPI" if is_pep503(name) => Cow::Borrowed(name),
        "PyPI" => Cow::Owned(pep503(name)),
        // The registries ignore case: nuget.org, packagist.org, hex.pm, pub.dev, the marketplaces, and GitHub for
        // actions. Conan, opam and Bitnami require lower case.
        "NuGet" | "Packagist" | "Hex" | "Pub" | "GitHub Actions" | "VSCode" | "ConanCenter" | "Bitnami" => {
            lower(name)
        }
        // Distributions require lower case for source and binary packages (Debian policy 5.6.1 and the tools with
        // dpkg's format; abuild refuses upper case for apk). RPM names are case-sensitive and not folded.
        "Debian"
        | "Ubuntu"
        | "Echo"
        | "Alpine"
        | "Wolfi"
        | "Chainguard"
        | "MinimOS"
        | "Alpaquita"
        | "BellSoft Hardened Containers"
        | "CleanStart"
        | "Docker Hardened Images"
        | "DHI" => lower(name),
        // Module paths and npm names have case, but package URLs lower it (purl-spec, types golang and npm). No two
        // live modules differ only in case.
        "Go" => lower(name),
        "npm" => lower(name),
        "SwiftURL" => Cow::Owned(swift_url(name)),
        "Maven" => maven(name),
        _ => Cow::Borrowed(name),
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Returns true if [`pep503`] would not change the name.
fn is_pep503(name: &str) -> bool {
    let changes = |byte: u8| byte.is_ascii_uppercase() || matches!(byte, b'_' | b'.');
    !name.bytes().any(changes) && !name.contains("--")
}

/// PEP 503: lower case, and each run of `-`, `_` and `.` becomes one `-`.
fn pep503(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut in_run = false;
    for c in name.chars() {
        if matches!(c, '-' | '_' | '.') {
            if !in_run {
                out.push('-');
            }
            in_run = true;
        } else {
            out.push(c.to_ascii_lowercase());
            in_run = false;
        }
    }
    out
}

/// Swift packages are named by their repository; host and path are compared without case, scheme and `.git`, as in
/// SwiftPM (`CanonicalPackageLocation`).
fn swift_url(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let mut rest = lower
        .rsplit_once("://")
        .map_or(lower.as_str(), |(_, rest)| rest)
        .trim();
    // Both suffixes are removed until none is left, so that the function is idempotent.
    loop {
        let shorter = rest.trim_end_matches('/').trim_end();
        let shorter = shorter.strip_suffix(".git").unwrap_or(shorter).trim_end();
        if shorter.len() == rest.len() {
            return rest.to_owned();
        }
        rest = shorter;
    }
}

/// OSV writes `group:artifact`; some feeds and tools write `group/artifact`. Neither part can contain the other's
/// separator, so without a colon the first slash is the separator.
fn maven(name: &str) -> Cow<'_, str> {
    if name.contains(':') || !name.contains('/') {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.replacen('/', ":", 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pypi_folds_case_and_separator_runs() {
        for spelling in [
            "friendly-bard",
            "Friendly-Bard",
            "FRIENDLY-BARD",
            "friendly.bard",
            "friendly--bard",
            "FrIeNdLy-._.-bArD",
        ] {
            assert_eq!(normalise_name("PyPI", spelling), "friendly-bard");
        }
    }

    #[test]
    fn case_is_folded_only_as_in_registry_or_purl() {
        assert_eq!(normalise_name("NuGet", "Newtonsoft.Json"), "newtonsoft.json");
        assert_eq!(
            normalise_name("Packagist:https://packages.drupal.org/8", "Drupal/Core"),
            "drupal/core"
        );
        assert_eq!(
            normalise_name("Go", "github.com/Azure/go-autorest"),
            "github.com/azure/go-autorest"
        );
        assert_eq!(normalise_name("npm", "@Hapi/Hoek"), "@hapi/hoek");
        for (ecosystem, name) in [
            ("RubyGems", "RedCloth"),
            ("Julia", "HTTP"),
            ("Hackage", "HTTP"),
            ("CRAN", "Rcpp"),
            ("Red Hat", "NetworkManager"),
            ("crates.io", "Inflector"),
            ("Somewhere Else", "Mixed_Case"),
        ] {
            assert_eq!(normalise_name(ecosystem, name), name, "{ecosystem}");
        }
    }

    #[test]
    fn look_alike_names_stay_apart() {
        // U+0131 (dotless i) and U+212A (Kelvin sign) must not fold into ASCII letters.
        assert_ne!(
            normalise_name("PyPI", "d\u{131}ango"),
            normalise_name("PyPI", "django")
        );
        assert_ne!(
            normalise_name("NuGet", "\u{212a}it"),
            normalise_name("NuGet", "kit")
        );
    }

    #[test]
    fn swift_repositories_lose_scheme_suffix_and_case() {
        for spelling in [
            "https://github.com/Apple/swift-nio.git",
            "github.com/apple/swift-nio",
            "HTTPS://github.com/apple/swift-nio/",
        ] {
            assert_eq!(normalise_name("SwiftURL", spelling), "github.com/apple/swift-nio");
        }
    }

    #[test]
    fn maven_coordinates_use_a_colon_and_keep_case() {
        assert_eq!(
            normalise_name("Maven", "org.apache/struts2-Core"),
            "org.apache:struts2-Core"
        );
        assert_eq!(
            normalise_name("Maven", "org.apache:struts2-Core"),
            "org.apache:struts2-Core"
        );
    }

    #[test]
    fn suffix_is_not_part_of_the_base() {
        assert_eq!(ecosystem_base("Debian:12"), "Debian");
        assert_eq!(ecosystem_base("Red Hat:enterprise_linux:8::baseos"), "Red Hat");
        assert_eq!(ecosystem_base("npm"), "npm");
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(
            ecosystem in prop::sample::select(vec!["PyPI", "npm", "Go", "Maven", "SwiftURL", "NuGet", "Debian:12", "Other"]),
            name in "\\PC{0,40}|[a-zA-Z:/._ -]{0,30}|(https://)?[a-z/]{0,9}(\\.git|/){0,3}",
        ) {
            let once = normalise_name(ecosystem, &name);
            prop_assert_eq!(normalise_name(ecosystem, &once), once.clone());
            prop_assert!(once.len() <= name.len());
        }
    }
}
