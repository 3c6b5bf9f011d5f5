//! Bundles made by an allow-listed exporter with bad intent: the seal is valid, but its content breaks a rule.
//! Each test is named for the attack.

use proptest::prelude::*;
use starling_protocol::BundleError;
use starling_protocol::bundle::{BundleFault, ReaderOptions, validate};
use starling_protocol::limits::{MAX_BODIES_FRAME_BYTES, MAX_BUNDLE_FRAME_ITEMS};

use crate::forge::{Forgery, Frame, Range, skippable, sorted, zstd_frame};
use crate::world::{Site, read, read_unsealed, two_sites};

fn attacker() -> Site {
    Site::new("site-mallory", 90)
}

/// Returns the refusal of a forged bundle. The attacker's key is valid; the manifest is not.
fn refusal(forgery: &Forgery) -> BundleError {
    let mallory = attacker();
    let bytes = forgery.build(&mallory.chain, [91; 32]);
    read(&bytes).expect_err("a forged bundle must be refused")
}

#[test]
fn honest_forge_bundle_is_accepted() {
    let bodies = sorted(&[br#"{"id":"X-1"}"#, br#"{"id":"X-2"}"#]);
    let bytes = Forgery::new(vec![Frame::bodies(&bodies)]).build(&attacker().chain, [91; 32]);
    assert_eq!(read(&bytes).unwrap().bodies.len(), 2);
}

#[test]
fn seal_by_a_key_that_is_not_the_exporters_is_refused() {
    let bodies = sorted(&[br#"{"id":"X-1"}"#]);
    let bytes = Forgery::new(vec![Frame::bodies(&bodies)]).build(&attacker().chain, [7; 32]);
    let refused = read(&bytes).unwrap_err();
    assert!(matches!(refused, BundleError::Signature { .. }), "{refused}");
    assert_eq!(refused.fault(), BundleFault::Signature);
    let got = read_unsealed(&bytes).unwrap();
    assert!(got.seal.exporter().is_err());
}

#[test]
fn invalid_chain_in_seal_is_refused_despite_skipped_check() {
    let [a, _] = two_sites();
    let mut chain = a.chain.to_bytes();
    *chain.last_mut().unwrap() ^= 1;
    let mut forgery = Forgery::new(Vec::new());
    forgery.chains = vec![chain];
    let bytes = forgery.build(&attacker().chain, [91; 32]);
    for refused in [read(&bytes).unwrap_err(), read_unsealed(&bytes).unwrap_err()] {
        assert!(matches!(refused, BundleError::Chain { .. }), "{refused}");
        assert_eq!(refused.fault(), BundleFault::Certificate);
    }
    forgery.chains = vec![a.chain.to_bytes(), a.chain.to_bytes()];
    assert!(matches!(refusal(&forgery), BundleError::SealOrder { .. }));
}

#[test]
fn head_without_its_chain_or_twice_is_refused() {
    let [a, _] = two_sites();
    let mut forgery = Forgery::new(Vec::new());
    forgery.heads = vec![a.head().as_bytes().to_vec()];
    assert!(matches!(refusal(&forgery), BundleError::MissingChain { .. }));
    forgery.chains = vec![a.chain.to_bytes()];
    forgery.heads.push(a.head().as_bytes().to_vec());
    assert!(matches!(refusal(&forgery), BundleError::SealOrder { .. }));
    forgery.heads.pop();
    *forgery.heads[0].last_mut().unwrap() ^= 1;
    assert!(matches!(refusal(&forgery), BundleError::Head { .. }));
}

#[test]
fn zstd_bomb_is_refused_with_any_manifest() {
    let big = vec![b'0'; MAX_BODIES_FRAME_BYTES + 1];
    let bomb = zstd_frame(&big);
    assert!(bomb.len() < 4_096);
    for unpacked in [
        1_000,
        MAX_BODIES_FRAME_BYTES as u64,
        big.len() as u64,
        u64::from(u32::MAX),
    ] {
        let forgery = Forgery::new(vec![Frame {
            kind: 1,
            stored: bomb.len() as u64,
            unpacked,
            items: 1,
            bytes: bomb.clone(),
        }]);
        let refused = refusal(&forgery);
        assert!(
            matches!(refused, BundleError::Unpack { .. } | BundleError::Decode { .. }),
            "{refused}"
        );
    }

    // A frame that hides its own size: a streamed frame has no size field.
    let mut silent = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    std::io::Write::write_all(&mut silent, &big).unwrap();
    let silent = silent.finish().unwrap();
    let forgery = Forgery::new(vec![Frame {
        kind: 1,
        stored: silent.len() as u64,
        unpacked: 1_000,
        items: 1,
        bytes: silent,
    }]);
    assert!(matches!(refusal(&forgery), BundleError::Unpack { .. }));
}

#[test]
fn multiple_zstd_frames_and_dictionaries_are_refused() {
    let line = br#"{"id":"X-1"}"#;
    let mut two = Frame::bodies(&[line]);
    two.bytes.extend_from_slice(&zstd_frame(b""));
    two.stored = two.bytes.len() as u64;
    assert!(matches!(
        refusal(&Forgery::new(vec![two])),
        BundleError::Unpack { .. }
    ));

    let mut skipped = Frame::bodies(&[line]);
    skipped.bytes = skippable(0x184D_2A50, line);
    skipped.stored = skipped.bytes.len() as u64;
    assert!(matches!(
        refusal(&Forgery::new(vec![skipped])),
        BundleError::Unpack { .. }
    ));

    let samples: Vec<Vec<u8>> = (0..200)
        .map(|n| format!(r#"{{"id":"X-{n}","summary":"{}"}}"#, n * 7).into_bytes())
        .collect();
    let dictionary = zstd::dict::from_samples(&samples, 1_000).unwrap();
    let mut with = Frame::bodies(&[line]);
    with.bytes = zstd::bulk::Compressor::with_dictionary(3, &dictionary)
        .unwrap()
        .compress(b"{\"id\":\"X-1\"}\n")
        .unwrap();
    with.stored = with.bytes.len() as u64;
    let refused = refusal(&Forgery::new(vec![with]));
    assert!(refused.to_string().contains("dictionary"), "{refused}");
}

#[test]
fn unsorted_and_repeated_bodies_are_refused() {
    let lines = sorted(&[br#"{"id":"X-1"}"#, br#"{"id":"X-2"}"#]);
    let (low, high) = (lines[0], lines[1]);
    for frames in [
        vec![Frame::bodies(&[high, low])],
        vec![Frame::bodies(&[low, low])],
        vec![Frame::bodies(&[high]), Frame::bodies(&[low])],
        vec![Frame::bodies(&[low]), Frame::bodies(&[low])],
    ] {
        let refused = refusal(&Forgery::new(frames));
        assert!(matches!(refused, BundleError::Bodies { .. }), "{refused}");
    }
}

#[test]
fn empty_unfinished_and_miscounted_lines_are_refused() {
    let line = br#"{"id":"X-1"}"#;
    let counted = |ndjson: &[u8], items| Frame {
        items,
        ..Frame::ndjson(ndjson)
    };
    for frame in [
        counted(b"{\"id\":\"X-1\"}\n\n", 2),
        counted(b"\n{\"id\":\"X-1\"}\n", 2),
        counted(line, 1),
        counted(b"{\"id\":\"X-1\"}\n", 2),
        counted(b"{}\n[]\n", 1),
    ] {
        let refused = refusal(&Forgery::new(vec![frame]));
        assert!(matches!(refused, BundleError::Bodies { .. }), "{refused}");
    }
}

#[test]
fn manifest_that_breaks_a_rule_is_refused() {
    let [a, _] = two_sites();
    let line = || Frame::bodies(&[br#"{"id":"X-1"}"#]);
    let mut forgeries = vec![
        Forgery::new(vec![Frame { items: 0, ..line() }]),
        Forgery::new(vec![Frame {
            items: u64::from(MAX_BUNDLE_FRAME_ITEMS) + 1,
            ..line()
        }]),
        Forgery::new(vec![Frame { kind: 2, ..line() }]),
        Forgery::new(vec![Frame {
            stored: u64::from(u32::MAX),
            ..line()
        }]),
        Forgery::new(vec![Frame::deltas(b"not a delta", 1)]),
    ];
    let honest = Forgery::new(vec![line()]);
    for part in [(0, 1), (2, 1), (1, 0), (1, 10_000), (3, 2)] {
        forgeries.push(Forgery {
            part,
            ..honest.clone()
        });
    }
    forgeries.push(Forgery {
        manifest_tail: vec![0],
        ..honest.clone()
    });
    let range = Range {
        site: a.chain.site(),
        after: 0,
        after_header: [0; 32],
        last: 3,
        last_header: [1; 32],
        time: 0,
    };
    for ranges in [
        vec![range],
        vec![range, range],
        vec![Range { after: 3, ..range }],
        vec![Range {
            after_header: [1; 32],
            ..range
        }],
        vec![Range {
            last: u64::MAX,
            ..range
        }],
        vec![Range {
            time: u64::MAX,
            ..range
        }],
    ] {
        forgeries.push(Forgery {
            ranges,
            ..honest.clone()
        });
    }
    for forgery in &forgeries {
        let refused = refusal(forgery);
        assert!(
            matches!(refused, BundleError::Decode { frame, .. } if frame.number == 1),
            "{forgery:?}: {refused}"
        );
    }
}

#[test]
fn deltas_that_are_not_the_listed_ranges_are_refused() {
    let [a, b] = two_sites();
    let (first, second) = (&a.log[0], &a.log[1]);
    let whole = Range {
        site: a.chain.site(),
        after: 0,
        after_header: [0; 32],
        last: second.header().last().0,
        last_header: *second.hash().as_bytes(),
        time: second.header().time.as_millis(),
    };
    let build = |deltas: &[&[u8]], range| {
        let items = deltas.len() as u64;
        let mut forgery = Forgery::new(vec![Frame::deltas(&deltas.concat(), items)]);
        forgery.ranges = vec![range];
        forgery
    };
    let (one, two) = (first.as_bytes(), second.as_bytes());
    let mallory = attacker();
    let honest = build(&[one, two], whole).build(&mallory.chain, [91; 32]);
    assert_eq!(read(&honest).unwrap().deltas.len(), 2);
    assert!(
        matches!(
            validate(honest.as_slice(), ReaderOptions::default()),
            Err(BundleError::MissingChain { .. })
        ),
        "a full check needs the author's chain"
    );
    for forgery in [
        build(&[two, one], whole),
        build(&[one], whole),
        build(&[two], whole),
        build(&[one, one], whole),
        build(&[one, two, b.log[0].as_bytes()], whole),
        build(&[b.log[0].as_bytes()], whole),
        build(&[one, two], Range { last: 3, ..whole }),
        build(&[one, two], Range { time: 1, ..whole }),
        build(
            &[one, two],
            Range {
                last_header: [9; 32],
                ..whole
            },
        ),
        build(
            &[one, two],
            Range {
                after: 1,
                after_header: [9; 32],
                ..whole
            },
        ),
    ] {
        let refused = refusal(&forgery);
        assert!(matches!(refused, BundleError::Range { .. }), "{refused}");
    }
    let mut miscounted = build(&[one, two], whole);
    miscounted.frames[0].items = 3;
    assert!(matches!(refusal(&miscounted), BundleError::Unpack { .. }));
    let mut torn = build(&[one, &two[..two.len() - 1]], whole);
    torn.frames[0].items = 2;
    assert!(matches!(refusal(&torn), BundleError::Delta { index: 1, .. }));
}

#[test]
fn newer_format_is_distinguished_from_damage() {
    let mut forgery = Forgery::new(Vec::new());
    forgery.manifest_version = 2;
    let refused = refusal(&forgery);
    assert_eq!(refused.fault(), BundleFault::Unsupported);
    let mut forgery = Forgery::new(Vec::new());
    forgery.seal_version = 2;
    assert_eq!(refusal(&forgery).fault(), BundleFault::Unsupported);
}

proptest! {
    /// A valid seal over any manifest and any frames: the most that a hostile exporter can produce.
    #[test]
    fn arbitrary_frames_under_a_valid_seal_never_panic(
        kinds in proptest::collection::vec((0_u64..3, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..80), 0_u64..4), 0..4),
        tail in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let frames = kinds.into_iter().map(|(kind, honest, content, items)| {
            let bytes = if honest && kind == 0 {
                skippable(0x184D_2A53, &content)
            } else if honest {
                zstd_frame(&content)
            } else {
                content.clone()
            };
            Frame { kind, stored: bytes.len() as u64, unpacked: content.len() as u64, items, bytes }
        });
        let mut forgery = Forgery::new(frames.collect());
        forgery.manifest_tail = tail;
        let bytes = forgery.build(&attacker().chain, [91; 32]);
        let _ = read(&bytes);
        let _ = validate(bytes.as_slice(), ReaderOptions::default());
    }
}
