//! A change of a shared document: decoding is bounded, and Automerge merges every applied change.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use starling_documents::change::{Change, ChangeHash, MAX_DEPENDENCIES, MAX_OPERATIONS};
use starling_documents::graph::ClaimedChange;
use starling_documents::mutes::{fold_mutes, merged_entries};
use starling_protocol::SiteId;

fuzz_target!(|data: &[u8]| {
    check(data);
    // Corrects the checksum, as the author of a change can.
    if let Some((head, body)) = data.split_at_checked(8) {
        let mut bytes = head.to_vec();
        bytes[..4].copy_from_slice(&[0x85, 0x6f, 0x4a, 0x83]);
        bytes[4..].copy_from_slice(&Sha256::digest(body)[..4]);
        bytes.extend_from_slice(body);
        check(&bytes);
    }
});

fn check(bytes: &[u8]) {
    let Ok(change) = Change::read(bytes) else {
        return;
    };
    assert!(change.operations.len() <= MAX_OPERATIONS);
    assert!(change.dependencies.len() <= MAX_DEPENDENCIES);
    let claimed = [ClaimedChange {
        site: SiteId::from_bytes([1; 32]),
        epoch: 0,
        hash: ChangeHash::from_bytes(*change.hash.as_bytes()),
        bytes,
    }];
    let folded = fold_mutes(&claimed);
    if folded.applied == [0] {
        assert_eq!(merged_entries([bytes]).expect("Automerge takes what counts").len(), 1);
    }
}
