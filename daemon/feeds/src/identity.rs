//! The identity of a rejected part of an input, which distinguishes it from a later part at the same place.

use starling_protocol::{ContentHash, RecordId};

use crate::connectors::shallow;

/// Members in which documents of the known kinds name their record, those of one kind alone first.
const ID_MEMBERS: [&str; 6] = ["ghsa_id", "updateid", "euvdID", "cveID", "id", "name"];
/// Members that hold the record with its id, or that id.
const ID_PLACES: [(&str, &str); 2] = [("cve", "id"), ("cveMetadata", "cveId")];

/// The identity by which a rejected part is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The record's id, if the part names it as records are named. It was not checked in any other way.
    pub id: Option<RecordId>,
    /// BLAKE3 of the part's bytes. If they are not cut out of the document: of the document's hash and the place in it.
    pub hash: ContentHash,
}

impl Identity {
    /// Returns the identity of a part with these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            id: id_of(bytes),
            hash: ContentHash::of(bytes),
        }
    }

    /// Returns the identity of a part of this document, of which only the place is known.
    pub(crate) fn part(&self, pointer: &str) -> Self {
        if pointer.is_empty() {
            return self.clone();
        }
        let mut bytes = self.hash.as_bytes().to_vec();
        bytes.extend_from_slice(pointer.as_bytes());
        Self {
            id: None,
            hash: ContentHash::of(&bytes),
        }
    }
}

/// Reads the id of a JSON object, however broken the rest of it is.
fn id_of(bytes: &[u8]) -> Option<RecordId> {
    let bytes = crate::osv::strip_byte_order_mark(bytes);
    let held = ID_PLACES
        .into_iter()
        .filter_map(|(place, key)| shallow::member(shallow::member(bytes, place)?, key));
    let own = ID_MEMBERS
        .into_iter()
        .filter_map(|key| shallow::member(bytes, key));
    held.chain(own)
        .filter_map(shallow::string)
        .filter(|text| is_like_an_id(text))
        .find_map(|text| text.parse().ok())
}

/// Returns true if a text begins like the ids of advisories: with capital letters and a dash. Others may be the same in
/// many parts.
fn is_like_an_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(prefix, rest)| {
        prefix.len() >= 2 && prefix.bytes().all(|byte| byte.is_ascii_uppercase()) && !rest.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_read_of_a_part_that_is_not_valid() {
        let id = |text: &str| Identity::of(text.as_bytes()).id.map(|id| id.to_string());
        for text in [
            r#"{"cve":{"id":"CVE-2026-1","metrics":7}}"#,
            r#"{"cve":"x","id":"CVE-2026-1"}"#,
            r#"{"cveMetadata":{"cveId":"CVE-2026-1"}}"#,
            r#"{"id":"CVE-2026-1","broken":[1 2]}"#,
        ] {
            assert_eq!(id(text).as_deref(), Some("CVE-2026-1"), "{text}");
        }
        assert_eq!(
            id(r#"{"ghsa_id":"GHSA-a","id":"X-1"}"#).as_deref(),
            Some("GHSA-a")
        );
        for text in [
            "",
            "7",
            "[]",
            r#"{"id":7}"#,
            r#"{"id":""}"#,
            r#"{"id":"unknown"}"#,
            r#"{"id":"not-yet"}"#,
            r#"{"id":"CVE-"}"#,
        ] {
            assert_eq!(id(text), None, "{text}");
        }
    }

    #[test]
    fn parts_that_differ_have_other_hashes() {
        let (one, other) = (Identity::of(b"{\"id\":1}"), Identity::of(b"{\"id\":2}"));
        assert_ne!(one.hash, other.hash);
        assert_eq!(one.part(""), one);
        assert_ne!(one.part("/0"), one.part("/1"));
        assert_ne!(one.part("/0"), other.part("/0"));
    }
}
