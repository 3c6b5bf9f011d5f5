//! The rules of single package URL types, from purl-spec's type definitions. Types that are not listed have no rules.

use super::PackageUrl;

/// Returns true if a type has namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Namespace {
    Optional,
    Required,
    Prohibited,
}

pub(super) fn namespace(ty: &str) -> Namespace {
    match ty {
        "composer" | "huggingface" | "swift" | "vscode-extension" => Namespace::Required,
        "bitnami" | "cargo" | "chrome-extension" | "cocoapods" | "conda" | "cran" | "gem" | "hackage"
        | "julia" | "mlflow" | "nuget" | "oci" | "opam" | "otp" | "pub" | "pypi" | "vcpkg" => {
            Namespace::Prohibited
        }
        _ => Namespace::Optional,
    }
}

/// Returns true for types, in any case, whose name may contain slashes: the host is the namespace, its path the name.
pub(super) fn name_has_segments(ty: &str) -> bool {
    ty.eq_ignore_ascii_case("git")
}

/// Folds the parts whose case the type ignores, and the separators that its registry folds.
pub(super) fn canonicalise(purl: &mut PackageUrl) {
    let (fold_namespace, fold_name) = match purl.ty.as_ref() {
        "bitbucket" | "brew" | "composer" | "deb" | "git" | "github" | "hex" => (true, true),
        "alpm" => (true, true),
        "apk" | "golang" | "qpkg" | "rpm" => (true, false),
        "npm" | "pypi" | "otp" => (false, true),
        "mlflow" => (
            false,
            purl.qualifier("repository_url")
                .is_some_and(|url| url.contains("databricks")),
        ),
        _ => (false, false),
    };
    if fold_namespace {
        purl.namespace = purl.namespace.take().map(lower);
    }
    if fold_name {
        purl.name = lower(std::mem::take(&mut purl.name));
    }
    if purl.ty == "pypi" && purl.name.contains('_') {
        purl.name = purl.name.replace('_', "-");
    }
    if purl.ty == "huggingface" {
        purl.version = purl.version.take().map(lower);
    }
}

/// Returns the text in lower case; copies it only if needed.
fn lower(mut text: String) -> String {
    if text.is_ascii() {
        text.make_ascii_lowercase();
        text
    } else {
        text.to_lowercase()
    }
}

/// Checks the type's rules for its parts, except the namespace.
pub(super) fn validate(purl: &PackageUrl) -> Result<(), &'static str> {
    match purl.ty.as_ref() {
        "chrome-extension" => {
            if purl.name.len() != 32 || !purl.name.bytes().all(|b| b.is_ascii_lowercase()) {
                return Err("a Chrome extension's name is 32 lower-case letters");
            }
            let numbers = |v: &str| {
                v.split('.').count() <= 4
                    && v.split('.')
                        .all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            };
            if !purl.version().is_none_or(numbers) {
                return Err("a Chrome extension's version is one to four numbers");
            }
            Ok(())
        }
        "cpan" if purl.name.contains("::") => Err("a CPAN name is a distribution, not a module"),
        "julia" if purl.qualifier("uuid").is_none() => Err("a Julia package needs its uuid"),
        _ => Ok(()),
    }
}
