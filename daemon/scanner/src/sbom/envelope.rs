//! SBOMs inside another document: the payload of a signed envelope (DSSE, also in a Sigstore bundle), the predicate
//! of an in-toto statement, or one level down in an object, as in GitHub's dependency graph.
//!
//! Only the envelope is removed. Signatures are not verified: verify an envelope before you scan it. An envelope with
//! more than one SBOM is refused: the others would count as clean.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Format, MAX_SBOM_BYTES, Place, SbomError, detect};

/// Most members of an object that are examined.
const MAX_MEMBERS: usize = 64;

/// A document's content, and its place.
#[derive(Debug)]
pub(super) struct Inner<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    pub(super) place: Place,
}

/// Removes one envelope from a document that is not an SBOM itself; `None` if it contains no candidate.
///
/// # Errors
/// If it contains more than one.
pub(super) fn open(bytes: &[u8]) -> Result<Option<Inner<'_>>, SbomError> {
    let Some(members) = Members::of(bytes) else {
        return Ok(None);
    };
    let Some((chosen, inner)) = choose(&members.list) else {
        return match members.list.iter().filter(|(_, value)| is_sbom(value)).count() {
            0 => Ok(None),
            _ => Err(several()),
        };
    };
    let mut others = members
        .list
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != chosen);
    if members.has_more_sboms || others.any(|(_, (_, value))| names_sbom(value.get())) {
        return Err(several());
    }
    Ok(Some(inner))
}

fn several() -> SbomError {
    SbomError::UnknownFormat {
        reason: "the document contains several SBOMs; give each of them as a document of its own".to_owned(),
    }
}

/// Returns true if a text contains what only SBOMs begin with.
fn names_sbom(text: &str) -> bool {
    [
        "bomFormat",
        "spdxVersion",
        "SPDXVersion:",
        "cyclonedx.org/schema/bom/",
    ]
    .iter()
    .any(|mark| text.contains(mark))
}

/// Returns the member that contains the SBOM, by its index, and its content.
fn choose<'a>(members: &[(Cow<'a, str>, &'a RawValue)]) -> Option<(usize, Inner<'a>)> {
    let member = |name: &str| {
        let mut found = members.iter().enumerate().filter(|(_, (key, _))| key == name);
        found.next().map(|(index, (_, value))| (index, *value))
    };
    let place = |name: &str| Place::root().child(name);
    if member("payloadType").is_some() || member("signatures").is_some() {
        let (index, payload) = member("payload")?;
        let payload: Cow<'_, str> = serde_json::from_str(payload.get()).ok()?;
        let inner = Inner {
            bytes: Cow::Owned(of_base64(&payload)?),
            place: place("payload"),
        };
        return Some((index, inner));
    }
    // A statement's predicate may be a text: SPDX tag-value, or JSON again.
    for name in ["predicate", "Data"] {
        let Some((index, value)) = member(name) else {
            continue;
        };
        if let Ok(text) = serde_json::from_str::<String>(value.get()) {
            let inner = Inner {
                bytes: Cow::Owned(text.into_bytes()),
                place: place(name),
            };
            return Some((index, inner));
        }
        if value.get().trim_start().starts_with('{') {
            return Some((index, whole(name, value)));
        }
    }
    if let Some((index, value)) = member("dsseEnvelope") {
        return Some((index, whole("dsseEnvelope", value)));
    }
    // One level down, if exactly one member is an SBOM.
    let mut sboms = members
        .iter()
        .enumerate()
        .filter(|(_, (_, value))| is_sbom(value));
    match (sboms.next(), sboms.next()) {
        (Some((index, (name, value))), None) => Some((index, whole(name, value))),
        _ => None,
    }
}

/// Returns a member's value as the content.
fn whole<'a>(name: &str, value: &'a RawValue) -> Inner<'a> {
    Inner {
        bytes: Cow::Borrowed(value.get().as_bytes()),
        place: Place::root().child(name),
    }
}

fn is_sbom(value: &RawValue) -> bool {
    let bytes = value.get().as_bytes();
    let formats = [
        Format::CycloneDxJson,
        Format::CycloneDxProtobuf,
        Format::Spdx2Json,
        Format::Spdx3Json,
        Format::SyftJson,
    ];
    bytes.first() == Some(&b'{') && detect(bytes).is_ok_and(|format| formats.contains(&format))
}

/// The members of an object.
#[derive(Default)]
struct Members<'a> {
    list: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// True if members that were not kept contain an SBOM.
    has_more_sboms: bool,
}

impl<'a> Members<'a> {
    /// Reads an object; `None` if the document is anything else.
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?.trim_start();
        if !text.starts_with('{') {
            return None;
        }
        let mut members = Self::default();
        let mut reader = serde_json::Deserializer::from_str(text);
        reader.deserialize_map(Collect(&mut members)).ok()?;
        reader.end().ok()?;
        Some(members)
    }
}

/// Collects the members of an object.
struct Collect<'m, 'de>(&'m mut Members<'de>);

impl<'de> Visitor<'de> for Collect<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let value: &RawValue = map.next_value()?;
            if self.0.list.len() < MAX_MEMBERS {
                self.0.list.push((Cow::Owned(key), value));
            } else {
                self.0.has_more_sboms |= names_sbom(value.get());
            }
        }
        Ok(())
    }
}

/// Decodes base64 in either alphabet, with or without padding; `None` if it is not valid.
fn of_base64(text: &str) -> Option<Vec<u8>> {
    if text.len() / 4 * 3 > MAX_SBOM_BYTES {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0_u8);
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => break,
            byte if byte.is_ascii_whitespace() => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::super::{Format, read};

    const BOM: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a","purl":"pkg:npm/a@1"}]}"#;
    const TAGGED: &str =
        "SPDXVersion: SPDX-2.3\nPackageName: a\nExternalRef: PACKAGE-MANAGER purl pkg:npm/a@1\n";

    fn base64(text: &str) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for chunk in text.as_bytes().chunks(3) {
            let bits = chunk
                .iter()
                .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            for at in 0..=chunk.len() {
                out.push(char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]));
            }
            out.push_str(&"=".repeat(3 - chunk.len()));
        }
        out
    }

    fn dsse(statement: &str) -> String {
        format!(
            r#"{{"payloadType":"application/vnd.in-toto+json","payload":"{}","signatures":[]}}"#,
            base64(statement)
        )
    }

    #[test]
    fn sbom_is_read_in_every_envelope() {
        let statement = |predicate: &str| {
            format!(
                r#"{{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","subject":[],"predicate":{predicate}}}"#
            )
        };
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let documents = [
            statement(BOM),
            dsse(&statement(BOM)),
            dsse(BOM),
            format!(r#"{{"mediaType":"x","dsseEnvelope":{}}}"#, dsse(&statement(BOM))),
            dsse(&statement(&text(TAGGED))),
            dsse(&statement(&format!(
                r#"{{"Data":{},"Timestamp":"t"}}"#,
                text(BOM)
            ))),
            format!(r#"{{"sbom":{BOM}}}"#),
            format!(r#"{{"status":"ok","n":3,"result":{BOM},"links":{{}}}}"#),
        ];
        for document in documents {
            let inventory = read(document.as_bytes()).unwrap_or_else(|error| panic!("{error}: {document}"));
            assert_eq!(inventory.components.len(), 1, "{document}");
            assert!(
                inventory.notes.iter().any(|note| note.text.contains("stands in")),
                "{document}"
            );
        }
        let github = read(format!(r#"{{"sbom":{BOM}}}"#).as_bytes()).unwrap();
        assert_eq!(
            (github.format, github.notes[0].place.to_string().as_str()),
            (Format::CycloneDxJson, "/sbom")
        );
    }

    #[test]
    fn envelope_with_several_sboms_is_refused() {
        let text = serde_json::Value::from(BOM).to_string();
        let many: String = (0..70).map(|n| format!(r#""m{n}":{n},"#)).collect();
        let signed = dsse(BOM).replacen('{', &format!(r#"{{"extra":{BOM},"#), 1);
        for document in [
            format!(r#"{{"a":{BOM},"b":{BOM}}}"#),
            format!(r#"{{"sbom":{BOM},"sbom":{BOM}}}"#),
            format!(r#"{{"sbom":{BOM},"more":[{BOM}]}}"#),
            format!(r#"{{"sbom":{BOM},"more":{{"deep":{{"er":{BOM}}}}}}}"#),
            format!(r#"{{"sbom":{BOM},"more":{text}}}"#),
            format!(r#"{{"predicate":{BOM},"predicate":{BOM}}}"#),
            format!(r#"{{"sbom":{BOM},{many}"late":[{BOM}]}}"#),
            signed,
        ] {
            let error = read(document.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("several SBOMs"), "{error}: {document}");
        }
    }

    #[test]
    fn envelope_without_sbom_is_refused() {
        for document in [
            "{}".to_owned(),
            r#"{"a":{}}"#.to_owned(),
            format!(r#"{{"a":{BOM},"b":{BOM}}}"#),
            dsse("nothing"),
            r#"{"payloadType":"x","payload":"*"}"#.to_owned(),
            r#"{"payloadType":"x"}"#.to_owned(),
            r#"{"predicate":3}"#.to_owned(),
        ] {
            assert!(read(document.as_bytes()).is_err(), "{document}");
        }
        let mut deep = BOM.to_owned();
        for _ in 0..20 {
            deep = format!(r#"{{"predicate":{deep}}}"#);
        }
        assert!(read(deep.as_bytes()).is_err());
    }
}
