//! Telling a document's format from its content.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::place::of_json_error;
use super::{Format, SbomError};

/// The keys that tell JSON formats apart; their values are looked at by the readers.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "bomFormat")]
    bom_format: Option<IgnoredAny>,
    #[serde(rename = "specVersion")]
    spec_version: Option<IgnoredAny>,
    components: Option<IgnoredAny>,
    #[serde(rename = "spdxVersion")]
    spdx_version: Option<IgnoredAny>,
    #[serde(rename = "SPDXID")]
    spdx_id: Option<IgnoredAny>,
}

/// Tells the format of a document from its content.
///
/// # Errors
/// If the content is none of the known formats; the reason says what was seen.
pub fn detect(bytes: &[u8]) -> Result<Format, SbomError> {
    let unknown = |reason: &str| SbomError::UnknownFormat {
        reason: reason.to_owned(),
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        None => Err(unknown("the document is empty")),
        Some(b'{') => detect_json(bytes),
        Some(b'[') => Err(unknown("it is a JSON array")),
        Some(b'<') => Err(unknown("it is XML")),
        Some(_) => Err(unknown("it is neither a JSON object nor XML")),
    }
}

fn detect_json(bytes: &[u8]) -> Result<Format, SbomError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let probe: Probe = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (place, reason) = of_json_error(&error);
        SbomError::UnknownFormat {
            reason: format!("the JSON cannot be read: {reason} (at {place})"),
        }
    })?;
    if probe.bom_format.is_some() || (probe.spec_version.is_some() && probe.components.is_some()) {
        return Ok(Format::CycloneDxJson);
    }
    if probe.spdx_version.is_some() || probe.spdx_id.is_some() {
        return Ok(Format::Spdx2Json);
    }
    Err(SbomError::UnknownFormat {
        reason: "the JSON object has neither bomFormat nor spdxVersion".to_owned(),
    })
}
