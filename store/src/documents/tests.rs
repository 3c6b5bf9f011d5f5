//! Tests of the changes that are found, and of their bounds.

use starling_documents::change::{ChangeHash, MAX_CHANGE_BYTES};
use starling_documents::graph::MAX_CHANGES_PER_AUTHOR;
use starling_documents::mutes::DOCUMENT;
use starling_protocol::Lane;
use starling_protocol::{Claim, ClaimNumber, SiteId, UnixMillis};

use super::changes::{FoundChange, FoundChanges};
use crate::site::state::LogId;

fn change(size: usize) -> FoundChange {
    let claim = Claim::document_change(DOCUMENT, [1; 32], &vec![7; size], UnixMillis::saturating(5)).unwrap();
    FoundChange::of(ChangeHash::from_bytes([1; 32]), &claim)
}

#[test]
fn author_over_limit_keeps_first_changes_in_any_order() {
    let log = LogId {
        site: SiteId::from_bytes([1; 32]),
        lane: Lane::Federation,
    };
    let most = MAX_CHANGES_PER_AUTHOR as u64;
    let mut found = FoundChanges::default();
    for number in (1..=most + 500).rev() {
        found.take(log, ClaimNumber(number), change(1));
        assert!(found.by_log[&log].len() <= MAX_CHANGES_PER_AUTHOR + 1);
    }
    let held: Vec<u64> = found.by_log[&log].keys().map(|number| number.0).collect();
    assert_eq!(held, (1..=most + 1).collect::<Vec<_>>());
}

#[test]
fn oversized_change_is_held_without_its_bytes() {
    assert_eq!(change(MAX_CHANGE_BYTES).bytes.len(), MAX_CHANGE_BYTES);
    let large = change(MAX_CHANGE_BYTES + 1);
    assert_eq!((large.bytes.capacity(), large.size), (0, MAX_CHANGE_BYTES + 1));
}
