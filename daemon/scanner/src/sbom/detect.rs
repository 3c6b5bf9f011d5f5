//! Detects a document's format from its content.

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::cyclonedx::{is_protobuf, is_protobuf_json};
use super::lockfile::{is_location, toml_is_python, without_comment, without_trailing_commas};
use super::place::of_json_error;
use super::{Format, Lockfile, SbomError};

/// Number of bytes at the beginning of a text that are searched for signs of its format.
const LOOK: usize = 64 * 1024;

/// The first bytes of packed documents, which are not unpacked.
const PACKED: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"BZh", "bzip2"),
    (b"PK\x03\x04", "zip"),
];

/// The keys that distinguish JSON formats; the readers check their values.
#[derive(Deserialize)]
struct Probe {
    #[serde(rename = "bomFormat")]
    bom_format: Option<IgnoredAny>,
    /// In the JSON mapping of protocol buffers, the schema's own name is also allowed.
    #[serde(rename = "specVersion", alias = "spec_version")]
    spec_version: Option<IgnoredAny>,
    components: Option<IgnoredAny>,
    #[serde(rename = "spdxVersion")]
    spdx_version: Option<IgnoredAny>,
    #[serde(rename = "SPDXID")]
    spdx_id: Option<IgnoredAny>,
    #[serde(rename = "@context")]
    context: Option<IgnoredAny>,
    #[serde(rename = "@graph")]
    graph: Option<IgnoredAny>,
    artifacts: Option<IgnoredAny>,
    #[serde(rename = "lockfileVersion")]
    lockfile_version: Option<IgnoredAny>,
    #[serde(rename = "content-hash")]
    content_hash: Option<IgnoredAny>,
    packages: Option<IgnoredAny>,
    #[serde(rename = "_meta")]
    meta: Option<IgnoredAny>,
    default: Option<IgnoredAny>,
    version: Option<IgnoredAny>,
    dependencies: Option<IgnoredAny>,
    workspaces: Option<IgnoredAny>,
    requires: Option<IgnoredAny>,
    graph_lock: Option<IgnoredAny>,
    pins: Option<IgnoredAny>,
    object: Option<IgnoredAny>,
}

/// Detects the format of a document from its content.
///
/// # Errors
/// If the content has no known format; the reason says what was found.
pub fn detect(bytes: &[u8]) -> Result<Format, SbomError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // It begins with a line end, which the other checks would skip.
    if is_protobuf(bytes) {
        return Ok(Format::CycloneDxProtobuf);
    }
    if let Some((_, tool)) = PACKED.iter().find(|(mark, _)| bytes.starts_with(mark)) {
        return Err(unknown(format!(
            "the document is packed ({tool}): unpack it first"
        )));
    }
    match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        None => Err(unknown("the document is empty")),
        Some(b'{') => detect_json(bytes),
        Some(b'<') => detect_xml(bytes),
        Some(_) => detect_text(bytes),
    }
}

fn unknown(reason: impl Into<String>) -> SbomError {
    SbomError::UnknownFormat {
        reason: reason.into(),
    }
}

fn detect_json(bytes: &[u8]) -> Result<Format, SbomError> {
    if begins_as_cyclonedx(bytes) {
        return Ok(Format::CycloneDxJson);
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read: Result<Probe, _> = serde_path_to_error::deserialize(&mut reader);
    let probe = match read {
        Ok(probe) => probe,
        // Bun's files are not valid JSON; its reader reports other errors.
        Err(_) if is_bun(bytes) => return Ok(Format::Lockfile(Lockfile::Bun)),
        Err(error) => {
            let (place, reason) = of_json_error(&error);
            return Err(unknown(format!("the JSON cannot be read: {reason} (at {place})")));
        }
    };
    let lockfile = |kind| Ok(Format::Lockfile(kind));
    if probe.bom_format.is_none() && probe.spec_version.is_some() && is_protobuf_json(bytes) {
        Ok(Format::CycloneDxProtobuf)
    } else if probe.bom_format.is_some() || (probe.spec_version.is_some() && probe.components.is_some()) {
        Ok(Format::CycloneDxJson)
    } else if probe.spdx_version.is_some() || probe.spdx_id.is_some() {
        Ok(Format::Spdx2Json)
    } else if probe.context.is_some() && probe.graph.is_some() {
        Ok(Format::Spdx3Json)
    } else if probe.artifacts.is_some() {
        Ok(Format::SyftJson)
    } else if probe.lockfile_version.is_some() && probe.workspaces.is_some() {
        lockfile(Lockfile::Bun)
    } else if probe.lockfile_version.is_some() {
        lockfile(Lockfile::Npm)
    } else if probe.content_hash.is_some() && probe.packages.is_some() {
        lockfile(Lockfile::Composer)
    } else if probe.meta.is_some() && probe.default.is_some() {
        lockfile(Lockfile::Pipfile)
    } else if probe.version.is_some() && probe.dependencies.is_some() {
        lockfile(Lockfile::NuGet)
    } else if probe.version.is_some() && (probe.requires.is_some() || probe.graph_lock.is_some()) {
        lockfile(Lockfile::Conan)
    } else if probe.version.is_some() && (probe.pins.is_some() || probe.object.is_some()) {
        lockfile(Lockfile::Swift)
    } else {
        Err(unknown(
            "the JSON object has none of the keys that known formats begin with",
        ))
    }
}

/// Returns true if `bomFormat` comes before any long value, so that the rest need not be read for the detection.
fn begins_as_cyclonedx(bytes: &[u8]) -> bool {
    struct Keys<'a>(&'a mut bool);

    impl<'de> Visitor<'de> for Keys<'_> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                match key.as_ref() {
                    "bomFormat" => {
                        *self.0 = true;
                        break;
                    }
                    "$schema" | "specVersion" | "serialNumber" | "version" => {
                        map.next_value::<IgnoredAny>()?;
                    }
                    _ => break,
                }
            }
            Err(A::Error::custom("enough was read"))
        }
    }

    let mut found = false;
    // Always an error, because the object is not read to its end.
    let _ = serde_json::Deserializer::from_slice(bytes).deserialize_map(Keys(&mut found));
    found
}

/// Returns true if the text becomes Bun's lockfile without its trailing commas.
fn is_bun(bytes: &[u8]) -> bool {
    let head = bytes.get(..LOOK).unwrap_or(bytes);
    let has = |key: &[u8]| head.windows(key.len()).any(|window| window == key);
    has(b"\"lockfileVersion\"")
        && has(b"\"workspaces\"")
        && std::str::from_utf8(bytes).is_ok_and(|text| without_trailing_commas(text) != text)
}

fn detect_xml(bytes: &[u8]) -> Result<Format, SbomError> {
    let head = bytes.get(..LOOK).unwrap_or(bytes);
    let contains = |needle: &[u8]| head.windows(needle.len()).any(|window| window == needle);
    if contains(b"cyclonedx.org/schema/bom") {
        Ok(Format::CycloneDxXml)
    } else if contains(b"<project") && contains(b"maven.apache.org/POM/") {
        Ok(Format::Pom)
    } else if contains(b"spdx.org/rdf/terms") && contains(b"22-rdf-syntax-ns#") {
        Ok(Format::SpdxRdf)
    } else {
        Err(unknown(
            "it is XML without the namespace of CycloneDX, of SPDX or of Maven's POM",
        ))
    }
}

/// Marks at the beginnings of lines, most specific first.
fn detect_text(bytes: &[u8]) -> Result<Format, SbomError> {
    let head = bytes.get(..LOOK).unwrap_or(bytes);
    let head = String::from_utf8_lossy(head);
    let has_line = |mark: &str| head.lines().any(|line| line.starts_with(mark));
    let first = head
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with("//"));
    let first = first.unwrap_or("");
    let kind = if has_line("SPDXVersion:") {
        return Ok(Format::SpdxTagValue);
    } else if has_line("spdxVersion:") || has_line("SPDXID:") {
        return Ok(Format::Spdx2Yaml);
    } else if has_line("lock-version =") && has_line("[[packages]]") {
        Lockfile::PyLock
    } else if has_line("PODS:") && has_line("PODFILE CHECKSUM:") {
        Lockfile::Pods
    } else if has_line("[[package]]") {
        let whole = String::from_utf8_lossy(bytes);
        if toml_is_python(&whole) {
            Lockfile::PythonToml
        } else {
            Lockfile::Cargo
        }
    } else if has_line("# yarn lockfile") || has_line("__metadata:") {
        Lockfile::Yarn
    } else if has_line("lockfileVersion:") {
        Lockfile::Pnpm
    } else if has_line("# This is a Gradle generated file") {
        Lockfile::Gradle
    } else if matches!(first, "GEM" | "GIT" | "PATH") && head.contains("  specs:") {
        Lockfile::Bundler
    } else if first.starts_with("%{") && head.contains("{:hex,") {
        Lockfile::Mix
    } else if has_line("packages:") && has_line("sdks:") {
        Lockfile::Pub
    } else if first.starts_with("module ") {
        Lockfile::GoMod
    } else if is_go_sum(first) {
        Lockfile::GoSum
    } else if is_requirements(&head) {
        Lockfile::Requirements
    } else {
        return Err(unknown("the text has none of the marks of known formats"));
    };
    Ok(Format::Lockfile(kind))
}

fn is_go_sum(line: &str) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    matches!(fields[..], [_, version, hash] if version.starts_with('v') && hash.starts_with("h1:"))
}

/// Returns true if every line is a requirement or an option, and at least one is pinned.
fn is_requirements(head: &str) -> bool {
    // The last line may be incomplete.
    let whole = head.len() < LOOK;
    let mut lines: Vec<&str> = head.lines().collect();
    if !whole {
        lines.pop();
    }
    let content = || {
        lines
            .iter()
            .map(|line| without_comment(line))
            .filter(|l| !l.is_empty())
    };
    let plausible = |line: &str| {
        let end = line
            .find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)))
            .unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let rest = rest.trim_start();
        line.starts_with('-')
            || is_location(line)
            || (!name.is_empty()
                && (rest.is_empty() || rest.starts_with(['=', '<', '>', '~', '!', '[', ';', '@', '(', '\\'])))
    };
    // In base64, `==` is the end of the line.
    let is_pinned = |line: &str| {
        let version = line.split_once("==").map(|(_, version)| version);
        version.is_some_and(|version| !version.trim_matches(['=', ' ', '\\']).is_empty())
    };
    content().any(is_pinned) && content().all(plausible)
}
