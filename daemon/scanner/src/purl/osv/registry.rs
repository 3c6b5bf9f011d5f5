//! The names of registries: their spelling in package URLs, and the names that a registry can have.
//!
//! A name that no package of the registry can have is a spelling that this program does not understand, or a private
//! package. Advisories do not know it, and that shows nothing.

use std::borrow::Cow;

use super::Row;
use super::modules::{has_host, is_too_deep, with_major};
use crate::purl::PackageUrl;

/// Returns a name without what tools add to it: the extras of a Python requirement (`foo[extra]`), the escapes of Go's
/// module cache (`github.com/!azure`), and the architecture of a distribution's package (`foo:amd64`, `foo.x86_64`).
pub(super) fn bare_name<'a>(row: &Row, name: Cow<'a, str>) -> Cow<'a, str> {
    let head = |mark: char| name.split_once(mark).map(|(head, _)| head.trim_end().to_owned());
    let bare = match row.ecosystem {
        "PyPI" if name.ends_with(']') => head('['),
        "Go" if name.contains('!') => Some(name.replace('!', "")),
        _ if row.ty == "deb" => head(':'),
        _ if row.ty == "rpm" => ARCHITECTURES
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .map(str::to_owned),
        _ => None,
    };
    bare.filter(|bare| !bare.is_empty()).map_or(name, Cow::Owned)
}

/// The architectures that `yum list` writes behind the name of a package.
const ARCHITECTURES: [&str; 6] = [".x86_64", ".noarch", ".i686", ".aarch64", ".ppc64le", ".s390x"];

/// Returns true if a distribution can have a source package of this name.
pub(super) fn is_source_name(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-._~".contains(&byte))
}

/// Returns the other names that tools may mean by the name of a package's version: spellings of a crate that the
/// registry does not tell apart (tools write the name of the library that it builds, which has no hyphens), and the path
/// of a Go module with the major version, which is part of it from 2 on.
pub(crate) fn other_names(ecosystem: &str, name: &str, version: &str) -> Vec<String> {
    let mut names = match ecosystem {
        "crates.io" => {
            let lower = name.to_ascii_lowercase();
            vec![lower.replace('_', "-"), lower.replace('-', "_"), lower]
        }
        "Go" => with_major(name, version).into_iter().collect(),
        _ => Vec::new(),
    };
    names.retain(|other| other != name);
    names.dedup();
    names
}

/// Returns true if the registry of a URL can have a package of this normalised name: with as many parts as its names
/// have, and with their characters only. Other names are private or misspelt, and advisories do not know them.
pub(super) fn is_of_registry(purl: &PackageUrl, row: &Row, name: &str) -> bool {
    let parts = match purl.ty() {
        "maven" | "gradle" | "composer" | "swift" | "vscode-extension" | "githubactions" => {
            name.contains(row.joiner)
        }
        "bitnami" | "cargo" | "conan" | "cran" | "gem" | "hackage" | "hex" | "julia" | "nuget" | "opam"
        | "pub" | "pypi" => purl.namespace().is_none(),
        _ => true,
    };
    parts && has_its_characters(row.ecosystem, name)
}

/// Returns true if a name consists of the characters that names in its registry have.
fn has_its_characters(ecosystem: &str, name: &str) -> bool {
    let of = |others: &str, name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
        !name.is_empty() && name.chars().all(fits)
    };
    let pair = |separator: char, others: &str| {
        name.split_once(separator)
            .is_some_and(|(first, second)| of(others, first) && of(others, second))
    };
    // A path, not a name.
    if name.split('/').any(|part| matches!(part, "." | "..")) {
        return false;
    }
    match ecosystem {
        "npm" if name.trim_start_matches('@').starts_with('.') || name.contains("/.") => false,
        "npm" => match name.strip_prefix('@') {
            Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| {
                scope != "node_modules" && of("-._~!'()*", scope) && of("-._~!'()*", name)
            }),
            None => of("-._~!'()*", name),
        },
        "PyPI" => of("-", name),
        "crates.io" => of("-_", name),
        "RubyGems" => of("-_.", name),
        // Old packages have letters of other alphabets.
        "NuGet" => name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)),
        "Packagist" => pair('/', "-_."),
        "Maven" => pair(':', "-_."),
        "Go" => is_module(name) && !is_too_deep(name) && of("-._~+/", name),
        "Hex" | "Pub" | "Julia" => of("_", name),
        "CRAN" => of(".", name),
        "Hackage" => of("-", name),
        "ConanCenter" | "opam" => of("-_+.", name),
        "SwiftURL" => has_host(name) && of("-._~+/", name),
        _ => true,
    }
}

/// The first parts of the standard library's packages.
const STANDARD: [&str; 51] = [
    "archive",
    "bufio",
    "builtin",
    "bytes",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "strconv",
    "strings",
    "sync",
    "syscall",
    "structs",
    "testing",
    "text",
    "time",
    "unicode",
    "unique",
    "unsafe",
    "vendor",
    "weak",
];

/// Returns the name in advisories of a part of Go itself, whose versions are Go's releases: its standard library, which
/// tools call `std` or list by packages (`crypto/tls`), or its toolchain (`cmd/go`).
pub(super) fn part_of_go(purl: &PackageUrl) -> Option<&'static str> {
    if purl.ty() != "golang" {
        return None;
    }
    match (purl.namespace(), purl.name()) {
        (None, "std" | "stdlib") | (Some("github.com/golang"), "go") => return Some("stdlib"),
        // The module as which the toolchain is fetched.
        (None | Some("golang.org"), "toolchain") => return Some("toolchain"),
        _ => {}
    }
    // A private module may have such a name, but seldom such a version.
    let is_release = |version: &str| {
        let version = version.strip_prefix("go").unwrap_or(version);
        version.strip_prefix('v').unwrap_or(version).starts_with("1.")
    };
    if !purl.version().is_none_or(is_release) {
        return None;
    }
    let path = purl.namespace().unwrap_or(purl.name());
    match path.split('/').next().unwrap_or_default() {
        "cmd" => Some("toolchain"),
        "std" => Some("stdlib"),
        part if STANDARD.contains(&part) => Some("stdlib"),
        _ => None,
    }
}

/// Returns true if a path can be a module's: it begins with a host, or is part of Go itself. Modules that are not
/// published have no host.
fn is_module(path: &str) -> bool {
    has_host(path) || matches!(path, "stdlib" | "toolchain")
}
