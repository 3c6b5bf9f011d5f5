//! SPDX 2.0 to 2.3: packages with their package URLs.
//!
//! Files, snippets and relationships are not looked at. A package with several package URLs is as
//! many components: each names something that can be judged.

use serde::Deserialize;

use super::place::read_json as read_json_value;
use super::{Component, ComponentKind, Format, Inventory, Note, Place, SbomError, read_purl, version_of};
use crate::lenient::{Text, or_default};

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "spdxVersion", default, deserialize_with = "or_default")]
    spdx_version: Text,
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    #[serde(rename = "documentDescribes", default, deserialize_with = "or_default")]
    describes: Vec<Text>,
    #[serde(default, deserialize_with = "or_default")]
    packages: Vec<Option<RawPackage>>,
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
    external_refs: Vec<Option<ExternalRef>>,
}

#[derive(Deserialize)]
struct ExternalRef {
    #[serde(rename = "referenceType", default, deserialize_with = "or_default")]
    kind: Text,
    #[serde(rename = "referenceLocator", default, deserialize_with = "or_default")]
    locator: Text,
}

pub(super) fn read_json(bytes: &[u8]) -> Result<Inventory, SbomError> {
    let invalid = |place, reason| SbomError::Invalid {
        format: Format::Spdx2Json,
        place,
        reason,
    };
    let document: Document = read_json_value(bytes).map_err(|(place, reason)| invalid(place, reason))?;
    let version = document.spdx_version.0.trim();
    let known = version
        .strip_prefix("SPDX-2.")
        .is_some_and(|minor| minor.parse::<u32>().is_ok());
    if !known {
        let reason = format!("spdxVersion {version:?} is no version of SPDX 2");
        return Err(invalid(Place::root().child("spdxVersion"), reason));
    }
    let mut reader = Reader::default();
    let packages = Place::root().child("packages");
    for (i, package) in document.packages.iter().enumerate() {
        match package {
            Some(package) => reader.package(package, packages.child(i), &document.describes),
            None => {
                let text = "the package is null and was skipped".to_owned();
                reader.notes.push(Note {
                    place: packages.child(i),
                    text,
                });
            }
        }
    }
    Ok(Inventory {
        format: Format::Spdx2Json,
        spec_version: version.to_owned(),
        subject: Some(document.name.0.trim().to_owned()).filter(|n| !n.is_empty()),
        distro: reader.distro,
        components: reader.components,
        notes: reader.notes,
    })
}

#[derive(Default)]
struct Reader {
    components: Vec<Component>,
    notes: Vec<Note>,
    distro: Option<String>,
}

impl Reader {
    fn package(&mut self, raw: &RawPackage, place: Place, describes: &[Text]) {
        let purpose = raw.purpose.0.trim().to_ascii_uppercase();
        if purpose == "OPERATING-SYSTEM" && self.distro.is_none() {
            self.distro = super::distro_name(&raw.name.0, &raw.version.0);
        }
        let kind = match purpose.as_str() {
            _ if !raw.id.0.is_empty() && describes.contains(&raw.id) => ComponentKind::Subject,
            "CONTAINER" | "OPERATING-SYSTEM" | "DEVICE" | "FILE" | "ARCHIVE" | "SOURCE" | "OTHER" => {
                ComponentKind::Other
            }
            _ => ComponentKind::Package,
        };
        let mut purls = Vec::new();
        for (i, reference) in raw.external_refs.iter().enumerate() {
            let Some(reference) = reference else { continue };
            if reference.kind.0.trim().eq_ignore_ascii_case("purl") {
                let at = place.child("externalRefs").child(i);
                purls.extend(
                    read_purl(Some(&reference.locator.0), &at, &mut self.notes)
                        .filter(|p| !purls.contains(p)),
                );
            }
        }
        let name = raw.name.0.trim();
        let mut push = |purl: Option<crate::purl::PackageUrl>| {
            let name = match (&purl, name) {
                (Some(purl), "") => purl.name().to_owned(),
                (None, "") => return false,
                (_, name) => name.to_owned(),
            };
            let version = version_of(purl.as_ref(), Some(&raw.version.0));
            self.components.push(Component {
                name,
                version,
                purl,
                kind,
                place: place.clone(),
            });
            true
        };
        let taken = if purls.is_empty() {
            push(None)
        } else {
            purls.into_iter().all(|purl| push(Some(purl)))
        };
        if !taken {
            let text = "the package has neither name nor package URL and was skipped".to_owned();
            self.notes.push(Note { place, text });
        }
    }
}
