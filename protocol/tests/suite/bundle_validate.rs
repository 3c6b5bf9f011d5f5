//! The full check of a bundle without a store.

use std::io::Cursor as Memory;

use starling_protocol::bundle::{
    BundleReport, LogFault, ReaderOptions, SealRequest, WriterOptions, validate,
};
use starling_protocol::{BundleError, BundleWriter, DeltaError, VerifiedDelta};

use crate::forge::{Forgery, Frame, Range, sorted};
use crate::world::{Say, Site, export, january, two_sites};

fn write(site: &Site, deltas: &[VerifiedDelta], bodies: &[&str], options: WriterOptions) -> Vec<u8> {
    let mut writer = BundleWriter::new(Memory::new(Vec::new()), options).unwrap();
    for delta in deltas {
        writer.push_delta(delta.as_bytes()).unwrap();
    }
    for body in sorted(&bodies.iter().map(|body| body.as_bytes()).collect::<Vec<_>>()) {
        let hash = starling_protocol::ContentHash::of(body);
        writer.push_body(hash, body).unwrap();
    }
    let request = SealRequest {
        exporter: &site.chain,
        key: site.key(),
        chains: &[],
        heads: &[site.head()],
        sealed_at: january(0),
        destination: None,
    };
    let mut out = Vec::new();
    writer.finish(&request, &mut out).unwrap();
    out
}

fn report(bytes: &[u8]) -> BundleReport {
    validate(bytes, ReaderOptions::default()).unwrap()
}

/// Returns the fault of the first range.
fn fault(bytes: &[u8]) -> Option<LogFault> {
    report(bytes).ranges[0].fault.clone()
}

#[test]
fn full_export_has_no_missing_and_no_surplus_bodies() {
    let [a, b] = two_sites();
    let (bytes, summary) = export(&a, &[&a, &b], january(0));
    let report = validate(bytes.as_slice(), ReaderOptions::default()).unwrap();
    assert_eq!(report.inspection.hash, summary.hash);
    assert!(report.missing_bodies.is_empty());
    assert_eq!(report.ranges.len(), 2);
    for range in &report.ranges {
        assert!(range.roots_checked);
        assert_eq!(range.deltas, 2);
        assert_eq!(range.head, Some(range.range.cursor()));
    }
}

#[test]
fn missing_body_is_named() {
    let [a, _] = two_sites();
    let bytes = write(&a, &a.log, &[], WriterOptions::default());
    let report = report(&bytes);
    let mut missing: Vec<_> = report.missing_bodies.iter().map(|m| m.key.to_string()).collect();
    missing.sort();
    assert_eq!(missing, ["ghsa/GHSA-aaaa-bbbb-cccc", "pypa/PYSEC-2021-1"]);
    assert_eq!(
        (report.ranges[0].bodies_missing, &report.ranges[0].fault),
        (2, &None)
    );
}

#[test]
fn surplus_body_is_counted() {
    let mut a = Site::new("site-a", 50);
    let (old, new) = (r#"{"id":"X-1"}"#, r#"{"id":"X-1","summary":"new"}"#);
    a.say(0, &[Say::Set("ghsa", "X-1", old)]);
    a.say(1, &[Say::Set("ghsa", "X-1", new)]);
    let bytes = write(&a, &a.log, &[old, new], WriterOptions::default());
    let found = report(&bytes);
    assert_eq!((found.surplus_bodies, found.ranges[0].fault.clone()), (1, None));
    // In the first delta alone, the old body is live.
    let bytes = write(&a, &a.log[..1], &[old, new], WriterOptions::default());
    assert_eq!(report(&bytes).surplus_bodies, 1);
    // A body out of the bundle's scope counts as unwanted, like one that no claim names.
    let options = WriterOptions {
        scope: Some(vec!["pypa".parse().unwrap()]),
        part: None,
    };
    let found = report(&write(&a, &a.log, &[new], options));
    assert_eq!((found.surplus_bodies, found.ranges[0].fault.clone()), (1, None));
    // A body that no claim names must still be a valid line.
    let bytes = write(&a, &[], &[r#"{ "id": "X" }"#], WriterOptions::default());
    let refused = validate(bytes.as_slice(), ReaderOptions::default()).unwrap_err();
    assert!(matches!(refused, BundleError::Bodies { .. }), "{refused}");
}

#[test]
fn wrong_body_size_refuses_the_log() {
    let short = r#"{"id":"X-1"}"#;
    let mut liar = Site::new("site-liar", 50);
    liar.say_of_size(0, "ghsa", "X-1", short, 13);
    let fault = fault(&write(&liar, &liar.log, &[short], WriterOptions::default()));
    let Some(LogFault::BodySize {
        said: 13, found: 12, ..
    }) = fault
    else {
        panic!("{fault:?}");
    };
}

#[test]
fn bodies_outside_scope_are_not_missing() {
    let [a, _] = two_sites();
    let options = WriterOptions {
        scope: Some(vec!["pypa".parse().unwrap()]),
        part: None,
    };
    let bytes = write(&a, &a.log, &[], options);
    let report = validate(bytes.as_slice(), ReaderOptions::default()).unwrap();
    assert_eq!(report.missing_bodies.len(), 1);
    assert_eq!(report.missing_bodies[0].key.to_string(), "pypa/PYSEC-2021-1");
    assert_eq!(report.ranges[0].bodies_wanted, 1);
}

#[test]
fn range_from_the_middle_is_checked_without_roots() {
    let [a, _] = two_sites();
    let bytes = write(&a, &a.log[1..], &[], WriterOptions::default());
    let report = validate(bytes.as_slice(), ReaderOptions::default()).unwrap();
    assert!(!report.ranges[0].roots_checked);
    assert_eq!(report.ranges[0].range.claims(), 2);
}

#[test]
fn delta_with_wrong_signature_is_refused_despite_valid_seal() {
    let [a, _] = two_sites();
    let honest = a.log[0].as_bytes();
    let header = a.log[0].header();
    let range = Range {
        site: a.chain.site(),
        after: 0,
        after_header: [0; 32],
        last: header.last().0,
        last_header: *a.log[0].hash().as_bytes(),
        time: header.time.as_millis(),
    };
    let mut signature_changed = honest.to_vec();
    let header_size = u32::from_le_bytes(honest[5..9].try_into().unwrap()) as usize;
    signature_changed[13 + header_size] ^= 1;
    let mut claims_changed = honest.to_vec();
    *claims_changed.last_mut().unwrap() ^= 1;

    for (delta, is_signature) in [(signature_changed, true), (claims_changed, false)] {
        let mut forgery = Forgery::new(vec![Frame::deltas(&delta, 1)]);
        forgery.ranges = vec![range];
        let bytes = forgery.build(&a.chain, [2; 32]);
        let Some(LogFault::Delta { source, .. }) = fault(&bytes) else {
            panic!("not refused for its delta");
        };
        assert_eq!(matches!(source, DeltaError::Signature { .. }), is_signature);
        assert_eq!(matches!(source, DeltaError::ClaimsHash { .. }), !is_signature);
    }
}

#[test]
fn wrong_state_root_is_refused() {
    let mut liar = Site::new("site-liar", 50);
    liar.say(0, &[Say::Set("ghsa", "X-1", r#"{"id":"X-1"}"#)]);
    liar.misstate();
    liar.say(1, &[Say::Set("ghsa", "X-2", r#"{"id":"X-2"}"#)]);
    let bytes = write(&liar, &liar.log, &[], WriterOptions::default());
    let Some(LogFault::StateRoot { number, .. }) = fault(&bytes) else {
        panic!("not refused for its state root");
    };
    assert_eq!(number.0, 2);
}

#[test]
fn head_on_another_branch_is_refused() {
    let (mut one, mut other) = (Site::new("site-fork", 60), Site::new("site-fork", 60));
    one.say(0, &[Say::Set("ghsa", "X-1", r#"{"id":"X-1"}"#)]);
    other.say(0, &[Say::Set("ghsa", "X-2", r#"{"id":"X-2"}"#)]);
    assert_eq!(one.chain, other.chain);
    let mut writer = BundleWriter::new(Memory::new(Vec::new()), WriterOptions::default()).unwrap();
    writer.push_delta(one.log[0].as_bytes()).unwrap();
    let request = SealRequest {
        exporter: &one.chain,
        key: one.key(),
        chains: &[],
        heads: &[other.head()],
        sealed_at: january(0),
        destination: None,
    };
    let mut bytes = Vec::new();
    writer.finish(&request, &mut bytes).unwrap();
    let fault = fault(&bytes);
    assert!(matches!(fault, Some(LogFault::Head { .. })), "{fault:?}");
}

#[test]
fn non_canonical_body_refuses_the_log() {
    let mut liar = Site::new("site-liar", 50);
    let body = r#"{ "id": "X-1" }"#;
    liar.say(0, &[Say::Set("ghsa", "X-1", body)]);
    let fault = fault(&write(&liar, &liar.log, &[body], WriterOptions::default()));
    assert!(matches!(fault, Some(LogFault::NotCanonical { .. })), "{fault:?}");
}
