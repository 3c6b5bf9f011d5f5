//! CycloneDX in its protocol buffers encoding (`bom-1.3.proto` to `bom-1.7.proto`).
//!
//! The wire format is a list of numbered fields. Fields for an inventory are read, the others skipped, as the
//! encoding intends. No library is used: this is less code than generated types, and every length is checked against
//! the remaining bytes before it is used.

use super::super::collect::Collector;
use super::super::{ComponentKind, Format, Inventory, Place, SbomError};
use super::{Fault, Parts, add, check_version, kind_of};
use crate::origin::OriginParts;

/// Deepest nesting of components, as in JSON.
const MAX_DEPTH: usize = 60;

/// Field numbers of `Bom`.
mod bom {
    pub(super) const SPEC_VERSION: u64 = 1;
    pub(super) const METADATA: u64 = 4;
    pub(super) const COMPONENTS: u64 = 5;
    /// Field numbers of `Metadata`.
    pub(super) const METADATA_COMPONENT: u64 = 4;
}

/// Field numbers of `Component`.
mod component {
    pub(super) const TYPE: u64 = 1;
    pub(super) const GROUP: u64 = 7;
    pub(super) const NAME: u64 = 8;
    pub(super) const VERSION: u64 = 9;
    pub(super) const CPE: u64 = 15;
    pub(super) const PURL: u64 = 16;
    pub(super) const COMPONENTS: u64 = 21;
    pub(super) const PROPERTIES: u64 = 22;
    /// Field numbers of `Property`.
    pub(super) const PROPERTY_NAME: u64 = 1;
    pub(super) const PROPERTY_VALUE: u64 = 2;
}

/// Names of `Classification`'s values in the other encodings, by number.
pub(super) const TYPES: [&str; 14] = [
    "",
    "application",
    "framework",
    "library",
    "operating-system",
    "device",
    "file",
    "container",
    "firmware",
    "device-driver",
    "platform",
    "machine-learning-model",
    "data",
    "cryptographic-asset",
];

/// Returns true if these bytes begin like a `Bom`: with its first field, the text `1.` and a digit.
pub(in super::super) fn is_meant(bytes: &[u8]) -> bool {
    matches!(bytes, [0x0a, 3 | 4, b'1', b'.', digit, ..] if digit.is_ascii_digit())
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Passed,
}

/// Reads the next field from the bytes; `None` at their end.
fn next<'a>(bytes: &mut &'a [u8]) -> Result<Option<(u64, Value<'a>)>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let tag = varint(bytes)?;
    let value = match tag & 7 {
        0 => Value::Number(varint(bytes)?),
        1 => {
            take(bytes, 8)?;
            Value::Passed
        }
        2 => {
            let length = varint(bytes)?;
            Value::Bytes(take(bytes, usize::try_from(length).unwrap_or(usize::MAX))?)
        }
        5 => {
            take(bytes, 4)?;
            Value::Passed
        }
        other => return Err(format!("a field has the wire type {other}, which is not read")),
    };
    Ok(Some((tag >> 3, value)))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (taken, rest) = bytes
        .split_at_checked(length)
        .ok_or_else(|| format!("a field of {length} bytes stands where {} are left", bytes.len()))?;
    *bytes = rest;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes
            .split_first()
            .ok_or_else(|| "it ends within a number".to_owned())?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            break;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number has more than 64 bits".to_owned())
}

fn text(value: &Value<'_>) -> Result<String, String> {
    match value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|error| format!("a text is not UTF-8: {error}")),
        Value::Number(_) | Value::Passed => Err("a number stands where a text does".to_owned()),
    }
}

/// Reads a document in the binary encoding, else in its JSON mapping.
pub(in super::super) fn read_protobuf(bytes: &[u8]) -> Result<Inventory, SbomError> {
    if !is_meant(bytes) {
        return super::protobuf_json::read(bytes);
    }
    let format = Format::CycloneDxProtobuf;
    let invalid = |(place, reason)| SbomError::Invalid {
        format,
        place,
        reason,
    };
    let root = Place::root();
    let mut collector = Collector::default();
    let mut spec_version = String::new();
    let mut subject = String::new();
    let mut index = 0;
    let mut rest = bytes;
    let here = |reason| invalid((root.clone(), reason));
    while let Some((field, value)) = next(&mut rest).map_err(here)? {
        match (field, &value) {
            (bom::SPEC_VERSION, _) => {
                let place = root.child("spec_version");
                spec_version = text(&value).map_err(|reason| invalid((place.clone(), reason)))?;
                check_version(&spec_version, &place, &mut collector)
                    .map_err(|reason| invalid((place, reason)))?;
            }
            (bom::METADATA, Value::Bytes(metadata)) => {
                let mut rest = *metadata;
                let place = root.child("metadata");
                while let Some((field, value)) =
                    next(&mut rest).map_err(|reason| invalid((place.clone(), reason)))?
                {
                    if let (bom::METADATA_COMPONENT, Value::Bytes(bytes)) = (field, value) {
                        let name = component(bytes, &place.child("component"), Some(0), &mut collector)
                            .map_err(invalid)?;
                        subject = name;
                    }
                }
            }
            (bom::COMPONENTS, Value::Bytes(bytes)) => {
                let place = root.child("components").child(index);
                index += 1;
                component(bytes, &place, None, &mut collector).map_err(invalid)?;
            }
            _ => {}
        }
    }
    if spec_version.is_empty() {
        return Err(invalid((root, "it has no spec_version".to_owned())));
    }
    collector.finish(format, &spec_version, &subject)
}

/// Adds a component and its nested components; returns its name. `subject` is true for the document's subject.
fn component(
    bytes: &[u8],
    place: &Place,
    subject: Option<usize>,
    collector: &mut Collector,
) -> Result<String, Fault> {
    let mut depth_first: Vec<(&[u8], Place, usize)> = vec![(bytes, place.clone(), 0)];
    let mut first = None;
    // Outer components come before inner ones, and those in their own order.
    while let Some((bytes, place, depth)) = depth_first.pop() {
        let (mut kind, mut group, mut name, mut version, mut purl, mut cpe) = (
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
            String::new(),
        );
        let mut origin = None;
        let mut inner = Vec::new();
        let fault = |reason| (place.clone(), reason);
        let mut rest = bytes;
        while let Some((field, value)) = next(&mut rest).map_err(fault)? {
            match (field, &value) {
                (component::TYPE, Value::Number(number)) => {
                    let known = usize::try_from(*number).ok().and_then(|number| TYPES.get(number));
                    (*known.ok_or_else(|| fault(format!("the component type {number} does not exist")))?)
                        .clone_into(&mut kind);
                }
                (component::GROUP, _) => group = text(&value).map_err(fault)?,
                (component::NAME, _) => name = text(&value).map_err(fault)?,
                (component::VERSION, _) => version = text(&value).map_err(fault)?,
                (component::CPE, _) => cpe = text(&value).map_err(fault)?,
                (component::PURL, _) => purl = text(&value).map_err(fault)?,
                (component::PROPERTIES, Value::Bytes(bytes)) => {
                    property(bytes, &mut origin).map_err(fault)?;
                }
                (component::COMPONENTS, Value::Bytes(bytes)) => {
                    if depth >= MAX_DEPTH {
                        return Err(fault(format!("components are nested deeper than {MAX_DEPTH}")));
                    }
                    inner.push((*bytes, place.child("components").child(inner.len()), depth + 1));
                }
                _ => {}
            }
        }
        let is_subject = subject == Some(depth);
        if !is_subject && name.is_empty() && purl.is_empty() {
            return Err(fault("the component has no name".to_owned()));
        }
        let parts = Parts {
            kind: &kind,
            group: &group,
            name: &name,
            version: &version,
            purl: &purl,
            cpe: &cpe,
            origin: origin.as_deref(),
            publisher: None,
            supplier: None,
            ancestor: None,
        };
        let component_kind = if is_subject {
            ComponentKind::Subject
        } else {
            kind_of(&kind)
        };
        add(&parts, component_kind, &place, collector);
        first.get_or_insert(name);
        depth_first.extend(inner.into_iter().rev());
    }
    Ok(first.unwrap_or_default())
}

/// Adds a property, if it is about the component's origin.
fn property(bytes: &[u8], origin: &mut Option<Box<OriginParts>>) -> Result<(), String> {
    let (mut name, mut value) = (String::new(), String::new());
    let mut rest = bytes;
    while let Some((field, content)) = next(&mut rest)? {
        match field {
            component::PROPERTY_NAME => name = text(&content)?,
            component::PROPERTY_VALUE => value = text(&content)?,
            _ => {}
        }
    }
    OriginParts::take_property(origin, &name, &value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::{Format, read};
    use super::*;

    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let tag = usize::from(number) << 3 | 2;
        let mut out = Vec::new();
        let push = |mut value: usize, out: &mut Vec<u8>| {
            while value > 0x7f {
                out.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
                value >>= 7;
            }
            out.push(u8::try_from(value).unwrap());
        };
        push(tag, &mut out);
        push(content.len(), &mut out);
        out.extend_from_slice(content);
        out
    }

    fn component_bytes(kind: u8, name: &str, purl: &str, inner: &[Vec<u8>]) -> Vec<u8> {
        let mut out = vec![0x08, kind];
        // An ignored field of each wire type.
        out.extend_from_slice(&[0x90, 0x01, 1]);
        out.extend_from_slice(&[0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8, 0xfd, 0x07, 1, 2, 3, 4]);
        out.extend(field(8, name.as_bytes()));
        out.extend(field(9, b"1.0"));
        out.extend(field(16, purl.as_bytes()));
        for component in inner {
            out.extend(field(21, component));
        }
        out
    }

    fn document(components: &[Vec<u8>]) -> Vec<u8> {
        let mut out = field(1, b"1.6");
        out.extend(field(4, &field(4, &component_bytes(1, "app", "", &[]))));
        for component in components {
            out.extend(field(5, component));
        }
        out
    }

    #[test]
    fn nested_components_are_read_in_order() {
        let inner = [
            component_bytes(3, "b", "pkg:npm/b@1.0", &[]),
            component_bytes(6, "file", "", &[]),
        ];
        let bytes = document(&[
            component_bytes(3, "a", "pkg:npm/a@1.0", &inner),
            component_bytes(4, "debian", "", &[]),
        ]);
        let inventory = read(&bytes).unwrap();
        assert_eq!(
            (inventory.format, inventory.spec_version.as_str()),
            (Format::CycloneDxProtobuf, "1.6")
        );
        assert_eq!(inventory.subject.as_deref(), Some("app"));
        assert_eq!(inventory.distro.as_deref(), Some("debian-1.0"));
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
                ("b", ComponentKind::Package, "/components/0/components/0".into()),
                ("file", ComponentKind::Other, "/components/0/components/1".into()),
                ("debian", ComponentKind::Other, "/components/1".into()),
            ]
        );
    }

    #[test]
    fn properties_name_the_source() {
        let mut component = component_bytes(3, "l", "pkg:deb/debian/l@1", &[]);
        let property = [field(1, b"aquasecurity:trivy:SrcName"), field(2, b"foo")].concat();
        component.extend(field(22, &property));
        let inventory = read(&document(&[component])).unwrap();
        let origin = inventory.components[1].origin.as_ref().unwrap();
        assert_eq!(origin.source.as_deref(), Some("foo"));
    }

    #[test]
    fn encoding_error_is_refused_with_its_place() {
        let mut nested = component_bytes(3, "deep", "", &[]);
        for _ in 0..=MAX_DEPTH {
            nested = component_bytes(3, "deep", "", &[nested]);
        }
        let whole = document(&[component_bytes(3, "a", "pkg:npm/a@1.0", &[])]);
        for (bytes, said) in [
            (document(&[nested]), "nested deeper"),
            (document(&[component_bytes(99, "a", "", &[])]), "/components/0"),
            (document(&[component_bytes(3, "", "", &[])]), "no name"),
            (document(&[field(8, &[0xff])]), "not UTF-8"),
            (
                [field(1, b"1.6").as_slice(), &[0x2a, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(),
                "are left",
            ),
            (
                [field(1, b"1.6").as_slice(), &[0xff; 11]].concat(),
                "more than 64 bits",
            ),
            ([field(1, b"1.6").as_slice(), &[0x0b]].concat(), "wire type 3"),
            (whole[..whole.len() - 1].to_vec(), "are left"),
        ] {
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        for end in 0..whole.len() {
            let _ = read(&whole[..end]);
        }
    }
}
