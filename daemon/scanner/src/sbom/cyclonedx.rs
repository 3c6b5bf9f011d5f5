//! CycloneDX 1.0 to 1.7: components at any depth, and the operating system they were found on.
//!
//! Read here is what an inventory needs. Services, dependencies, compositions, formulation and
//! embedded vulnerabilities are not looked at. Bom-refs may be missing, repeated or dangling: places
//! in the document name components, refs do not.

use serde::Deserialize;

use super::place::read_json as read_json_value;
use super::{Component, ComponentKind, Format, Inventory, Note, Place, SbomError, read_purl, version_of};
use crate::lenient::{Text, or_default};

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
    let invalid = |place, reason| SbomError::Invalid {
        format: Format::CycloneDxJson,
        place,
        reason,
    };
    let bom: Bom = read_json_value(bytes).map_err(|(place, reason)| invalid(place, reason))?;
    let mut reader = Reader::default();
    if bom.bom_format.0 != "CycloneDX" {
        let place = Place::root().child("bomFormat");
        return Err(invalid(
            place,
            format!("bomFormat is {:?}, not \"CycloneDX\"", bom.bom_format.0),
        ));
    }
    let place = Place::root().child("specVersion");
    match minor_version(&bom.spec_version.0) {
        None => {
            let reason = format!(
                "specVersion {:?} is no version of CycloneDX 1",
                bom.spec_version.0
            );
            return Err(invalid(place, reason));
        }
        Some(minor) if minor > NEWEST_MINOR => {
            let text = "the document is newer than this reader (CycloneDX 1.7); unknown parts are ignored";
            reader.note(&place, text);
        }
        Some(_) => {}
    }
    let subject = bom
        .metadata
        .component
        .as_ref()
        .map(|c| c.name.0.trim().to_owned())
        .filter(|n| !n.is_empty());
    if let Some(component) = bom.metadata.component {
        let place = Place::root().child("metadata").child("component");
        reader.component(component, &place, true);
    }
    reader.list(bom.components, &Place::root().child("components"));
    Ok(Inventory {
        format: Format::CycloneDxJson,
        spec_version: bom.spec_version.0,
        subject,
        distro: reader.distro,
        components: reader.components,
        notes: reader.notes,
    })
}

fn minor_version(text: &str) -> Option<u32> {
    text.strip_prefix("1.")?.parse().ok()
}

#[derive(Default)]
struct Reader {
    components: Vec<Component>,
    notes: Vec<Note>,
    distro: Option<String>,
}

impl Reader {
    fn note(&mut self, place: &Place, text: &str) {
        self.notes.push(Note {
            place: place.clone(),
            text: text.to_owned(),
        });
    }

    fn list(&mut self, list: Vec<Option<RawComponent>>, place: &Place) {
        for (i, component) in list.into_iter().enumerate() {
            match component {
                Some(component) => self.component(component, &place.child(i), false),
                None => self.note(&place.child(i), "the component is null and was skipped"),
            }
        }
    }

    /// Takes a component and those inside it. Depth is bounded by the JSON reader.
    fn component(&mut self, raw: RawComponent, place: &Place, is_subject: bool) {
        let purl = read_purl(Some(&raw.purl.0), place, &mut self.notes);
        let kind = match raw.kind.0.as_str() {
            _ if is_subject => ComponentKind::Subject,
            "application" | "framework" | "library" | "platform" | "firmware" | "device-driver" | "" => {
                ComponentKind::Package
            }
            _ => ComponentKind::Other,
        };
        if raw.kind.0 == "operating-system" && self.distro.is_none() {
            self.distro = super::distro_name(&raw.name.0, &raw.version.0);
        }
        let name = match (raw.name.0.trim(), &purl) {
            ("", Some(purl)) => purl.name().to_owned(),
            ("", None) => String::new(),
            (name, _) if raw.group.0.trim().is_empty() => name.to_owned(),
            (name, _) => format!("{}/{name}", raw.group.0.trim()),
        };
        if name.is_empty() {
            self.note(
                place,
                "the component has neither name nor package URL and was skipped",
            );
        } else {
            let version = version_of(purl.as_ref(), Some(&raw.version.0));
            self.components.push(Component {
                name,
                version,
                purl,
                kind,
                place: place.clone(),
            });
        }
        self.list(raw.components, &place.child("components"));
    }
}
