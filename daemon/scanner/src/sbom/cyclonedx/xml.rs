//! CycloneDX as XML. The document is read as a stream, with a limited stack for nesting.

mod frame;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::NsReader;

use self::frame::{About, Check, Fields, Frame};
use super::super::collect::Collector;
use super::super::markup::{Lines, bound, find_attribute, resolve};
use super::super::{ComponentKind, Format, Inventory, Place, SbomError};
use super::compositions::Incomplete;
use super::{BOTH_VERSIONS, Fault, Parts, add, check_version, kind_of, strict};
use crate::origin::{OriginParts, Vendor};

/// Versions of the format that allow licences beside expressions.
const MIXED_LICENSES_SINCE: &[&str] = &["1.7"];
/// Deepest nesting of elements that is followed.
const MAX_DEPTH: usize = 128;

/// The prefix of CycloneDX's namespaces, before the version.
const NAMESPACE: &str = "http://cyclonedx.org/schema/bom/";

pub(in super::super) fn read_xml(bytes: &[u8]) -> Result<Inventory, SbomError> {
    let format = Format::CycloneDxXml;
    let invalid = |place, reason| SbomError::Invalid {
        format,
        place,
        reason,
    };
    let mut walker = Walker::default();
    let mut lines = Lines::of(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = u64::try_from(error.valid_up_to()).unwrap_or(u64::MAX);
        invalid(lines.place(at), "the document is not UTF-8".to_owned())
    })?;
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    loop {
        let place = lines.place(reader.buffer_position());
        let event = match reader.read_resolved_event() {
            Ok((namespace, event)) => (bound(&namespace), event),
            Err(error) => return Err(invalid(lines.place(reader.error_position()), error.to_string())),
        };
        match event {
            (namespace, Event::Start(start)) => {
                walker
                    .open(&start, &namespace, &place)
                    .map_err(|reason| invalid(place, reason))?;
            }
            (_, Event::End(_)) => walker.close().map_err(|(place, reason)| invalid(place, reason))?,
            (_, Event::Text(text)) if walker.frames.is_empty() && !text.xml10_content().trim().is_empty() => {
                return Err(invalid(
                    place,
                    "there is text outside of the bom element".to_owned(),
                ));
            }
            (_, Event::Text(text)) => walker.text(&text.xml10_content()),
            (_, Event::CData(text)) => walker.text(&text.xml10_content()),
            (_, Event::GeneralRef(reference)) => {
                let character = resolve(&reference.into_inner()).map_err(|reason| invalid(place, reason))?;
                walker.text(&character);
            }
            (_, Event::Eof) => break,
            _ => {}
        }
    }
    if !walker.frames.is_empty() || walker.spec_version.is_empty() {
        let place = lines.place(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        return Err(invalid(
            place,
            "the document ends before its bom element does".to_owned(),
        ));
    }
    let mut collector = walker.collector;
    if let Some((incomplete, place)) = walker.incomplete {
        incomplete.note(&place, &mut collector);
    }
    for (raw, kind, place) in walker.components.into_iter().flatten() {
        let parts = Parts {
            kind: &raw.kind,
            group: &raw.group,
            name: &raw.name,
            version: &raw.version,
            purl: &raw.purl,
            cpe: &raw.cpe,
            origin: raw.origin.as_deref(),
            publisher: raw.publisher,
            supplier: raw.supplier,
            ancestor: raw.ancestor.as_deref(),
        };
        add(&parts, kind, &place, &mut collector);
    }
    collector.finish(format, &walker.spec_version, &walker.subject)
}

type Taken = (Box<Fields>, ComponentKind, Place);

#[derive(Default)]
struct Walker {
    frames: Vec<Frame>,
    spec_version: String,
    subject: String,
    /// One slot per component in the order of opening, so that outer ones come before inner ones.
    components: Vec<Option<Taken>>,
    incomplete: Option<(Incomplete, Place)>,
    collector: Collector,
}

impl Walker {
    fn open(&mut self, start: &BytesStart<'_>, namespace: &str, place: &Place) -> Result<(), String> {
        if self.frames.len() >= MAX_DEPTH {
            return Err(format!("elements are nested deeper than {MAX_DEPTH}"));
        }
        let local = start.local_name();
        let name = local.as_ref();
        if !self.frames.is_empty() && !namespace.starts_with(NAMESPACE) {
            // Without any namespace it is no extension, but a component whose namespace was lost.
            let is_lost = namespace.is_empty() && name == "component";
            if is_lost && matches!(self.frames.last(), Some(Frame::Components)) {
                self.collector
                    .add_unread("the component is in no namespace", place);
            }
            // An extension's element, with any name.
            self.frames.push(Frame::Other);
            return Ok(());
        }
        self.check(start, name, place)?;
        let frame = match (self.frames.last(), name) {
            (None, "bom") => self.open_bom(namespace, place)?,
            (None, other) => {
                return Err(format!("the root element is {:?}, not \"bom\"", other));
            }
            (Some(Frame::Bom), "metadata") => Frame::Metadata,
            (Some(Frame::Bom), "components") => Frame::Components,
            (Some(Frame::Components), "component") => self.open_component(start, false, place)?,
            (Some(Frame::Metadata), "component") => self.open_component(start, true, place)?,
            (Some(Frame::Component { raw, .. }), _) => {
                let frame = Frame::of_component(name, place);
                if let Frame::Field(field) = &frame
                    && !raw.text_of(*field).trim().is_empty()
                {
                    return Err(format!("the component has two {name} elements"));
                }
                frame
            }
            (Some(Frame::Supplier), "name") => Frame::about(About::Supplier),
            (Some(Frame::Pedigree), "ancestors") => Frame::Ancestors,
            (Some(Frame::Ancestors), "component") => Frame::Ancestor,
            (Some(Frame::Ancestor), "purl") => Frame::about(About::Ancestor),
            (Some(Frame::Properties), "property") => Frame::Property {
                name: attribute(start, "name")?,
                value: String::new(),
            },
            (Some(Frame::Metadata), "timestamp") => Frame::checked(strict::timestamp, place),
            (Some(Frame::Metadata), "licenses") => Frame::licenses(place),
            (Some(Frame::Licenses { .. } | Frame::License { .. }), _) => self.open_in_licenses(name, place),
            (Some(_), "hash") => Frame::checked(strict::hash_content, place),
            // The root, the list and its entry.
            (Some(_), "aggregate") if self.frames.len() == 3 => Frame::Aggregate {
                text: String::new(),
                place: place.clone(),
            },
            _ => Frame::Other,
        };
        self.frames.push(frame);
        Ok(())
    }

    /// Opens the root element, whose namespace contains the version of the format.
    fn open_bom(&mut self, namespace: &str, place: &Place) -> Result<Frame, String> {
        let version = namespace
            .strip_prefix(NAMESPACE)
            .ok_or_else(|| format!("the bom element is in the namespace {namespace:?}, not CycloneDX's"))?;
        check_version(version, place, &mut self.collector)?;
        version.clone_into(&mut self.spec_version);
        Ok(Frame::Bom)
    }

    /// Opens a component, and reserves its slot.
    fn open_component(
        &mut self,
        start: &BytesStart<'_>,
        is_subject: bool,
        place: &Place,
    ) -> Result<Frame, String> {
        let kind = attribute(start, "type")?;
        let slot = self.components.len();
        self.components.push(None);
        let component_kind = if is_subject {
            ComponentKind::Subject
        } else {
            kind_of(&kind)
        };
        let raw = Fields {
            kind,
            ..Fields::default()
        };
        Ok(Frame::Component {
            raw: Box::new(raw),
            kind: component_kind,
            place: place.clone(),
            slot,
        })
    }

    /// Opens an element in a list of licences or in a licence, and counts it there.
    fn open_in_licenses(&mut self, name: &str, place: &Place) -> Frame {
        match (self.frames.last_mut(), name) {
            (Some(Frame::Licenses { licenses, .. }), "license") => {
                *licenses += 1;
                return Frame::License {
                    ids: 0,
                    names: 0,
                    place: place.clone(),
                };
            }
            (Some(Frame::Licenses { expressions, .. }), "expression") => *expressions += 1,
            (Some(Frame::License { ids, .. }), "id") => *ids += 1,
            (Some(Frame::License { names, .. }), "name") => *names += 1,
            (_, "hash") => return Frame::checked(strict::hash_content, place),
            _ => {}
        }
        Frame::Other
    }

    /// Checks the format's requirements for an element's attributes, like [`strict`] for JSON.
    fn check(&mut self, start: &BytesStart<'_>, name: &str, place: &Place) -> Result<(), String> {
        let demanded: &[(&str, Check, bool)] = match name {
            "component" => &[
                ("type", strict::component_type, true),
                ("bom-ref", strict::reference, false),
            ],
            "service" => &[("bom-ref", strict::reference, false)],
            "hash" => &[("alg", strict::hash_algorithm, true)],
            "patch" => &[("type", strict::patch_type, true)],
            "issue" => &[("type", strict::issue_type, true)],
            "text" => &[("encoding", strict::encoding, false)],
            "swid" => &[("tagId", strict::name, true), ("name", strict::name, true)],
            "dependency" => &[("ref", strict::reference, true)],
            "classification" => &[("flow", strict::flow, false)],
            _ => &[],
        };
        if name == "bom" && self.frames.is_empty() {
            let serial = find_attribute(start, "serialNumber")?.unwrap_or_default();
            if let (false, Err(reason)) = (serial.is_empty(), strict::serial_number(&serial)) {
                self.collector.note(place, reason + "; it was passed over");
            }
        }
        // A scan does not need the texts of licences.
        let in_license = self
            .frames
            .iter()
            .any(|frame| matches!(frame, Frame::License { .. }));
        for (attribute_name, check, required) in demanded {
            if in_license {
                break;
            }
            match find_attribute(start, attribute_name)? {
                Some(value) => {
                    check(&value).map_err(|reason| format!("{attribute_name} of {name}: {reason}"))?;
                }
                None if *required => return Err(format!("the {name} element has no {attribute_name}")),
                None => {}
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if let Some(Frame::Checked { text: checked, .. }) = self.frames.last_mut() {
            checked.push_str(text);
            return;
        }
        if let Some(Frame::Aggregate { text: aggregate, .. }) = self.frames.last_mut() {
            aggregate.push_str(text);
            return;
        }
        if let Some(Frame::Property { value, .. } | Frame::About { text: value, .. }) = self.frames.last_mut()
        {
            value.push_str(text);
            return;
        }
        let [.., Frame::Component { raw, .. }, Frame::Field(field)] = &mut self.frames[..] else {
            return;
        };
        raw.text_mut(*field).push_str(text);
    }

    fn close(&mut self) -> Result<(), Fault> {
        match self.frames.pop() {
            Some(Frame::Component {
                raw,
                kind,
                place,
                slot,
            }) => {
                if kind != ComponentKind::Subject && raw.name.trim().is_empty() && raw.purl.trim().is_empty()
                {
                    return Err((place, "the component has no name".to_owned()));
                }
                if !raw.version.trim().is_empty() && !raw.version_range.trim().is_empty() {
                    return Err((place, BOTH_VERSIONS.to_owned()));
                }
                if kind == ComponentKind::Subject && self.subject.is_empty() {
                    raw.name.clone_into(&mut self.subject);
                }
                if let Some(free) = self.components.get_mut(slot) {
                    *free = Some((raw, kind, place));
                }
                Ok(())
            }
            Some(Frame::Property { name, value }) => {
                if let [.., Frame::Component { raw, .. }, Frame::Properties] = &mut self.frames[..] {
                    OriginParts::take_property(&mut raw.origin, &name, &value);
                }
                Ok(())
            }
            Some(Frame::About { text, what }) => {
                let component = self.frames.iter_mut().rev().find_map(|frame| match frame {
                    Frame::Component { raw, .. } => Some(raw),
                    _ => None,
                });
                if let Some(raw) = component {
                    match what {
                        About::Publisher => raw.publisher = Vendor::of(&text),
                        About::Supplier => raw.supplier = Vendor::of(&text),
                        About::Ancestor if raw.ancestor.is_none() && strict::is_ancestor(&text) => {
                            raw.ancestor = Some(text.trim().to_owned());
                        }
                        About::Ancestor => {}
                    }
                }
                Ok(())
            }
            Some(Frame::Aggregate { text, place }) => {
                self.incomplete
                    .get_or_insert_with(|| (Incomplete::default(), place))
                    .0
                    .take(&text);
                Ok(())
            }
            Some(Frame::Checked { check, text, place }) => {
                check(text.trim()).map_err(|reason| (place, reason))
            }
            Some(Frame::Licenses {
                licenses: 1..,
                expressions: 1..,
                place,
            }) if !MIXED_LICENSES_SINCE.contains(&self.spec_version.as_str()) => {
                let fault = "licenses and an expression are given, and only one kind may be";
                self.collector
                    .note(&place, format!("{fault}; the licences were passed over"));
                Ok(())
            }
            Some(Frame::License { ids, names, place }) if ids + names != 1 => {
                let fault = format!(
                    "a license has one id or one name, and this one has {ids} ids and {names} names; it was passed over"
                );
                self.collector.note(&place, fault);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<String, String> {
    Ok(find_attribute(start, name)?.unwrap_or_default())
}
