//! Tests of certificates and chains.

use proptest::prelude::*;

use super::*;
use crate::cursor::ClaimNumber;
use crate::delta::DeltaHash;
use crate::keys::SigningKey;
use crate::names::Lane;
use crate::time::UnixMillis;

fn chain() -> (CertificateChain, SigningKey) {
    let root = SigningKey::from_seed(&[1; 32]);
    let operating = SigningKey::from_seed(&[2; 32]);
    let slug = "site-a".parse().unwrap();
    (
        CertificateChain::genesis(slug, &root, &operating, UnixMillis::saturating(1_000)),
        root,
    )
}

#[test]
fn chain_round_trips_and_keeps_its_site() {
    let (genesis, root) = chain();
    let next = SigningKey::from_seed(&[3; 32]);
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number: ClaimNumber(7),
        header: DeltaHash::from_bytes([9; 32]),
    }];
    let longer = genesis
        .next_epoch(
            &root,
            &next,
            lanes,
            Reason::Rotation,
            UnixMillis::saturating(2_000),
        )
        .unwrap();
    let again = CertificateChain::from_bytes(&longer.to_bytes()).unwrap();
    assert_eq!(again, longer);
    assert_eq!(again.site(), genesis.site());
    assert_eq!(
        again.epoch_end(0, Lane::Federation).unwrap().number,
        ClaimNumber(7)
    );
    assert_eq!(again.epoch_end(1, Lane::Federation), None);
    assert_eq!(genesis.merge(&longer).unwrap(), longer);
    assert_eq!(longer.merge(&genesis).unwrap(), longer);
}

#[test]
fn another_root_key_cannot_extend_a_chain() {
    let (genesis, _) = chain();
    let thief = SigningKey::from_seed(&[8; 32]);
    let refused = genesis.next_epoch(&thief, &thief, Vec::new(), Reason::Rotation, UnixMillis::EPOCH);
    assert!(matches!(
        refused,
        Err(CertificateError::Chain { position: 1, .. })
    ));
}

#[test]
fn two_certificates_for_one_epoch_are_a_conflict() {
    let (genesis, root) = chain();
    let make = |seed| {
        let key = SigningKey::from_seed(&[seed; 32]);
        genesis
            .next_epoch(&root, &key, Vec::new(), Reason::Rotation, UnixMillis::EPOCH)
            .unwrap()
    };
    assert!(matches!(
        make(4).merge(&make(5)),
        Err(CertificateError::Conflict { epoch: 1, .. })
    ));
}

#[test]
fn every_flipped_bit_is_refused() {
    let (genesis, _) = chain();
    let bytes = genesis.to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(CertificateChain::from_bytes(&bad).is_err(), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn decoding_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(chain) = CertificateChain::from_bytes(&bytes) {
            prop_assert_eq!(chain.to_bytes(), bytes);
        }
    }
}
