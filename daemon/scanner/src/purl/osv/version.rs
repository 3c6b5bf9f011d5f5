//! The version of a package that advisories are compared with.

use std::borrow::Cow;

use super::registry::part_of_go;
use super::source::{is_about_sources, is_signed_kernel, version_in_file};
use super::stated_distro;
use super::table::DOCKER;
use crate::origin::Origin;
use crate::purl::PackageUrl;

/// Returns the version for comparison with advisories, or `None` if the URL has none.
///
/// RPM's epoch is in a qualifier. A source package's version, if a generator wrote it, replaces the binary package's
/// own, because advisories of dpkg and apk distributions name the source.
pub fn version_of(purl: &PackageUrl) -> Option<String> {
    version_from(purl, None, None)
}

/// Same as [`version_of`], for a package with more data in the document than in its URL: `stated` is the document's own
/// version field.
pub fn version_from(purl: &PackageUrl, origin: Option<&Origin>, stated: Option<&str>) -> Option<String> {
    version_in(purl, origin, stated, None)
}

/// Returns the version of a package whose URL does not name its distribution, on the document's; `None` if the URL names it, so
/// that [`version_from`] is right. `stated` is its result.
pub(crate) fn version_on(
    purl: &PackageUrl,
    origin: Option<&Origin>,
    stated: Option<&str>,
    distro: Option<&str>,
) -> Option<String> {
    let is_open = purl.ty() == "rpm" && purl.namespace().is_none() && stated_distro(purl).is_none();
    distro
        .filter(|_| is_open)
        .and_then(|distro| version_in(purl, origin, stated, Some(distro)))
}

/// Returns the version that tells of which builds a package is: its source's in the URL, its own, or its source's beside the URL.
pub(super) fn stated_version<'a>(purl: &'a PackageUrl, origin: Option<&'a Origin>) -> Option<&'a str> {
    let of_source = origin.and_then(|origin| origin.source_version.as_deref());
    let in_url = purl.qualifier("upstream").filter(|_| purl.ty() == "deb");
    let in_url = in_url.and_then(|source| Some(source.split_once('@')?.1));
    in_url.or(purl.version()).or(of_source)
}

fn version_in(
    purl: &PackageUrl,
    origin: Option<&Origin>,
    stated: Option<&str>,
    distro: Option<&str>,
) -> Option<String> {
    let is_signed_kernel = is_signed_kernel(purl, origin);
    let by_source = matches!(purl.ty(), "deb" | "apk" | "alpine")
        && purl.namespace() != Some(DOCKER)
        && !is_signed_kernel;
    let upstream = purl.qualifier("upstream").filter(|_| by_source);
    let of_source = upstream
        .and_then(|upstream| {
            let by_dpkg = || upstream.strip_suffix(')')?.split_once('(');
            upstream.split_once('@').or_else(by_dpkg)
        })
        .map(|(_, version)| version.trim())
        .filter(|version| !version.is_empty());
    // A source's version beside the URL belongs to the source beside it, and has its own epoch.
    if of_source.is_none()
        && let Some(version) = origin.and_then(|origin| origin.source_version.as_deref())
        && upstream.is_none_or(|name| origin.is_some_and(|origin| origin.source.as_deref() == Some(name)))
        && (by_source || (is_about_sources(purl, distro) && !is_signed_kernel))
    {
        return Some(version.to_owned());
    }
    if let Some(version) = version_in_file(purl, origin, distro).filter(|_| !is_signed_kernel) {
        return Some(version.to_owned());
    }
    let has_epochs = matches!(purl.ty(), "rpm" | "deb");
    let version = match (of_source.or_else(|| purl.version()), stated) {
        (Some(version), Some(stated)) if has_epochs && says_epoch_of(stated, version) => stated,
        (Some(version), _) => version,
        (None, stated) => stated?,
    };
    let epoch = purl
        .qualifier("epoch")
        .or_else(|| origin.and_then(|origin| origin.epoch.as_deref()))
        // rpm itself writes `(none)`.
        .filter(|epoch| epoch.bytes().all(|byte| byte.is_ascii_digit()));
    Some(match epoch {
        Some(epoch) if has_epochs && !version.contains(':') => format!("{epoch}:{version}"),
        _ if part_of_go(purl).is_some() => go_release(version).into_owned(),
        _ => version.to_owned(),
    })
}

/// Returns true if `stated` is `version` with an epoch before it, and perhaps a release after it.
fn says_epoch_of(stated: &str, version: &str) -> bool {
    let Some((epoch, rest)) = stated.split_once(':') else {
        return false;
    };
    let is_epoch = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
    let rest = rest.strip_prefix(version);
    is_epoch && !version.contains(':') && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Returns a release of Go in the form of the vulnerability database: without the prefix `go` and without a build's
/// suffix (`go1.26.6-X:boringcrypto`, `1.22.5-vendor`), and `1.21rc2` as `1.21.0-rc.2`. The module of the toolchain has it
/// inside its version: `v0.0.1-go1.24.2.linux-amd64`.
fn go_release(version: &str) -> Cow<'_, str> {
    let version = version.trim();
    let of_module = ["v0.0.1-go", "0.0.1-go"]
        .iter()
        .find_map(|start| version.strip_prefix(start));
    let version = of_module.unwrap_or(version);
    let version = version.strip_prefix("go").unwrap_or(version);
    let version = version.split([' ', '\t']).next().unwrap_or_default();
    let end = version
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(version.len());
    let (numbers, rest) = version.split_at(end);
    let numbers = numbers.trim_end_matches('.');
    let bare = rest.trim_start_matches('-');
    for phase in ["alpha", "beta", "rc"] {
        let number = bare
            .strip_prefix(phase)
            .map(|after| after.trim_start_matches('.'));
        let Some(number) = number else { continue };
        let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
        let number = number.get(..end).unwrap_or_default();
        let zeros = ".0".repeat(2_usize.saturating_sub(numbers.matches('.').count()));
        return Cow::Owned(format!("{numbers}{zeros}-{phase}.{number}"));
    }
    // The database writes `-0` for the place before every pre-release.
    if numbers.is_empty() || rest == "-0" {
        return Cow::Borrowed(version);
    }
    Cow::Borrowed(numbers)
}
