//! Bundles damaged or changed by a bad disk, a broken copy or a thief. Each test is named for the attack.

use proptest::prelude::*;
use starling_protocol::bundle::{BundleFault, ReaderOptions, inspect};
use starling_protocol::limits::{MAX_MANIFEST_BYTES, MAX_SEAL_BYTES};
use starling_protocol::{BundleError, BundleReader};

use crate::forge::{skippable, zstd_frame};
use crate::world::{Read, Say, Site, export, january, read, read_unsealed, read_with, two_sites};

fn small_bundle() -> Vec<u8> {
    let [a, b] = two_sites();
    export(&a, &[&a, &b], january(0)).0
}

/// Returns a bundle of one site, one delta and one body: small enough to try every bit.
fn smallest_bundle() -> Vec<u8> {
    let mut site = Site::new("a", 30);
    site.say(0, &[Say::Set("ghsa", "X-1", r#"{"id":"X-1"}"#)]);
    export(&site, &[&site], january(0)).0
}

/// Returns the offset of each frame of an honest bundle, and the end of the file.
fn offsets(bytes: &[u8], read: &Read) -> Vec<usize> {
    let mut offsets = vec![0];
    for _ in 0..2 {
        let at = *offsets.last().unwrap();
        let size = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        offsets.push(at + 8 + size);
    }
    for frame in &read.manifest.frames {
        offsets.push(offsets.last().unwrap() + frame.stored_size as usize);
    }
    assert_eq!(*offsets.last().unwrap(), bytes.len());
    offsets
}

fn same_knowledge(one: &Read, other: &Read) -> bool {
    one.manifest == other.manifest && one.deltas == other.deltas && one.bodies == other.bodies
}

#[test]
fn every_flipped_bit_is_refused() {
    let bytes = smallest_bundle();
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn flipped_bit_without_signature_check_affects_seal_only() {
    let bytes = smallest_bundle();
    let honest = read(&bytes).unwrap();
    let seal_end = offsets(&bytes, &honest)[1];
    let mut tolerated = 0;
    // Flip one bit of each byte, a different one each time.
    for bit in (0..bytes.len()).map(|byte| byte * 8 + byte % 8) {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(got) = read_unsealed(&bad) {
            assert!(bit / 8 < seal_end, "bit {bit} is not in the seal");
            assert!(same_knowledge(&got, &honest), "bit {bit}");
            assert!(got.seal.exporter().is_err(), "bit {bit}");
            tolerated += 1;
        }
    }
    assert!(tolerated >= 64, "the signature itself has 64 bytes");
}

#[test]
fn every_truncation_is_refused_and_names_its_place() {
    let bytes = smallest_bundle();
    let offsets = offsets(&bytes, &read(&bytes).unwrap());
    for length in 0..bytes.len() {
        let refused = read(&bytes[..length]).expect_err("a truncated bundle must be refused");
        let BundleError::Truncated {
            frame, offset, left, ..
        } = refused
        else {
            panic!("{length} bytes: {refused}");
        };
        let number = offsets.iter().rposition(|&start| start <= length).unwrap();
        assert_eq!(frame.number, number, "{length} bytes");
        assert_eq!(offset + left, length as u64);
    }
}

#[test]
fn trailing_bytes_are_refused() {
    let bytes = small_bundle();
    for tail in [
        &b"\0"[..],
        &skippable(0x184D_2A50, b"hidden"),
        &zstd_frame(b"{}\n"),
    ] {
        let bad = [&bytes, tail].concat();
        let refused = read(&bad).unwrap_err();
        assert!(
            matches!(refused, BundleError::Trailing { offset } if offset == bytes.len() as u64),
            "{refused}"
        );
    }
}

#[test]
fn unlisted_and_replaced_frames_are_refused() {
    let bytes = small_bundle();
    let at = offsets(&bytes, &read(&bytes).unwrap());
    let frame = |n: usize| &bytes[at[n]..at[n + 1]];
    let (seal, manifest, deltas, bodies) = (frame(0), frame(1), frame(2), frame(3));
    let hidden = skippable(0x184D_2A50, b"hidden");
    for parts in [
        vec![seal, manifest, bodies, deltas],
        vec![seal, manifest, &hidden, deltas, bodies],
        vec![seal, &hidden, manifest, deltas, bodies],
        vec![&hidden, seal, manifest, deltas, bodies],
        vec![manifest, seal, deltas, bodies],
        vec![seal, manifest, deltas, deltas],
        vec![seal, seal, manifest, deltas, bodies],
        vec![seal, manifest, bodies],
        vec![manifest, deltas, bodies],
    ] {
        assert!(read(&parts.concat()).is_err());
    }
}

#[test]
fn seal_of_another_bundle_is_refused() {
    let [a, b] = two_sites();
    let (one, _) = export(&a, &[&a], january(0));
    let (other, _) = export(&a, &[&b], january(0));
    let seal_end = |bytes: &[u8]| offsets(bytes, &read(bytes).unwrap())[1];
    let bad = [&one[..seal_end(&one)], &other[seal_end(&other)..]].concat();
    let refused = read(&bad).unwrap_err();
    assert!(matches!(refused, BundleError::ManifestHash { .. }), "{refused}");
    assert_eq!(refused.fault(), BundleFault::Signature);
    assert!(
        read_unsealed(&bad).is_err(),
        "skipping the signature must not skip this"
    );
}

#[test]
fn oversized_bundle_is_refused_before_its_frames() {
    let bytes = small_bundle();
    let limited = |max_bundle_bytes| ReaderOptions {
        max_bundle_bytes,
        ..ReaderOptions::default()
    };
    let size = bytes.len() as u64;
    assert!(read_with(&bytes, limited(size)).is_ok());
    for limit in [0, 7, 100, size - 1] {
        let refused = BundleReader::open(bytes.as_slice(), limited(limit)).unwrap_err();
        assert!(
            matches!(refused, BundleError::TooLarge { limit: l, .. } if l == limit),
            "{refused}"
        );
        assert_eq!(refused.fault(), BundleFault::TooLarge);
    }
    // A bound for each exporter, set after the seal is read.
    let mut reader = BundleReader::open(bytes.as_slice(), ReaderOptions::default()).unwrap();
    assert!(reader.restrict(size).is_ok());
    assert!(matches!(reader.restrict(size - 1), Err(BundleError::TooLarge { found, .. }) if found == size));
}

#[test]
fn lengths_over_the_limit_are_refused_before_allocation() {
    for (magic, limit) in [
        (0x184D_2A51_u32, MAX_SEAL_BYTES),
        (0x184D_2A52, MAX_MANIFEST_BYTES),
    ] {
        let mut bytes = Vec::new();
        if magic == 0x184D_2A52 {
            let honest = small_bundle();
            let end = offsets(&honest, &read(&honest).unwrap())[1];
            bytes.extend_from_slice(&honest[..end]);
        }
        bytes.extend_from_slice(&magic.to_le_bytes());
        bytes.extend_from_slice(&u32::MAX.to_le_bytes());
        let refused = read(&bytes).unwrap_err();
        assert!(
            matches!(refused, BundleError::OverLimit { limit: l, .. } if l == limit as u64),
            "{refused}"
        );
    }
}

#[test]
fn other_file_types_are_reported() {
    for other in [
        &b"PK\x03\x04 a zip file"[..],
        &zstd_frame(b"{}\n"),
        b"{\"id\":\"X\"}      ",
    ] {
        let refused = read(other).unwrap_err();
        assert!(matches!(refused, BundleError::NotABundle { .. }), "{refused}");
    }
}

#[test]
fn reader_returns_nothing_after_a_refusal() {
    let mut bytes = small_bundle();
    *bytes.last_mut().unwrap() ^= 1;
    let mut reader = BundleReader::open(bytes.as_slice(), ReaderOptions::default()).unwrap();
    assert!(reader.next_item().is_ok());
    assert!(matches!(reader.next_item(), Err(BundleError::FrameHash { .. })));
    assert!(matches!(reader.next_item(), Err(BundleError::AfterError)));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(read(&bytes).is_err());
        let framed = skippable(0x184D_2A51, &bytes);
        prop_assert!(read_unsealed(&framed).is_err());
        prop_assert!(inspect(framed.as_slice(), u64::MAX).is_err());
    }
}
