//! CycloneDX 1.0 to 1.7: components at any depth, and the operating system they were found on.
//!
//! Read here is what an inventory needs. Services, dependencies, compositions, formulation, pedigrees
//! and embedded vulnerabilities are not looked at. Bom-refs may be missing, repeated or dangling: places
//! in the document name components, refs do not.

mod xml;

use serde::Deserialize;

use super::collect::{Collector, Found};
use super::place::read_json as read_json_value;
use super::{ComponentKind, Format, Inventory, Place, SbomError};
use crate::lenient::{Text, or_default};

pub(super) use xml::read_xml;

/// Newest minor version of CycloneDX 1 that this reader was written for.
const NEWEST_MINOR: u32 = 7;

#[derive(Deserialize)]
struct Bom {
    #[serde(rename = "bomFormat", default, deserialize_with = "or_default")]
    bom_format: Text,
    #[serde(rename = "specVersion", default, deserialize_with = "or_default")]
    spec_version: Text,
    #[serde(default, deserialize_with = "or_default")]
    metadata: Metadata,
    #[serde(default, deserialize_with = "or_default")]
    components: Vec<Option<RawComponent>>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    component: Option<RawComponent>,
}

#[derive(Deserialize)]
struct RawComponent {
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    kind: Text,
    #[serde(default, deserialize_with = "or_default")]
    group: Text,
    #[serde(default, deserialize_with = "or_default")]
    name: Text,
    #[serde(default, deserialize_with = "or_default")]
    version: Text,
    #[serde(default, deserialize_with = "or_default")]
    purl: Text,
    #[serde(default, deserialize_with = "or_default")]
    components: Vec<Option<RawComponent>>,
}

pub(super) fn read_json(bytes: &[u8]) -> Result<Inventory, SbomError> {
    let format = Format::CycloneDxJson;
    let invalid = |place, reason| SbomError::Invalid {
        format,
        place,
        reason,
    };
    let bom: Bom = read_json_value(bytes).map_err(|(place, reason)| invalid(place, reason))?;
    let mut collector = Collector::default();
    if bom.bom_format.0 != "CycloneDX" {
        let place = Place::root().child("bomFormat");
        return Err(invalid(
            place,
            format!("bomFormat is {:?}, not \"CycloneDX\"", bom.bom_format.0),
        ));
    }
    let place = Place::root().child("specVersion");
    check_version(&bom.spec_version.0, &place, &mut collector).map_err(|reason| invalid(place, reason))?;
    let mut subject = String::new();
    if let Some(component) = bom.metadata.component {
        subject.clone_from(&component.name.0);
        let place = Place::root().child("metadata").child("component");
        take(component, &place, true, &mut collector);
    }
    take_list(bom.components, &Place::root().child("components"), &mut collector);
    collector.finish(format, &bom.spec_version.0, &subject)
}

/// Accepts every minor version of CycloneDX 1; one newer than this reader is noted.
fn check_version(text: &str, place: &Place, collector: &mut Collector) -> Result<(), String> {
    let minor: u32 = text
        .strip_prefix("1.")
        .and_then(|minor| minor.parse().ok())
        .ok_or_else(|| format!("{text:?} is no version of CycloneDX 1"))?;
    if minor > NEWEST_MINOR {
        let note = "the document is newer than this reader (CycloneDX 1.7); unknown parts are ignored";
        collector.note(place, note);
    }
    Ok(())
}

fn take_list(list: Vec<Option<RawComponent>>, place: &Place, collector: &mut Collector) {
    for (i, component) in list.into_iter().enumerate() {
        match component {
            Some(component) => take(component, &place.child(i), false, collector),
            None => collector.note(&place.child(i), "the component is null and was skipped"),
        }
    }
}

/// Takes a component and those inside it. Depth is bounded by the JSON reader.
fn take(raw: RawComponent, place: &Place, is_subject: bool, collector: &mut Collector) {
    let kind = if is_subject {
        ComponentKind::Subject
    } else {
        kind_of(&raw.kind.0)
    };
    add(&raw, kind, place, collector);
    take_list(raw.components, &place.child("components"), collector);
}

fn add(raw: &RawComponent, kind: ComponentKind, place: &Place, collector: &mut Collector) {
    if raw.kind.0 == "operating-system" {
        collector.operating_system(&raw.name.0, &raw.version.0);
    }
    let (group, name) = (raw.group.0.trim(), raw.name.0.trim());
    let joined = if group.is_empty() || name.is_empty() {
        name.to_owned()
    } else {
        format!("{group}/{name}")
    };
    let purls = collector.purl(&raw.purl.0, place).into_iter().collect();
    collector.add(Found {
        name: &joined,
        version: &raw.version.0,
        purls,
        kind,
        place,
    });
}

fn kind_of(text: &str) -> ComponentKind {
    match text {
        "application" | "framework" | "library" | "platform" | "firmware" | "device-driver" | "" => {
            ComponentKind::Package
        }
        _ => ComponentKind::Other,
    }
}
