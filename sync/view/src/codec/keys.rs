//! The keys of every table.

use starling_protocol::{MergeHash, RecordId, Source};

use super::id::{read_id, write_id};
use super::package::{read_package, write_package};
use super::source::{read_source, write_source};
use super::{Reader, write_terminated};
use crate::package::PackageId;
use crate::ports::RecordKey;
use crate::vulnerability::VulnerabilityId;

/// Bytes of a merge hash in a key; the id beside it makes the key unique.
const HASH_PREFIX_BYTES: usize = 8;

/// Returns the key of a record: `id of the vulnerability ‖ source ‖ [record id, if spelt otherwise]`.
pub(crate) fn record_key(record: &RecordKey) -> Vec<u8> {
    let mut out = Vec::with_capacity(32);
    write_record(&mut out, record);
    out
}

/// Returns the common prefix of the keys of all records with an id.
pub(crate) fn record_prefix(id: &VulnerabilityId) -> Vec<u8> {
    let mut out = Vec::with_capacity(16);
    write_id(&mut out, id.as_str());
    out
}

pub(crate) fn read_record_key(key: &[u8]) -> Option<(VulnerabilityId, RecordKey)> {
    read_record(Reader::new(key))
}

/// Returns the key of an alias: `alias ‖ key of the record`.
pub(crate) fn alias_key(alias: &VulnerabilityId, record: &RecordKey) -> Vec<u8> {
    let mut out = alias_prefix(alias);
    write_record(&mut out, record);
    out
}

/// Returns the common prefix of the keys of all mentions of an id.
pub(crate) fn alias_prefix(alias: &VulnerabilityId) -> Vec<u8> {
    record_prefix(alias)
}

/// Decodes who mentions an id: the own id of the mentioning record, and the record.
pub(crate) fn read_alias_key(key: &[u8]) -> Option<(VulnerabilityId, RecordKey)> {
    let mut reader = Reader::new(key);
    read_id(&mut reader)?;
    read_record(reader)
}

/// Returns the key of a product's row: `product ‖ 00 ‖ key of the record`.
pub(crate) fn product_key(product: &str, record: &RecordKey) -> Vec<u8> {
    let mut out = product_prefix(product);
    write_record(&mut out, record);
    out
}

/// Returns the common prefix of the keys of all records that name a product.
pub(crate) fn product_prefix(product: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(product.len() + 32);
    write_terminated(&mut out, product);
    out
}

/// Decodes who names a product.
pub(crate) fn read_product_key(key: &[u8]) -> Option<(&str, RecordKey)> {
    let mut reader = Reader::new(key);
    let product = reader.terminated()?;
    let (_, record) = read_record(reader)?;
    Some((product, record))
}

/// An edge between an advisory and a contributing record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EdgeKey {
    pub(crate) package: PackageId,
    pub(crate) vulnerability: VulnerabilityId,
    pub(crate) record: RecordKey,
}

/// Returns the key of an edge: `package ‖ vulnerability ‖ source ‖ [record id, if not the vulnerability's]`.
pub(crate) fn edge_key(package: &PackageId, vulnerability: &VulnerabilityId, record: &RecordKey) -> Vec<u8> {
    let mut out = edge_prefix(package, vulnerability);
    write_source(&mut out, &record.source);
    if record.id.as_str() != vulnerability.as_str() {
        write_id(&mut out, record.id.as_str());
    }
    out
}

/// Returns the common prefix of the keys of all edges of an advisory.
pub(crate) fn edge_prefix(package: &PackageId, vulnerability: &VulnerabilityId) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    write_package(&mut out, package);
    write_id(&mut out, vulnerability.as_str());
    out
}

pub(crate) fn read_edge_key(key: &[u8]) -> Option<EdgeKey> {
    let mut reader = Reader::new(key);
    let package = read_package(&mut reader)?;
    let vulnerability = VulnerabilityId::from_normalised(read_id(&mut reader)?);
    let source = read_source(&mut reader)?;
    let id = read_rest_id(reader, &vulnerability)?;
    Some(EdgeKey {
        package,
        vulnerability,
        record: RecordKey::new(source, id),
    })
}

/// Returns the key of a merge hash: `its first 8 bytes ‖ vulnerability`.
pub(crate) fn hash_key(hash: &MergeHash, vulnerability: &VulnerabilityId) -> Vec<u8> {
    let mut out = hash_prefix(hash).to_vec();
    write_id(&mut out, vulnerability.as_str());
    out
}

/// Returns the common prefix of the keys of all merge hashes with the same first bytes.
pub(crate) fn hash_prefix(hash: &MergeHash) -> &[u8] {
    &hash.as_bytes()[..HASH_PREFIX_BYTES]
}

pub(crate) fn read_hash_key(key: &[u8]) -> Option<VulnerabilityId> {
    let mut reader = Reader::new(key.get(HASH_PREFIX_BYTES..)?);
    let id = read_id(&mut reader)?;
    reader.is_at_end().then(|| VulnerabilityId::from_normalised(id))
}

/// Returns the key of a held record, which is that of the record.
pub(crate) fn held_key(record: &RecordKey) -> Vec<u8> {
    record_key(record)
}

pub(crate) fn read_held_key(key: &[u8]) -> Option<RecordKey> {
    read_record_key(key).map(|(_, record)| record)
}

fn write_record(out: &mut Vec<u8>, record: &RecordKey) {
    let id = VulnerabilityId::of_record(&record.id);
    write_id(out, id.as_str());
    write_source(out, &record.source);
    if record.id.as_str() != id.as_str() {
        write_id(out, record.id.as_str());
    }
}

fn read_record(mut reader: Reader<'_>) -> Option<(VulnerabilityId, RecordKey)> {
    let vulnerability = VulnerabilityId::from_normalised(read_id(&mut reader)?);
    let source: Source = read_source(&mut reader)?;
    let id = read_rest_id(reader, &vulnerability)?;
    Some((vulnerability, RecordKey::new(source, id)))
}

/// Decodes the id at the end of a key; without one, it has the vulnerability's spelling.
fn read_rest_id(mut reader: Reader<'_>, vulnerability: &VulnerabilityId) -> Option<RecordId> {
    if reader.is_at_end() {
        return vulnerability.as_str().parse().ok();
    }
    let id = read_id(&mut reader)?;
    (reader.is_at_end() && id != vulnerability.as_str())
        .then_some(id)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(source: &str, id: &str) -> RecordKey {
        RecordKey::new(source.parse().unwrap(), id.parse().unwrap())
    }

    #[test]
    fn keys_read_back_and_keep_a_record_s_own_spelling() {
        for id in ["CVE-2021-1", " cve-2021-0001 ", "GHSA-JFH8-c2jp-5v3q", "x"] {
            let record = record("acme", id);
            let own = VulnerabilityId::of_record(&record.id);
            assert_eq!(
                read_record_key(&record_key(&record)),
                Some((own.clone(), record.clone()))
            );
            let alias = VulnerabilityId::of("PYSEC-2021-7").unwrap();
            let key = alias_key(&alias, &record);
            assert!(key.starts_with(&alias_prefix(&alias)));
            assert_eq!(read_alias_key(&key), Some((own.clone(), record.clone())));
            let edge = EdgeKey {
                package: PackageId::Package {
                    ecosystem: "Debian:12".into(),
                    name: "curl".into(),
                },
                vulnerability: own.clone(),
                record: record.clone(),
            };
            assert_eq!(
                read_edge_key(&edge_key(&edge.package, &own, &record)),
                Some(edge.clone())
            );
            let key = product_key("a:acme:rocket", &record);
            assert!(key.starts_with(&product_prefix("a:acme:rocket")));
            assert_eq!(read_product_key(&key), Some(("a:acme:rocket", record.clone())));
            let hash = edge.package.merge_hash(&own);
            assert_eq!(read_hash_key(&hash_key(&hash, &own)), Some(own));
        }
    }

    #[test]
    fn two_spellings_of_one_id_are_two_records_under_one_prefix() {
        let (upper, lower) = (record("nvd", "CVE-2021-0001"), record("nvd", "cve-2021-0001"));
        let prefix = record_prefix(&VulnerabilityId::of("CVE-2021-0001").unwrap());
        assert_ne!(record_key(&upper), record_key(&lower));
        assert!(record_key(&upper).starts_with(&prefix) && record_key(&lower).starts_with(&prefix));
    }

    proptest! {
        #[test]
        fn damaged_keys_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = read_record_key(&bytes);
            let _ = read_alias_key(&bytes);
            let _ = read_edge_key(&bytes);
            let _ = read_hash_key(&bytes);
            let _ = read_product_key(&bytes);
        }
    }
}
