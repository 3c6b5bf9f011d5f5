//! SPDX 2.0 to 2.3 as JSON and as YAML, which has the same fields: packages with their package URLs. Files, snippets
//! and most relationships are ignored.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::collect::{Collector, Found, present_version};
use super::limited::Limited;
use super::place::{of_json_error, read_json as read_json_value};
use super::{ComponentKind, Format, Inventory, Place, SbomError, yaml};
use crate::lenient::{AnyText, Entries, Fields, Text, VersionText, or_default};
use crate::origin::{OriginParts, Remarks, SourceInfo, StatedVendor, with_vendor};

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
    #[serde(default, deserialize_with = "or_default")]
    relationships: Describes,
    #[serde(rename = "externalDocumentRefs", default)]
    other_documents: IsFilled,
    /// Ignored, but a document with another form of these fields is not SPDX.
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
    version: VersionText,
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
    #[serde(default)]
    originator: StatedVendor,
    #[serde(default)]
    supplier: StatedVendor,
}

#[derive(Deserialize)]
struct ExternalRef {
    #[serde(rename = "referenceType", default, deserialize_with = "or_default")]
    kind: Text,
    #[serde(rename = "referenceLocator", default, deserialize_with = "or_default")]
    locator: Text,
}

/// The note of a document that refers to others.
pub(super) const OTHER_DOCUMENTS: &str =
    "the document refers to other documents; packages that only they list were not checked";

/// A list of which it only matters if it has entries.
#[derive(Default)]
pub(super) struct IsFilled(pub(super) bool);

impl<'de> Deserialize<'de> for IsFilled {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut filled = Self::default();
        deserializer.deserialize_any(Entries(|_: IgnoredAny| filled.0 = true, PhantomData))?;
        Ok(filled)
    }
}

/// The elements that the document itself describes, from all its relationships.
#[derive(Default)]
struct Describes(Vec<String>);

/// Most subjects of a document; more than one makes no further difference.
const MAX_DESCRIBED: usize = 16;

impl<'de> Deserialize<'de> for Describes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Vec::new();
        let take = |relationship: Relationship<'de>| {
            found.extend(relationship.described().filter(|_| found.len() < MAX_DESCRIBED));
        };
        deserializer.deserialize_any(Entries(take, PhantomData))?;
        Ok(Self(found))
    }
}

/// A relationship of two elements; `None` for another form.
#[derive(Default)]
struct Relationship<'a> {
    element: AnyText<'a>,
    kind: AnyText<'a>,
    related: AnyText<'a>,
}

impl<'de> Deserialize<'de> for Relationship<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut relationship = Self::default();
        deserializer.deserialize_any(Fields(|key: &str, value: AnyText<'de>| match key {
            "spdxElementId" => relationship.element = value,
            "relationshipType" => relationship.kind = value,
            "relatedSpdxElement" => relationship.related = value,
            _ => {}
        }))?;
        Ok(relationship)
    }
}

impl Relationship<'_> {
    /// Returns the element that the document describes with this field.
    fn described(&self) -> Option<String> {
        described_by(&self.element.0, &self.kind.0, &self.related.0).map(str::to_owned)
    }
}

/// The identifier of every SPDX 2 document.
const DOCUMENT: &str = "SPDXRef-DOCUMENT";

/// Returns the element that the document describes with a relationship, in either direction.
pub(super) fn described_by<'a>(element: &'a str, kind: &str, related: &'a str) -> Option<&'a str> {
    let (element, related) = (element.trim(), related.trim());
    let kind = bare(kind).replace('_', "");
    if element == DOCUMENT && kind.eq_ignore_ascii_case("DESCRIBES") {
        Some(related)
    } else if related == DOCUMENT && kind.eq_ignore_ascii_case("DESCRIBEDBY") {
        Some(element)
    } else {
        None
    }
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
        let reason = format!("{version:?} is not a version of SPDX 2");
        return Err(invalid(Place::root().child("spdxVersion"), reason));
    }
    let mut collector = Collector::default();
    if document.other_documents.0 {
        collector.note(&Place::root().child("externalDocumentRefs"), OTHER_DOCUMENTS);
    }
    let packages = Place::root().child("packages");
    let listed = document.describes.iter().map(|id| id.0.trim());
    let related = document.relationships.0.iter().map(String::as_str);
    let described: BTreeSet<&str> = listed.chain(related).filter(|id| !id.is_empty()).collect();
    // If there are several subjects, none contains all the others: they are packages.
    collector.describes_several = described.len() > 1;
    for (i, package) in document.packages.iter().enumerate() {
        let place = packages.child(i);
        let Some(package) = package else {
            collector.add_null(&place);
            continue;
        };
        let is_subject = described.len() == 1 && described.contains(package.id.0.trim());
        take(package, &place, is_subject, &mut collector);
    }
    collector.finish(format, version, &document.name.0)
}

/// Returns the word of an enumeration, which may be written as an address: `http://spdx.org/rdf/references/purl`.
pub(super) fn bare(word: &str) -> &str {
    let word = word.trim();
    if word.contains("://") {
        word.rsplit(['/', '#']).next().unwrap_or(word)
    } else {
        word
    }
}

/// Returns true for `SPDX-2.N`.
pub(super) fn is_version(text: &str) -> bool {
    text.strip_prefix("SPDX-2.")
        .is_some_and(|minor| minor.parse::<u32>().is_ok())
}

fn take(raw: &RawPackage, place: &Place, is_subject: bool, collector: &mut Collector) {
    let (mut purls, mut cpes) = (Vec::new(), Vec::new());
    for (i, reference) in raw.external_refs.iter().enumerate() {
        let Some(reference) = reference else { continue };
        if bare(&reference.kind.0).eq_ignore_ascii_case("purl") {
            let at = place.child("externalRefs").child(i);
            purls.extend(collector.purl(&reference.locator.0, &at));
        } else if is_cpe(bare(&reference.kind.0)) {
            cpes.push(reference.locator.0.as_str());
        }
    }
    let purpose = purpose(&raw.purpose.0, &raw.id.0);
    let kind = if is_subject {
        ComponentKind::Subject
    } else {
        kind_of(purpose, &raw.version.0)
    };
    if is_operating_system(purpose) {
        collector.operating_system(&raw.name.0, &raw.version.0);
    }
    let found = Found {
        name: &raw.name.0,
        version: &raw.version.0,
        purls,
        cpes,
        kind,
        place,
    };
    let parts = [&raw.source_info.0, &raw.attributions.0, &raw.annotations.0];
    let origin = OriginParts::finish_first(parts);
    collector.add_with(found, with_vendor(origin, raw.originator.0, raw.supplier.0));
}

/// Returns true if a type of reference or identifier is a CPE name: `cpe23Type`, `cpe22`.
pub(super) fn is_cpe(kind: &str) -> bool {
    ["cpe23Type", "cpe22Type", "cpe23", "cpe22"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(kind))
}

const OPERATING_SYSTEM: &str = "OPERATING-SYSTEM";

/// Returns true if a purpose, in any spelling, is an operating system.
pub(super) fn is_operating_system(purpose: &str) -> bool {
    let purpose = purpose.strip_prefix("purpose_").unwrap_or(purpose);
    purpose
        .replace(['-', '_'], "")
        .eq_ignore_ascii_case("OPERATINGSYSTEM")
}

/// Returns the purpose of a package. Before 2.3 there was no field for it, and Trivy encodes it in its identifiers.
pub(super) fn purpose<'a>(stated: &'a str, id: &str) -> &'a str {
    let by_id = [
        ("SPDXRef-OperatingSystem-", OPERATING_SYSTEM),
        ("SPDXRef-ContainerImage-", "CONTAINER"),
    ];
    match bare(stated) {
        "" => by_id
            .into_iter()
            .find(|(start, _)| id.trim().starts_with(start))
            .map_or("", |(_, purpose)| purpose),
        stated => stated,
    }
}

/// Returns the kind for a package's primary purpose, in the spelling of SPDX 2 or 3. A package with a version is
/// released software, even if its purpose is source code.
pub(super) fn kind_of(purpose: &str, version: &str) -> ComponentKind {
    let purpose = purpose.trim();
    // `http://spdx.org/rdf/terms#purpose_operatingSystem`
    let purpose = purpose.strip_prefix("purpose_").unwrap_or(purpose);
    match purpose.replace(['-', '_'], "").to_ascii_uppercase().as_str() {
        "ARCHIVE" | "SOURCE" | "OTHER" if present_version(version).is_some() => ComponentKind::Package,
        "CONTAINER" | "OPERATINGSYSTEM" | "DEVICE" | "FILE" | "ARCHIVE" | "SOURCE" | "OTHER" | "DATA"
        | "MODEL" => ComponentKind::Other,
        _ => ComponentKind::Package,
    }
}
