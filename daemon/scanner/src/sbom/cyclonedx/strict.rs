//! CycloneDX's requirements for the parts of a document that describe components: the allowed values of fields.
//!
//! A scan does not need all of these fields. But a document that violates them was written by a tool that does not
//! know the format, or was edited by mistake, and the meaning of its other fields is uncertain. Each check reports
//! the value found; the reader adds the place. Values are those of the newest version: a value that is too new for
//! the document's version is not worth a refusal.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::lenient::{AnyText, Entries, Fields, pass_over};
use crate::purl::PackageUrl;
use crate::purl::osv::is_of_registry_or_distribution;

const COMPONENT_TYPES: &[&str] = &[
    "application",
    "framework",
    "library",
    "container",
    "platform",
    "operating-system",
    "device",
    "device-driver",
    "firmware",
    "file",
    "machine-learning-model",
    "data",
    "cryptographic-asset",
];
const SCOPES: &[&str] = &["required", "optional", "excluded"];
const HASH_ALGORITHMS: &[&str] = &[
    "MD5",
    "SHA-1",
    "SHA-256",
    "SHA-384",
    "SHA-512",
    "SHA3-256",
    "SHA3-384",
    "SHA3-512",
    "BLAKE2b-256",
    "BLAKE2b-384",
    "BLAKE2b-512",
    "BLAKE3",
    "Streebog-256",
    "Streebog-512",
];
const PATCH_TYPES: &[&str] = &["unofficial", "monkey", "backport", "cherry-pick"];
const ISSUE_TYPES: &[&str] = &["defect", "enhancement", "security"];
const ENCODINGS: &[&str] = &["base64"];
const FLOWS: &[&str] = &["inbound", "outbound", "bi-directional", "unknown"];

type Checked = Result<(), String>;

fn one_of(what: &str, allowed: &[&str], found: &str) -> Checked {
    if allowed.contains(&found) {
        return Ok(());
    }
    let shown: String = found.chars().take(60).collect();
    Err(format!(
        "{shown:?} is no {what}; expected one of {}",
        allowed.join(", ")
    ))
}

/// Returns a component's type.
pub(super) fn component_type(found: &str) -> Checked {
    one_of("component type", COMPONENT_TYPES, found)
}

/// Returns a component's scope.
pub(super) fn scope(found: &str) -> Checked {
    one_of("scope", SCOPES, found)
}

/// Returns a hash's algorithm.
pub(super) fn hash_algorithm(found: &str) -> Checked {
    one_of("hash algorithm", HASH_ALGORITHMS, found)
}

/// Returns a hash's digits: 128 to 512 bits.
pub(super) fn hash_content(found: &str) -> Checked {
    let digits = found.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits && matches!(found.len(), 32 | 40 | 64 | 96 | 128) {
        return Ok(());
    }
    let shown: String = found.chars().take(60).collect();
    Err(format!(
        "{shown:?} is not a hash of 128 to 512 bits in hexadecimal"
    ))
}

/// Returns a patch's type.
pub(super) fn patch_type(found: &str) -> Checked {
    one_of("patch type", PATCH_TYPES, found)
}

/// Returns the type of an issue that a patch resolves.
pub(super) fn issue_type(found: &str) -> Checked {
    one_of("issue type", ISSUE_TYPES, found)
}

/// Returns the encoding of a text.
pub(super) fn encoding(found: &str) -> Checked {
    one_of("encoding", ENCODINGS, found)
}

/// Returns where a service's data flows.
pub(super) fn flow(found: &str) -> Checked {
    one_of("data flow", FLOWS, found)
}

/// Returns a reference from one part of the document to another, or the name that it refers to.
pub(super) fn reference(found: &str) -> Checked {
    if found.is_empty() {
        Err("the reference is empty".to_owned())
    } else {
        Ok(())
    }
}

/// Returns a name.
pub(super) fn name(_: &str) -> Checked {
    Ok(())
}

/// Returns `urn:uuid:` and a UUID.
pub(super) fn serial_number(found: &str) -> Checked {
    let uuid = found.strip_prefix("urn:uuid:").unwrap_or("");
    let groups: Vec<&str> = uuid.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    let hexadecimal = groups
        .iter()
        .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if hexadecimal && lengths.eq([8, 4, 4, 4, 12]) {
        return Ok(());
    }
    let shown: String = found.chars().take(60).collect();
    Err(format!("{shown:?} is not a serial number (urn:uuid: and a UUID)"))
}

/// Returns date and time in RFC 3339 form; XML allows the zone to be missing.
pub(super) fn timestamp(found: &str) -> Checked {
    let bytes = found.as_bytes();
    let digits = |range: std::ops::Range<usize>| {
        bytes
            .get(range)
            .is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let date = digits(0..4)
        && bytes.get(4) == Some(&b'-')
        && digits(5..7)
        && bytes.get(7) == Some(&b'-')
        && digits(8..10);
    let time = matches!(bytes.get(10), Some(b'T' | b't' | b' '))
        && digits(11..13)
        && bytes.get(13) == Some(&b':')
        && digits(14..16)
        && bytes.get(16) == Some(&b':')
        && digits(17..19);
    if date && time {
        return Ok(());
    }
    let shown: String = found.chars().take(60).collect();
    Err(format!(
        "{shown:?} is not a date and time as in 2025-01-15T10:30:00Z"
    ))
}

/// Defines types that parse a text, check it, and drop it.
macro_rules! checked {
    ($($type:ident: $check:path;)*) => {$(
        #[derive(Debug)]
        pub(super) struct $type;

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Check;
                impl Visitor<'_> for Check {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a text")
                    }

                    fn visit_str<E: Error>(self, found: &str) -> Result<$type, E> {
                        $check(found).map(|()| $type).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Check)
            }
        }
    )*};
}

checked! {
    Name: name;
    Scope: scope;
    HashAlgorithm: hash_algorithm;
    HashContent: hash_content;
    PatchType: patch_type;
    IssueType: issue_type;
    Flow: flow;
    Reference: reference;
    Timestamp: timestamp;
}

/// A list whose entries are checked but not kept; `null` is an empty list.
#[derive(Debug)]
pub(super) struct Each<T>(std::marker::PhantomData<T>);

impl<T> Default for Each<T> {
    fn default() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Each<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Each<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E: Error>(self) -> Result<Each<T>, E> {
                Ok(Each::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Each<T>, A::Error> {
                while list.next_element::<Option<T>>()?.is_some() {}
                Ok(Each::default())
            }
        }
        deserializer.deserialize_any(Entries(std::marker::PhantomData))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Hash {
    #[serde(rename = "alg")]
    _alg: HashAlgorithm,
    #[serde(rename = "content")]
    _content: HashContent,
}

#[derive(Debug, Deserialize)]
pub(super) struct Swid {
    #[serde(rename = "tagId")]
    _tag_id: Name,
    #[serde(rename = "name")]
    _name: Name,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pedigree {
    #[serde(default, rename = "patches")]
    _patches: Each<Patch>,
    #[serde(default)]
    ancestors: Ancestors,
}

impl Pedigree {
    /// Returns the first package URL of what the component is made from.
    pub(super) fn ancestor(&self) -> Option<&str> {
        self.ancestors.0.as_deref()
    }
}

/// The components from which one is made; only the first package URL of a registry or a distribution is kept.
#[derive(Debug, Default)]
struct Ancestors(Option<Box<str>>);

impl<'de> Deserialize<'de> for Ancestors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut found = Self::default();
        let take = |Ancestor(purl): Ancestor| found.0 = found.0.take().or(purl);
        deserializer.deserialize_any(Entries(take, PhantomData))?;
        Ok(found)
    }
}

/// The package URL of one of them.
struct Ancestor(Option<Box<str>>);

impl<'de> Deserialize<'de> for Ancestor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut purl = None;
        deserializer.deserialize_any(Fields(|key: &str, AnyText(text): AnyText<'de>| {
            if key == "purl" && is_ancestor(&text) {
                purl = Some(text.into());
            }
        }))?;
        Ok(Self(purl))
    }
}

/// Returns true if advisories may be about a package URL.
pub(super) fn is_ancestor(text: &str) -> bool {
    PackageUrl::parse_lenient(text.trim()).is_ok_and(|purl| is_of_registry_or_distribution(&purl))
}

#[derive(Debug, Deserialize)]
struct Patch {
    #[serde(rename = "type")]
    _type: PatchType,
    #[serde(default, rename = "resolves")]
    _resolves: Each<Issue>,
}

#[derive(Debug, Deserialize)]
struct Issue {
    #[serde(rename = "type")]
    _type: IssueType,
}

#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    #[serde(rename = "ref")]
    _ref: Reference,
}

#[derive(Debug, Deserialize)]
pub(super) struct Service {
    #[serde(rename = "name")]
    _name: Name,
    #[serde(default, rename = "data")]
    _data: Each<ServiceData>,
}

#[derive(Debug, Deserialize)]
struct ServiceData {
    #[serde(rename = "flow")]
    _flow: Flow,
}

/// A list of licences; only its problem is kept. A scan does not need licences, so a problem is not a reason to refuse
/// the document.
#[derive(Debug, Default)]
pub(super) struct Licenses {
    pub(super) fault: Option<&'static str>,
}

impl<'de> Deserialize<'de> for Licenses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Licenses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of licences")
            }

            fn visit_unit<E>(self) -> Result<Licenses, E> {
                Ok(Licenses::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Licenses, A::Error> {
                let mut fault = None;
                while let Some(choice) = list.next_element::<LicenseChoice>()? {
                    fault = fault.or(choice.0);
                }
                Ok(Licenses { fault })
            }

            pass_over!(Licenses { fault: Some("it is not a list") }; scalars text object);
        }
        deserializer.deserialize_any(List)
    }
}

/// The problem of an entry in a list of licences: a licence by id or name, or an expression.
#[derive(Debug)]
struct LicenseChoice(Option<&'static str>);

/// The parts of a licence that exclude each other.
#[derive(Debug, Default)]
struct License {
    id: bool,
    name: bool,
    is_object: bool,
}

impl<'de> Deserialize<'de> for License {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = License;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a licence")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<License, A::Error> {
                let mut license = License {
                    is_object: true,
                    ..License::default()
                };
                while let Some((AnyText(key), value)) = map.next_entry::<AnyText<'de>, AnyText<'de>>()? {
                    match key.as_ref() {
                        "id" => license.id = !value.0.is_empty(),
                        "name" => license.name = !value.0.is_empty(),
                        _ => {}
                    }
                }
                Ok(license)
            }

            pass_over!(License::default(); unit scalars text list);
        }
        deserializer.deserialize_any(Parts)
    }
}

impl<'de> Deserialize<'de> for LicenseChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choice;
        impl<'de> Visitor<'de> for Choice {
            type Value = LicenseChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a license or an expression")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LicenseChoice, A::Error> {
                let (mut license, mut expression) = (None, false);
                while let Some(AnyText(key)) = map.next_key::<AnyText<'de>>()? {
                    match key.as_ref() {
                        "license" => license = Some(map.next_value::<License>()?),
                        "expression" => expression = !map.next_value::<AnyText<'de>>()?.0.is_empty(),
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(LicenseChoice(match license {
                    Some(_) if expression => {
                        Some("a license and an expression are given, and only one may be")
                    }
                    Some(License { is_object: false, .. }) => Some("a license is not an object"),
                    Some(License {
                        id: false,
                        name: false,
                        ..
                    }) => Some("a license has neither id nor name"),
                    Some(License {
                        id: true, name: true, ..
                    }) => Some("a license has an id and a name, and only one may be given"),
                    None if !expression => Some("an entry is neither a license nor an expression"),
                    _ => None,
                }))
            }

            pass_over!(LicenseChoice(Some("an entry is not an object")); unit scalars text list);
        }
        deserializer.deserialize_any(Choice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_of_the_specification_pass() {
        for check in [
            component_type("library"),
            scope("excluded"),
            hash_algorithm("BLAKE3"),
            patch_type("backport"),
            issue_type("security"),
            encoding("base64"),
            flow("bi-directional"),
            reference("a"),
            hash_content(&"aB".repeat(20)),
            timestamp("2025-01-15T10:30:00.123+02:00"),
            timestamp("2025-01-15T10:30:00"),
            serial_number("urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79"),
        ] {
            assert_eq!(check, Ok(()));
        }
        for check in [
            component_type("Library"),
            component_type(""),
            scope("foo"),
            hash_algorithm("SHA256"),
            patch_type("foo"),
            issue_type("foo"),
            encoding("base85"),
            flow("bar"),
            reference(""),
            hash_content("foo"),
            hash_content(&"ab".repeat(17)),
            timestamp("2020-04-13"),
            timestamp(""),
            serial_number("urn:uuid:3e671687-395b-41f5-a30f"),
            serial_number("3e671687-395b-41f5-a30f-a58921a69b79"),
        ] {
            assert!(check.is_err());
        }
    }
}
