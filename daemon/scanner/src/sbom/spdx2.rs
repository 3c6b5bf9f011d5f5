//! SPDX 2.0 to 2.3 as JSON and as YAML, which has the same fields: packages with their package URLs. Files, snippets and relationships are
//! not looked at.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::collect::{Collector, Found};
use super::limited::Limited;
use super::place::{of_json_error, read_json as read_json_value};
use super::{ComponentKind, Format, Inventory, Place, SbomError, yaml};
use crate::lenient::{Text, or_default};
use crate::origin::{OriginParts, Remarks, SourceInfo};

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "spdxVersion", default, deserialize_with = "or_default")]
    spdx_version: Text,
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    #[serde(rename = "documentDescribes", default, deserialize_with = "or_default")]
    describes: Limited<Text>,
    #[serde(default, deserialize_with = "or_default")]
    packages: Limited<Option<RawPackage>>,
    /// Not looked at, but a document whose head has another shape is none of SPDX.
    #[serde(default, rename = "creationInfo")]
    _creation_info: Option<CreationInfo>,
}

#[derive(Deserialize)]
struct CreationInfo {
    #[serde(default, rename = "creators")]
    _creators: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct RawPackage {
    #[serde(rename = "SPDXID", default, deserialize_with = "or_default")]
    id: Text,
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    #[serde(rename = "versionInfo", default, deserialize_with = "or_default")]
    version: Text,
    #[serde(rename = "primaryPackagePurpose", default, deserialize_with = "or_default")]
    purpose: Text,
    #[serde(rename = "externalRefs", default, deserialize_with = "or_default")]
    external_refs: Limited<Option<ExternalRef>>,
    #[serde(rename = "sourceInfo", default)]
    source_info: SourceInfo,
    #[serde(rename = "attributionTexts", default)]
    attributions: Remarks,
    #[serde(default)]
    annotations: Remarks,
}

#[derive(Deserialize)]
struct ExternalRef {
    #[serde(rename = "referenceType", default, deserialize_with = "or_default")]
    kind: Text,
    #[serde(rename = "referenceLocator", default, deserialize_with = "or_default")]
    locator: Text,
}

pub(super) fn read_json(bytes: &[u8]) -> Result<Inventory, SbomError> {
    take_document(read_json_value(bytes), Format::Spdx2Json)
}

pub(super) fn read_yaml(text: &str) -> Result<Inventory, SbomError> {
    let document = yaml::read(text)
        .and_then(|value| serde_path_to_error::deserialize(value).map_err(|error| of_json_error(&error)));
    take_document(document, Format::Spdx2Yaml)
}

fn take_document(
    document: Result<Document, (Place, String)>,
    format: Format,
) -> Result<Inventory, SbomError> {
    let invalid = |place, reason| SbomError::Invalid {
        format,
        place,
        reason,
    };
    let document = document.map_err(|(place, reason)| invalid(place, reason))?;
    let version = document.spdx_version.0.trim();
    if !is_version(version) {
        let reason = format!("{version:?} is no version of SPDX 2");
        return Err(invalid(Place::root().child("spdxVersion"), reason));
    }
    let mut collector = Collector::default();
    let packages = Place::root().child("packages");
    let described: BTreeSet<&Text> = document.describes.iter().collect();
    for (i, package) in document.packages.iter().enumerate() {
        let place = packages.child(i);
        let Some(package) = package else {
            collector.note(&place, "the package is null and was skipped");
            continue;
        };
        let is_subject = !package.id.0.is_empty() && described.contains(&package.id);
        take(package, &place, is_subject, &mut collector);
    }
    collector.finish(format, version, &document.name.0)
}

/// The word of an enumeration, which may be written as an address: `http://spdx.org/rdf/references/purl`.
pub(super) fn bare(word: &str) -> &str {
    let word = word.trim();
    if word.contains("://") {
        word.rsplit(['/', '#']).next().unwrap_or(word)
    } else {
        word
    }
}

/// True for `SPDX-2.N`.
pub(super) fn is_version(text: &str) -> bool {
    text.strip_prefix("SPDX-2.")
        .is_some_and(|minor| minor.parse::<u32>().is_ok())
}

fn take(raw: &RawPackage, place: &Place, is_subject: bool, collector: &mut Collector) {
    let mut purls = Vec::new();
    for (i, reference) in raw.external_refs.iter().enumerate() {
        let Some(reference) = reference else { continue };
        if bare(&reference.kind.0).eq_ignore_ascii_case("purl") {
            let at = place.child("externalRefs").child(i);
            purls.extend(collector.purl(&reference.locator.0, &at));
        }
    }
    let purpose = purpose(&raw.purpose.0, &raw.id.0);
    let kind = if is_subject {
        ComponentKind::Subject
    } else {
        kind_of(purpose)
    };
    if purpose.eq_ignore_ascii_case(OPERATING_SYSTEM) {
        collector.operating_system(&raw.name.0, &raw.version.0);
    }
    let found = Found {
        name: &raw.name.0,
        version: &raw.version.0,
        purls,
        kind,
        place,
    };
    let parts = [&raw.source_info.0, &raw.attributions.0, &raw.annotations.0];
    collector.add_with(found, OriginParts::finish_first(parts));
}

pub(super) const OPERATING_SYSTEM: &str = "OPERATING-SYSTEM";

/// What a package is for. Before 2.3 there was no way to say so, and Trivy says it by the identifiers that it gives.
pub(super) fn purpose<'a>(stated: &'a str, id: &str) -> &'a str {
    let by_id = [
        ("SPDXRef-OperatingSystem-", OPERATING_SYSTEM),
        ("SPDXRef-ContainerImage-", "CONTAINER"),
    ];
    match stated.trim() {
        "" => by_id
            .into_iter()
            .find(|(start, _)| id.trim().starts_with(start))
            .map_or("", |(_, purpose)| purpose),
        stated => stated,
    }
}

/// By the package's primary purpose, in the spelling of SPDX 2 or 3.
pub(super) fn kind_of(purpose: &str) -> ComponentKind {
    match purpose.trim().replace('-', "").to_ascii_uppercase().as_str() {
        "CONTAINER" | "OPERATINGSYSTEM" | "DEVICE" | "FILE" | "ARCHIVE" | "SOURCE" | "OTHER" | "DATA"
        | "MODEL" => ComponentKind::Other,
        _ => ComponentKind::Package,
    }
}
