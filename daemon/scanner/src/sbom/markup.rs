//! Common parts of the XML readers: places from offsets, attributes, and the only resolved entities.
//!
//! Entities of a document type are never expanded, so a small document cannot grow into a large one.

use quick_xml::events::BytesStart;
use quick_xml::name::ResolveResult;

use super::Place;

/// Returns the namespace of an element or attribute; empty if it has none.
pub(super) fn bound(namespace: &ResolveResult<'_>) -> String {
    match namespace {
        ResolveResult::Bound(namespace) => namespace.as_ref().to_owned(),
        ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
    }
}

/// Returns the value of an attribute by its local name, with any prefix.
pub(super) fn find_attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, String> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| e.to_string())?;
        if attribute.key.local_name().as_ref() == name {
            return Ok(Some(attribute.value.into_owned()));
        }
    }
    Ok(None)
}

/// Resolves the five entities of XML and character references; documents cannot define others here.
pub(super) fn resolve(name: &str) -> Result<String, String> {
    let code = match name {
        "amp" => return Ok("&".to_owned()),
        "lt" => return Ok("<".to_owned()),
        "gt" => return Ok(">".to_owned()),
        "apos" => return Ok("'".to_owned()),
        "quot" => return Ok("\"".to_owned()),
        _ => match name.strip_prefix('#') {
            Some(number) => match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => number.parse().ok(),
            },
            None => None,
        },
    };
    let character = code
        .and_then(char::from_u32)
        .ok_or_else(|| format!("the entity &{name}; is not defined"))?;
    Ok(character.to_string())
}

/// Converts offsets to lines and columns, in ascending order only.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
    start: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            line: 1,
            start: 0,
        }
    }

    pub(super) fn place(&mut self, offset: u64) -> Place {
        let offset = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        while let Some(byte) = self.bytes.get(self.at).filter(|_| self.at < offset) {
            self.at += 1;
            if *byte == b'\n' {
                self.line += 1;
                self.start = self.at;
            }
        }
        Place::Line {
            line: self.line,
            column: offset.saturating_sub(self.start) + 1,
        }
    }
}
