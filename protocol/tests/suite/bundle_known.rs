//! The rules for a bundle's logs, checked against what its reader already holds.

use std::io::Cursor as Memory;

use starling_protocol::bundle::{
    BranchStart, Found, HeldLog, Knowledge, LogFault, ReaderOptions, SealRequest, WriterOptions, check,
};
use starling_protocol::{
    BundleError, BundleReader, BundleWriter, CertificateChain, ClaimKey, ClaimNumber, ContentHash, Delta,
    DeltaError, ForkError, ForkProof, Lane, LaneResume, Reason, SigningKey, SiteId, VerifiedDelta,
};

use crate::world::{Say, Site, january};

/// A reader that holds the first deltas of one site.
struct Reader<'a> {
    chain: &'a CertificateChain,
    held: &'a [VerifiedDelta],
}

impl Reader<'_> {
    fn live(&self) -> std::collections::BTreeMap<ClaimKey, starling_protocol::Claim> {
        let mut live = std::collections::BTreeMap::new();
        for (_, claim) in self.held.iter().flat_map(VerifiedDelta::claims) {
            live.insert(claim.key().clone(), claim.clone());
        }
        live.retain(|_, claim| !claim.is_tombstone());
        live
    }
}

impl Knowledge for Reader<'_> {
    type Error = BundleError;

    fn chain(&self, _: SiteId) -> Result<Option<CertificateChain>, BundleError> {
        Ok(Some(self.chain.clone()))
    }

    fn log(&self, _: SiteId, _: Lane) -> Result<Option<HeldLog>, BundleError> {
        let mut held = HeldLog::default();
        for claim in self.live().values() {
            held.state.apply(claim, None);
        }
        if let Some(last) = self.held.last() {
            held.tip.cursor = last.header().cursor();
            held.tip.header = last.hash();
            held.tip.epoch = last.header().epoch;
        }
        Ok(Some(held))
    }

    fn delta_with(&self, _: SiteId, _: Lane, number: ClaimNumber) -> Result<Option<Vec<u8>>, BundleError> {
        let holds = |delta: &&VerifiedDelta| (delta.header().first..=delta.header().last()).contains(&number);
        Ok(self
            .held
            .iter()
            .find(holds)
            .map(|delta| delta.as_bytes().to_vec()))
    }

    fn live(&self, _: SiteId, _: Lane, key: &ClaimKey) -> Result<Option<Vec<u8>>, BundleError> {
        Ok(self.live().get(key).map(starling_protocol::Claim::encode))
    }

    fn has_body(&self, _: &ContentHash) -> Result<bool, BundleError> {
        Ok(true)
    }
}

/// Returns the findings of a reader that holds `held` for a bundle of `deltas`.
fn find(site: &Site, chain: &CertificateChain, held: &[VerifiedDelta], deltas: &[VerifiedDelta]) -> Found {
    let mut writer = BundleWriter::new(Memory::new(Vec::new()), WriterOptions::default()).unwrap();
    for delta in deltas {
        writer.push_delta(delta.as_bytes()).unwrap();
    }
    let request = SealRequest {
        exporter: &site.chain,
        key: site.key(),
        chains: &[],
        heads: &[],
        sealed_at: january(0),
        destination: None,
    };
    let mut bytes = Vec::new();
    writer.finish(&request, &mut bytes).unwrap();
    let mut reader = BundleReader::open(bytes.as_slice(), ReaderOptions::default()).unwrap();
    check(&mut reader, &Reader { chain, held }, |_| Ok(())).unwrap()
}

fn say(site: &mut Site, at: u64, text: &str) {
    let body = format!(r#"{{"id":"X-1","summary":"{text}"}}"#);
    site.say(at, &[Say::Set("ghsa", "X-1", &body)]);
}

/// Returns a site with three claims, and a twin with the same keys whose claims differ after the first.
fn twins() -> [Site; 2] {
    let mut twins = [Site::new("site-twin", 60), Site::new("site-twin", 60)];
    for (site, texts) in twins.iter_mut().zip([["a", "b", "c"], ["a", "x", "y"]]) {
        for (at, text) in (0..).zip(texts) {
            say(site, at, text);
        }
    }
    twins
}

#[test]
fn held_range_is_not_new() {
    let [a, _] = twins();
    let found = find(&a, &a.chain, &a.log, &a.log);
    assert_eq!((found.ranges[0].new, found.ranges[0].fault.clone()), (0, None));
    let found = find(&a, &a.chain, &a.log[..1], &a.log);
    assert_eq!((found.ranges[0].new, found.ranges[0].fault.clone()), (2, None));
    assert!(found.ranges[0].roots_checked);
}

#[test]
fn fork_is_found_by_hash_at_any_position() {
    let [a, b] = twins();
    for (held, deltas) in [
        (&a.log[..], &b.log[..]),
        (&a.log[..], &b.log[..2]),
        (&a.log[..], &b.log[1..2]),
        (&a.log[..2], &b.log[..]),
    ] {
        let fault = find(&a, &a.chain, held, deltas).ranges[0].fault.clone();
        let Some(LogFault::Fork { number, proof, .. }) = fault else {
            panic!("{fault:?}");
        };
        assert_eq!((number.0, proof.site()), (2, a.chain.site()));
    }
    // The bundle does not contain the differing delta, but the next delta names it and is signed by the author.
    let fault = find(&a, &a.chain, &a.log[..2], &b.log[2..]).ranges[0]
        .fault
        .clone();
    let Some(LogFault::Fork {
        number, proof, found, ..
    }) = fault
    else {
        panic!("{fault:?}");
    };
    assert_eq!((number.0, proof.is_of_neighbours()), (2, true));
    assert_eq!(found, b.log[1].hash());
    let bytes = proof.to_bytes();
    assert_eq!(bytes[4], 2, "version 1 says it of shared numbers alone");
    assert_eq!(ForkProof::verify(&bytes, &a.chain), Ok(*proof));
    let mut as_before = bytes;
    as_before[4] = 1;
    assert!(
        ForkProof::verify(&as_before, &a.chain).is_err(),
        "one proof has one spelling"
    );
}

#[test]
fn consecutive_deltas_are_not_a_fork() {
    let [a, _] = twins();
    let decode = |at: usize| Delta::decode(a.log[at].as_bytes()).unwrap();
    for (one, other) in [(0, 1), (1, 0), (0, 2), (1, 1)] {
        let proof = ForkProof::of(&decode(one), &decode(other), &a.chain);
        assert!(
            matches!(proof, Err(ForkError::NoContradiction { .. })),
            "{one} {other}"
        );
    }
}

#[test]
fn claims_missing_before_a_range_are_a_gap() {
    let [a, _] = twins();
    let fault = find(&a, &a.chain, &a.log[..1], &a.log[2..]).ranges[0]
        .fault
        .clone();
    let Some(LogFault::Gap { held, after }) = fault else {
        panic!("{fault:?}");
    };
    assert_eq!((held.0, after.0), (1, 2));
}

#[test]
fn branch_closed_by_certificate_is_not_a_fork() {
    let [a, b] = twins();
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number: ClaimNumber(3),
        header: a.log[2].hash(),
    }];
    let (root, next) = (SigningKey::from_seed(&[60; 32]), SigningKey::from_seed(&[77; 32]));
    let longer = a
        .chain
        .next_epoch(&root, &next, lanes, Reason::ForkResolution, january(9))
        .unwrap();
    let fault = find(&a, &longer, &a.log, &b.log).ranges[0].fault.clone();
    assert!(matches!(fault, Some(LogFault::GivenUp { .. })), "{fault:?}");
}

#[test]
fn wrong_root_after_held_deltas_is_found() {
    let [mut a, _] = twins();
    a.misstate();
    say(&mut a, 3, "d");
    let found = find(&a, &a.chain, &a.log[..3], &a.log[3..]);
    let fault = &found.ranges[0].fault;
    assert!(matches!(fault, Some(LogFault::StateRoot { .. })), "{fault:?}");
}

#[test]
fn non_object_record_is_refused() {
    for body in ["[]", "\"X-1\"", "9.8", "null", "true"] {
        let mut a = Site::new("site-odd", 70);
        a.say(0, &[Say::Set("ghsa", "X-1", body)]);
        let (bytes, _) = crate::world::export(&a, &[&a], january(0));
        let report = starling_protocol::bundle::validate(bytes.as_slice(), ReaderOptions::default()).unwrap();
        let fault = &report.ranges[0].fault;
        assert!(
            matches!(fault, Some(LogFault::NotCanonical { .. })),
            "{body}: {fault:?}"
        );
    }
}

#[test]
fn last_delta_of_lost_branch_is_outside_its_epoch() {
    let [a, b] = twins();
    let at = a.log.len() - 1;
    let (named, lost) = (&a.log[at], &b.log[at]);
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number: named.header().last(),
        header: named.hash(),
    }];
    let (root, next) = (SigningKey::from_seed(&[60; 32]), SigningKey::from_seed(&[77; 32]));
    let longer = a
        .chain
        .next_epoch(&root, &next, lanes, Reason::ForkResolution, january(9))
        .unwrap();
    let decode = |delta: &VerifiedDelta| Delta::decode(delta.as_bytes()).unwrap().verify(&longer).map(drop);
    assert_eq!(named.header().last(), lost.header().last());
    assert_eq!(decode(named), Ok(()));
    let error = decode(lost).unwrap_err();
    assert!(
        matches!(error, DeltaError::ClosedElsewhere { epoch: 0, named: found, .. } if found == named.hash()),
        "{error:?}"
    );
    assert!(error.was_true_once(&longer), "its relay does not lie");

    // A proof of both stays proof for who kept it, and is settled for who gets it.
    let decode = |delta: &VerifiedDelta| delta.as_bytes().to_vec();
    let (one, other) = (decode(named), decode(lost));
    let proof = ForkProof::of(
        &Delta::decode(&one).unwrap(),
        &Delta::decode(&other).unwrap(),
        &a.chain,
    )
    .unwrap();
    let bytes = proof.to_bytes();
    assert!(matches!(
        ForkProof::verify(&bytes, &longer),
        Err(ForkError::Header(DeltaError::ClosedElsewhere { .. }))
    ));
    assert_eq!(ForkProof::verify_kept(&bytes, &longer), Ok(proof));
}

#[test]
fn bundle_of_the_named_branch_replaces_a_lost_one() {
    let [a, b] = twins();
    let lanes = vec![LaneResume {
        lane: Lane::Federation,
        number: ClaimNumber(3),
        header: a.log[2].hash(),
    }];
    let (root, next) = (SigningKey::from_seed(&[60; 32]), SigningKey::from_seed(&[77; 32]));
    let longer = a
        .chain
        .next_epoch(&root, &next, lanes, Reason::ForkResolution, january(9))
        .unwrap();
    let start = BranchStart {
        number: ClaimNumber(2),
        header: a.log[1].hash(),
    };
    for held in [&b.log[..], &b.log[..2]] {
        // From the beginning of the log, and from the delta at which the two part.
        for (from, roots) in [(0, true), (1, false)] {
            let found = find(&a, &longer, held, &a.log[from..]);
            let range = &found.ranges[0];
            assert_eq!((range.fault.clone(), range.branch), (None, Some(start)));
            assert_eq!((range.new, range.roots_checked), (2, roots));
        }
        // It ends before the named delta, or begins after the place where the two part.
        for part in [&a.log[..2], &a.log[1..2], &a.log[2..]] {
            let fault = find(&a, &longer, held, part).ranges[0].fault.clone();
            assert!(matches!(fault, Some(LogFault::OtherBranch { .. })), "{fault:?}");
        }
    }
    // A reader on the named branch, though it does not hold the named delta yet, keeps what it has.
    for part in [&b.log[..], &b.log[..2], &b.log[1..]] {
        let fault = find(&a, &longer, &a.log[..2], part).ranges[0].fault.clone();
        assert!(fault.is_some());
    }
}
