//! The source package from which a distribution's package is built: its name and version in advisories.

use std::borrow::Cow;

use super::registry::is_source_name;
use super::table::{Named, Row};
use super::{row_of, stated_distro};
use crate::name::spelling;
use crate::origin::{Origin, name_of_source_rpm, version_of_source_rpm};
use crate::purl::PackageUrl;

/// The name of a distribution's package in advisories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source<'a> {
    /// Advisories name the package itself.
    Own,
    /// The package was built from this source.
    Named(Cow<'a, str>),
    /// Advisories may name sources, and the package's source is unknown.
    Unknown,
}

/// A source package that advisories may name besides the installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourcePackage {
    /// Its name.
    pub name: String,
    /// Its version, if it is not the installed package's.
    pub version: Option<String>,
    /// False if the version may lack its epoch: then it can only show that the package is not affected.
    pub epoch_known: bool,
}

impl SourcePackage {
    /// Returns the path in a repository, or in a module, with its version.
    pub(super) fn at(row: &Row, path: &str) -> Self {
        Self {
            name: spelling(row.ecosystem, path).into_owned(),
            version: None,
            epoch_known: true,
        }
    }
}

/// Returns the name in the distribution's advisories. Generators write the source package into `upstream` (`openssl`,
/// `openssl@3.1`, `openssl-3.0.7-1.el9.src.rpm`) or `source`, or beside the URL.
pub(super) fn source_of<'a>(row: &Row, purl: &'a PackageUrl, origin: Option<&'a Origin>) -> Source<'a> {
    match row.named() {
        Named::Installed => Source::Own,
        // The package's own name is right even if its source is not known.
        Named::InPart => match told_source(row, purl, origin) {
            Source::Unknown => Source::Own,
            told => told,
        },
        Named::Sources | Named::Both => told_source(row, purl, origin),
    }
}

fn told_source<'a>(row: &Row, purl: &'a PackageUrl, origin: Option<&'a Origin>) -> Source<'a> {
    let bare = |named: &'a str| bare_source(row.ty, named);
    if let (Some(one), Some(other)) = (purl.qualifier("upstream"), purl.qualifier("source"))
        && bare(one) != bare(other)
    {
        return Source::Unknown;
    }
    let named = named_source(purl).map(bare);
    let beside = || origin.and_then(|origin| origin.source.as_deref());
    match named.filter(|name| !name.is_empty()).or_else(beside) {
        // Not a name, or several: the right one is not known.
        Some(name) if !is_source_name(name) => Source::Unknown,
        Some(name) => Source::Named(signed_kernel(row.ty, name).map_or(Cow::Borrowed(name), Cow::Owned)),
        None if matches!(purl.qualifier("arch"), Some("source" | "src" | "nosrc")) => Source::Own,
        None => Source::Unknown,
    }
}

/// Returns the name of a source in a qualifier.
fn bare_source<'a>(ty: &str, named: &'a str) -> &'a str {
    if ty == "rpm" {
        return name_of_source_rpm(named);
    }
    // dpkg writes `name (version)` if the versions differ.
    let end = named.find(['@', '(']).unwrap_or(named.len());
    named.get(..end).unwrap_or(named).trim()
}

fn named_source(purl: &PackageUrl) -> Option<&str> {
    purl.qualifier("upstream").or_else(|| purl.qualifier("source"))
}

/// Returns the source of a package whose distribution's advisories name either, if its name is another one.
pub(super) fn other_source(row: &Row, purl: &PackageUrl, origin: Option<&Origin>) -> Option<SourcePackage> {
    let Source::Named(name) = source_of(row, purl, origin) else {
        return None;
    };
    let name = name.as_ref();
    if !matches!(row.named(), Named::Both | Named::InPart) || name == purl.name() {
        return None;
    }
    let beside = origin.filter(|origin| origin.source.as_deref() == Some(name));
    let complete = beside.and_then(|origin| origin.source_version.as_deref());
    let bare = version_of_file(purl, origin);
    let is_own = |bare: &&str| without_epoch(purl) == *bare;
    // SUSE's packages have none.
    let has_epochs = !matches!(row.ecosystem, "SUSE" | "openSUSE");
    Some(SourcePackage {
        name: name.to_owned(),
        version: complete.or(bare.filter(|bare| !is_own(bare))).map(str::to_owned),
        epoch_known: !has_epochs || complete.is_some() || bare.is_none_or(|bare| is_own(&bare)),
    })
}

/// The architectures in the names of Debian's and Azure Linux' signed sources.
const SIGNED_FOR: [&str; 5] = ["-amd64", "-arm64", "-i386", "-x64", "-aarch64"];

/// Returns the source of the kernel in a package whose own source only adds signatures for secure boot: `linux` of
/// `linux-signed-amd64` (Debian), `linux-aws` of `linux-signed-aws` (Ubuntu), `kernel` of `kernel-signed-x64` (Azure
/// Linux). Advisories name that source, and the package has its version.
fn signed_kernel(ty: &str, source: &str) -> Option<String> {
    let (front, rest) = source.split_once("-signed")?;
    let rest = SIGNED_FOR
        .iter()
        .find_map(|arch| rest.strip_suffix(arch))
        .unwrap_or(rest);
    let is_kernel = match ty {
        "deb" => front == "linux" && (rest.is_empty() || rest.starts_with('-')),
        "rpm" => (front == "kernel" || front.starts_with("kernel-")) && rest.is_empty(),
        _ => false,
    };
    is_kernel.then(|| [front, rest].concat())
}

/// Returns true if a package's source only adds signatures to a kernel, so that the package's version is that of the
/// kernel's source.
pub(super) fn is_signed_kernel(purl: &PackageUrl, origin: Option<&Origin>) -> bool {
    let beside = || origin.and_then(|origin| origin.source.as_deref());
    let source = named_source(purl).or_else(beside).unwrap_or_default();
    signed_kernel(purl.ty(), bare_source(purl.ty(), source)).is_some()
}

/// Returns true for the name of a source that only adds signatures to what another source built (`grub-efi-amd64-signed`,
/// `shim-signed`): advisories may name that one, whose versions are others.
pub(crate) fn is_signed(ty: &str, name: &str) -> bool {
    matches!(ty, "deb" | "rpm") && (name.ends_with("-signed") || name.contains("-signed-"))
}

/// Returns version and release of the source package in the name of its file, if advisories only name sources and the
/// package has another version: `5.38.2-510` of `upstream=perl-5.38.2-510.src.rpm`. It lacks the epoch, which makes it older
/// at most.
pub(super) fn version_in_file<'a>(
    purl: &'a PackageUrl,
    origin: Option<&'a Origin>,
    distro: Option<&str>,
) -> Option<&'a str> {
    let bare = version_of_file(purl, origin).filter(|_| is_about_sources(purl, distro))?;
    (bare != without_epoch(purl)).then_some(bare)
}

/// Returns version and release in the name of a source package's file, in the URL or beside it.
fn version_of_file<'a>(purl: &'a PackageUrl, origin: Option<&'a Origin>) -> Option<&'a str> {
    if purl.ty() != "rpm" {
        return None;
    }
    match named_source(purl) {
        Some(file) => version_of_source_rpm(file),
        None => origin?.source_file.as_deref(),
    }
}

/// Returns the URL's version without its epoch.
fn without_epoch(purl: &PackageUrl) -> &str {
    let own = purl.version().unwrap_or_default();
    own.split_once(':').map_or(own, |(_, rest)| rest)
}

/// Returns true if a document, or the URL, names the source package of a distribution's package, readably or not.
pub(crate) fn names_source(purl: &PackageUrl, origin: Option<&Origin>) -> bool {
    origin.is_some_and(|origin| origin.source.is_some()) || named_source(purl).is_some()
}

/// Returns true if advisories of the URL's distribution, or of the document's, only name source packages.
pub(super) fn is_about_sources(purl: &PackageUrl, distro: Option<&str>) -> bool {
    row_of(purl, stated_distro(purl).or(distro)).is_some_and(|row| row.named() == Named::Sources)
}
