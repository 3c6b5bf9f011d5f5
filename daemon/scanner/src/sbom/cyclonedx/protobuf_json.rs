//! CycloneDX in the JSON mapping of its protocol buffers, as written by protocol buffer libraries. It has no
//! `bomFormat`, its fields are in lowerCamelCase (readers also accept the schema's own names), and its enumerations
//! are the schema's names (`CLASSIFICATION_LIBRARY`) or numbers.
//!
//! Only the data for an inventory is read, as in the binary encoding.

use std::borrow::Cow;

use serde::Deserialize;

use super::super::collect::Collector;
use super::super::limited::Limited;
use super::super::place::read_json as read_json_value;
use super::super::{ComponentKind, Format, Inventory, Place, SbomError};
use super::protobuf::TYPES;
use super::{Fault, Parts, add, check_version, kind_of};
use crate::lenient::{AnyText, TextRef, VersionRef, or_default};
use crate::origin::{Properties, StatedOrganisation, StatedVendor};

/// The prefix of component types.
const PREFIX: &str = "CLASSIFICATION_";

#[derive(Deserialize)]
struct Bom<'a> {
    #[serde(
        borrow,
        rename = "specVersion",
        alias = "spec_version",
        default,
        deserialize_with = "or_default"
    )]
    spec_version: TextRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    metadata: Metadata<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    components: Limited<Option<Component<'a>>>,
}

#[derive(Deserialize, Default)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    component: Option<Component<'a>>,
}

#[derive(Deserialize)]
struct Component<'a> {
    #[serde(borrow, rename = "type", default, deserialize_with = "or_default")]
    kind: TextRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    group: TextRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    name: TextRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    version: VersionRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    purl: TextRef<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    cpe: AnyText<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    components: Limited<Option<Component<'a>>>,
    #[serde(default)]
    properties: Properties,
    #[serde(default)]
    publisher: StatedVendor,
    #[serde(default)]
    supplier: StatedOrganisation,
}

/// Returns true if a JSON document with a `specVersion` and without `bomFormat` is in this mapping: it has a type in
/// the schema's form.
pub(in super::super) fn is_meant(bytes: &[u8]) -> bool {
    let mark = ["\"", PREFIX].concat();
    bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
}

pub(super) fn read(bytes: &[u8]) -> Result<Inventory, SbomError> {
    let format = Format::CycloneDxProtobuf;
    let invalid = |(place, reason)| SbomError::Invalid {
        format,
        place,
        reason,
    };
    let bom: Bom<'_> = read_json_value(bytes).map_err(invalid)?;
    let mut collector = Collector::default();
    let root = Place::root();
    let place = root.child("specVersion");
    check_version(&bom.spec_version.0, &place, &mut collector).map_err(|reason| invalid((place, reason)))?;
    let mut subject = String::new();
    if let Some(component) = &bom.metadata.component {
        component.name.0.as_ref().clone_into(&mut subject);
        let place = root.child("metadata").child("component");
        take(component, &place, true, &mut collector).map_err(invalid)?;
    }
    take_list(&bom.components, &root.child("components"), &mut collector).map_err(invalid)?;
    collector.finish(format, &bom.spec_version.0, &subject)
}

fn take_list(list: &[Option<Component<'_>>], place: &Place, collector: &mut Collector) -> Result<(), Fault> {
    let entry = place.entries();
    for (index, component) in list.iter().enumerate() {
        match component {
            Some(component) => take(component, &entry(index), false, collector)?,
            None => collector.add_null(&entry(index)),
        }
    }
    Ok(())
}

/// Adds a component and its nested components. The JSON reader limits the depth.
fn take(
    raw: &Component<'_>,
    place: &Place,
    is_subject: bool,
    collector: &mut Collector,
) -> Result<(), Fault> {
    let kind = component_type(&raw.kind.0).map_err(|reason| (place.child("type"), reason))?;
    if !is_subject && raw.name.0.is_empty() && raw.purl.0.is_empty() {
        return Err((place.child("name"), "the component has no name".to_owned()));
    }
    let parts = Parts {
        kind,
        group: &raw.group.0,
        name: &raw.name.0,
        version: &raw.version.0,
        purl: &raw.purl.0,
        cpe: &raw.cpe.0,
        origin: raw.properties.0.as_deref(),
        publisher: raw.publisher.0,
        supplier: raw.supplier.0,
        ancestor: None,
    };
    let component_kind = if is_subject {
        ComponentKind::Subject
    } else {
        kind_of(kind)
    };
    add(&parts, component_kind, place, collector);
    take_list(&raw.components, &place.child("components"), collector)
}

/// Returns the type's name in the other encodings, from the schema's name or number. A missing one is the first.
fn component_type(found: &str) -> Result<&'static str, String> {
    let known = match (found, found.parse::<usize>()) {
        ("" | "CLASSIFICATION_NULL", _) => Some(&""),
        (_, Ok(number)) => TYPES.get(number),
        (name, Err(_)) => {
            let name = name.strip_prefix(PREFIX).unwrap_or(name);
            let name: Cow<'_, str> = name.to_ascii_lowercase().replace('_', "-").into();
            TYPES.iter().find(|known| !known.is_empty() && **known == name)
        }
    };
    known.copied().ok_or_else(|| {
        let shown: String = found.chars().take(60).collect();
        format!("{shown:?} is not a component type: expected one like CLASSIFICATION_LIBRARY, or its number")
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::{Format, read};
    use super::*;

    const DOCUMENT: &str = r#"{
        "specVersion": "1.6", "version": 1, "serialNumber": "urn:uuid:x",
        "metadata": {"component": {"type": "CLASSIFICATION_APPLICATION", "name": "app"}},
        "components": [
            {"type": "CLASSIFICATION_LIBRARY", "bomRef": "1", "name": "a", "version": "1.0", "purl": "pkg:npm/a@1.0",
             "hashes": [{"alg": "HASH_ALG_SHA_1", "value": "x"}], "scope": "SCOPE_REQUIRED",
             "components": [{"type": 3, "group": "@g", "name": "b"}, {"type": "CLASSIFICATION_FILE", "name": "f"}]},
            {"type": "CLASSIFICATION_OPERATING_SYSTEM", "name": "debian", "version": "12"},
            {"name": "typeless"}
        ]}"#;

    #[test]
    fn json_mapping_is_detected_and_read_at_every_depth() {
        for document in [
            DOCUMENT.to_owned(),
            DOCUMENT.replace("specVersion", "spec_version"),
        ] {
            let inventory = read(document.as_bytes()).unwrap();
            assert_eq!(
                (inventory.format, inventory.spec_version.as_str()),
                (Format::CycloneDxProtobuf, "1.6")
            );
            assert_eq!(inventory.subject.as_deref(), Some("app"));
            assert_eq!(inventory.distro.as_deref(), Some("debian-12"));
            let rows: Vec<_> = inventory
                .components
                .iter()
                .map(|c| (c.name.as_str(), c.kind, c.place.to_string()))
                .collect();
            assert_eq!(
                rows,
                [
                    ("app", ComponentKind::Subject, "/metadata/component".into()),
                    ("a", ComponentKind::Package, "/components/0".into()),
                    (
                        "@g/b",
                        ComponentKind::Package,
                        "/components/0/components/0".into()
                    ),
                    ("f", ComponentKind::Other, "/components/0/components/1".into()),
                    ("debian", ComponentKind::Other, "/components/1".into()),
                    ("typeless", ComponentKind::Package, "/components/2".into()),
                ]
            );
        }
    }

    #[test]
    fn mapping_error_is_refused_with_its_place() {
        for (from, to, said) in [
            (
                "CLASSIFICATION_FILE",
                "CLASSIFICATION_NONE",
                "/components/0/components/1/type",
            ),
            ("\"type\": 3", "\"type\": 99", "/components/0/components/0/type"),
            ("\"name\": \"typeless\"", "\"type\": 3", "/components/2/name"),
            ("\"1.6\"", "\"2.0\"", "/specVersion"),
            ("\"components\": [", "\"components\": [[],", "/components/0"),
        ] {
            let document = DOCUMENT.replacen(from, to, 1);
            assert_ne!(document, DOCUMENT);
            let error = read(document.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        for end in 0..DOCUMENT.len() {
            let _ = read(&DOCUMENT.as_bytes()[..end]);
        }
    }

    #[test]
    fn json_without_type_names_is_not_the_mapping() {
        let document = br#"{"specVersion": "1.6", "components": [{"type": "library", "name": "a"}]}"#;
        let error = read(document).unwrap_err().to_string();
        assert!(error.contains("bomFormat"), "{error}");
    }
}
