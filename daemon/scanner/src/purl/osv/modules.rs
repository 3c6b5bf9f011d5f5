//! Paths of Go modules and of the packages in them.
//!
//! A path does not show where its module ends, and generators list both. A module in a folder of another one (`go.etcd.io/etcd/api/v3`) has
//! versions of its own, and what is said about the one above is not said about it. The rules of Go tell some of them: from 2 on, the
//! major version is the last part of a module's path.

use std::borrow::Cow;

use super::registry::part_of_go;
use super::table::Row;
use super::{ACTIONS, GO, first_two_segments};
use crate::origin::Origin;
use crate::purl::PackageUrl;

/// The paths by which a package of a registry is looked up.
pub(super) struct Paths<'a> {
    /// The name: of a Go component, the path of its module, as far as it is known.
    pub(super) name: Cow<'a, str>,
    /// Another path that advisories may name: of the package in the module, or of a module in a folder of the other one.
    pub(super) other: Option<String>,
    /// True if `name` is the path of a module for certain.
    pub(super) is_module: bool,
}

impl<'a> Paths<'a> {
    /// Returns the path of a package whose name is all of it.
    fn whole(name: Cow<'a, str>) -> Self {
        Self {
            name,
            other: None,
            is_module: false,
        }
    }

    /// Returns the paths of a package of a row with this name.
    pub(super) fn in_registry(
        row: &Row,
        purl: &PackageUrl,
        origin: Option<&Origin>,
        name: Cow<'a, str>,
    ) -> Self {
        match row.ecosystem {
            GO => match part_of_go(purl) {
                Some(part) => Self::whole(Cow::Borrowed(part)),
                None => Self::of(purl, origin, name),
            },
            // Only the first two segments name the repository; the rest is a path in it.
            ACTIONS if name.matches('/').count() > 1 => Self::whole(Cow::Owned(first_two_segments(&name))),
            _ => Self::whole(name),
        }
    }

    /// Returns the paths of a Go component with this name.
    ///
    /// By the rules of package URLs, a subpath names a package in the module. Syft cuts the path of a module after its third part, and
    /// writes the rest as the subpath.
    fn of(purl: &PackageUrl, origin: Option<&Origin>, name: Cow<'a, str>) -> Self {
        let version = purl.version().unwrap_or_default();
        let stated = purl.qualifier("type").unwrap_or_default();
        let is_listed_as_module = origin.is_some_and(|origin| origin.is_go_module);
        let Some(subpath) = purl.subpath().filter(|subpath| !subpath.is_empty()) else {
            return Self {
                is_module: is_listed_as_module || stated == "module" || is_module_at(&name, version),
                name,
                other: None,
            };
        };
        let whole = [&name, "/", &subpath.replace('!', "")].concat();
        // Some tools write the major version as a subpath.
        let is_major = version.is_empty() && major_in(&whole).is_some();
        if is_listed_as_module || is_major || is_module_at(&whole, version) {
            return Self {
                name: Cow::Owned(whole),
                other: None,
                is_module: true,
            };
        }
        Self {
            is_module: stated == "package" || is_module_at(&name, version),
            name,
            other: Some(whole),
        }
    }
}

/// Returns the major version at the end of a module's path.
fn major_in(path: &str) -> Option<u32> {
    let last = path.rsplit('/').next()?;
    let number = match last.strip_prefix('v') {
        Some(number) => number,
        None if path.starts_with("gopkg.in/") => last.rsplit_once(".v")?.1,
        None => return None,
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let major = number.parse().ok().filter(|_| is_number)?;
    // `v0` and `v1` are folders.
    (major >= 2 || last.len() > number.len() + 1).then_some(major)
}

/// Returns the major version of a module's version, if its path has to name it from 2 on.
fn major_of(version: &str) -> Option<u32> {
    let number = version.strip_prefix('v').unwrap_or(version);
    let major = number.split('.').next()?.parse().ok();
    major.filter(|_| !version.ends_with("+incompatible"))
}

/// Returns true if a path is that of a module for certain, because it ends with the major version of its version and no shorter
/// path does.
fn is_module_at(path: &str, version: &str) -> bool {
    let Some(major) = major_in(path).filter(|major| major_of(version) == Some(*major)) else {
        return false;
    };
    let mut above = modules_above(path);
    major >= 2 && !above.any(|shorter| major_in(shorter) == Some(major))
}

/// Returns false if a module of this path cannot have the version, because the path ends with another major version.
pub(crate) fn can_have(path: &str, version: &str) -> bool {
    match (major_in(path), major_of(version)) {
        (Some(of_path), Some(of_version)) => of_path == of_version,
        _ => true,
    }
}

/// Returns true if a module's path ends with the major version of its version, so that no shorter path is that of the module.
fn is_of_major(path: &str, version: &str) -> bool {
    major_in(path).is_some_and(|major| major_of(version) == Some(major))
}

/// Returns a module's path with the major version, if that is missing.
pub(crate) fn with_major(path: &str, version: &str) -> Option<String> {
    let major = major_of(version)?;
    let last = path.rsplit('/').next()?;
    let has_one = last
        .strip_prefix('v')
        .or_else(|| last.rsplit_once(".v").map(|(_, major)| major))
        .is_some_and(|major| !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit()));
    (major >= 2 && has_host(path) && !has_one).then(|| format!("{path}/v{major}"))
}

/// Hosts whose modules have at least an owner and a repository in their path.
const HOSTS_OF_REPOSITORIES: [&str; 3] = ["github.com", "gitlab.com", "bitbucket.org"];

/// The most parts of a path that is looked up by the paths above it: no module's has nearly as many.
const MOST_PARTS: usize = 64;

/// Returns true if a Go path has more parts than are looked up. What is said about the paths above it is not known then.
pub(super) fn is_too_deep(path: &str) -> bool {
    path.matches('/').nth(MOST_PARTS - 1).is_some()
}

/// Returns the paths of modules that a Go path may be a package of, the longest first: of one that is too deep, the shortest ones.
pub(crate) fn modules_above(path: &str) -> impl Iterator<Item = &str> {
    let host = path.split('/').next().unwrap_or_default();
    let least = if HOSTS_OF_REPOSITORIES.contains(&host) {
        2
    } else {
        1
    };
    let ends = path.match_indices('/').map(|(at, _)| at);
    let ends: Vec<usize> = ends.take(MOST_PARTS).skip(least).collect();
    ends.into_iter().rev().filter_map(|end| path.get(..end))
}

/// Returns true if a Go path is that of a module with the major version of `version` after it.
pub(crate) fn is_major_of(path: &str, module: &str, version: &str) -> bool {
    let rest = path.strip_prefix(module).and_then(|rest| rest.strip_prefix("/v"));
    rest.is_some_and(|rest| !rest.contains('/')) && is_of_major(path, version)
}

/// Returns true if a path begins with a host's name.
pub(super) fn has_host(path: &str) -> bool {
    path.split('/').next().is_some_and(|host| host.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_a_modules_for_certain_by_its_major_version() {
        for (path, version) in [
            ("e.example/x/v2", "v2.0.1"),
            ("e.example/x/client/pkg/v3", "v3.5.9"),
            ("e.example/x/client/v2", "v2.305.1"),
            ("gopkg.in/yaml.v2", "v2.2.8"),
        ] {
            assert!(is_module_at(path, version), "{path} {version}");
        }
        for (path, version) in [
            ("e.example/x", "v2.0.1"),
            ("e.example/x/v2", "v3.0.1"),
            ("e.example/x/v2", "v2.0.1+incompatible"),
            ("e.example/x/core/v1", "v1.0.0"),
            ("e.example/x/core/v0", "v0.1.0"),
            ("e.example/x/v2/api/v2", "v2.0.1"),
            ("e.example/x/v2/sub", "v2.0.1"),
            ("e.example/x/v2", "(devel)"),
            ("e.example/x/version2", "v2.0.1"),
        ] {
            assert!(!is_module_at(path, version), "{path} {version}");
        }
    }

    #[test]
    fn paths_above_a_deep_path_are_bounded() {
        let above = |parts: usize| {
            let path = ["e.example", &"/a".repeat(parts - 1)].concat();
            let above: Vec<usize> = modules_above(&path)
                .map(|above| above.matches('/').count() + 1)
                .collect();
            (
                is_too_deep(&path),
                above.len(),
                above.first().copied(),
                above.last().copied(),
            )
        };
        assert_eq!(above(2), (false, 0, None, None));
        assert_eq!(above(4), (false, 2, Some(3), Some(2)));
        assert_eq!(above(64), (false, 62, Some(63), Some(2)));
        assert_eq!(above(65), (true, 63, Some(64), Some(2)));
        assert_eq!(above(2000), (true, 63, Some(64), Some(2)));
        let of_repository: Vec<&str> = modules_above("github.com/a/b/c").collect();
        assert_eq!(of_repository, ["github.com/a/b"]);
    }

    #[test]
    fn module_has_versions_of_its_major_alone() {
        assert!(can_have("e.example/x/v2", "v2.1.0") && can_have("e.example/x", "v2.1.0"));
        assert!(!can_have("e.example/x/v2", "v1.1.0") && !can_have("gopkg.in/yaml.v2", "v3.0.0"));
        assert!(can_have("e.example/x/v2", "(devel)") && can_have("e.example/x/v1", "v0.1.0"));
        assert!(is_major_of("e.example/x/v2", "e.example/x", "v2.0.0"));
        for (path, version) in [
            ("e.example/x/v2", "v1.0.0"),
            ("e.example/x/v1", "v1.0.0"),
            ("e.example/x/y/v2", "v2.0.0"),
        ] {
            assert!(!is_major_of(path, "e.example/x", version), "{path} {version}");
        }
    }

    #[test]
    fn subpath_is_cut_from_a_modules_path_or_names_a_package() {
        let of = |url: &str, is_listed_as_module: bool| {
            let purl = PackageUrl::parse_lenient(&format!("pkg:golang/e.example/{url}")).unwrap();
            let origin = Origin {
                is_go_module: is_listed_as_module,
                ..Origin::default()
            };
            let paths = Paths::of(&purl, Some(&origin), Cow::Borrowed("e.example/x"));
            (paths.name.into_owned(), paths.other, paths.is_module)
        };
        let whole = |path: &str, other: Option<&str>, is_module: bool| {
            (path.to_owned(), other.map(str::to_owned), is_module)
        };
        for (url, is_listed, expected) in [
            ("x@v1.0.0", false, whole("e.example/x", None, false)),
            ("x@v1.0.0", true, whole("e.example/x", None, true)),
            ("x@v1.0.0?type=module", false, whole("e.example/x", None, true)),
            ("x@v1.0.0?type=package", false, whole("e.example/x", None, false)),
            (
                "x@v1.0.0#api",
                false,
                whole("e.example/x", Some("e.example/x/api"), false),
            ),
            ("x@v1.0.0#api", true, whole("e.example/x/api", None, true)),
            (
                "x@v1.0.0?type=package#api",
                false,
                whole("e.example/x", Some("e.example/x/api"), true),
            ),
            ("x@v2.0.0#v2", false, whole("e.example/x/v2", None, true)),
            ("x#v2", false, whole("e.example/x/v2", None, true)),
            (
                "x@v1.0.0#v2",
                false,
                whole("e.example/x", Some("e.example/x/v2"), false),
            ),
            ("x@v3.5.9#pkg/v3", false, whole("e.example/x/pkg/v3", None, true)),
        ] {
            assert_eq!(of(url, is_listed), expected, "{url}");
        }
    }
}
