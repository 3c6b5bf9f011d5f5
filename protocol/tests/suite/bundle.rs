//! Bundles between honest sites.

use std::collections::BTreeSet;
use std::io::{Cursor as Memory, Read as _};

use starling_protocol::bundle::{
    BodiesPacker, BundlePart, BundleSetId, BundleWriteError, RangeBuilder, SealRequest, WriterOptions,
    inspect, plan_parts,
};
use starling_protocol::limits::{BODIES_FRAME_TARGET_BYTES, MAX_DELTAS_FRAME_BYTES};
use starling_protocol::{BundleWriter, CertificateChain, ContentHash, Delta};

use crate::world::{Say, Site, export, january, read, two_sites};

#[test]
fn bundle_round_trips() {
    let [a, b] = two_sites();
    let (bytes, summary) = export(&a, &[&a, &b], january(0));
    let got = read(&bytes).unwrap();
    assert_eq!(got.manifest, summary.manifest);
    assert_eq!(got.seal.bundle(), summary.hash);
    assert_eq!(got.seal.exporter().unwrap(), a.chain.site());
    assert_eq!(got.seal.sealed_at(), january(0));
    let chains: BTreeSet<_> = got.seal.chains().map(CertificateChain::to_bytes).collect();
    assert_eq!(chains, BTreeSet::from([a.chain.to_bytes(), b.chain.to_bytes()]));
    assert_eq!(got.seal.heads().len(), 2);

    let mut sites = [&a, &b];
    sites.sort_by_key(|site| site.chain.site());
    let deltas: Vec<_> = sites.iter().flat_map(|site| &site.log).collect();
    assert_eq!(got.deltas.len(), deltas.len());
    for (got, delta) in got.deltas.iter().zip(deltas) {
        assert_eq!(got, delta.as_bytes());
    }
    let mut bodies = a.live_bodies();
    bodies.extend(b.live_bodies());
    assert_eq!(got.bodies, bodies.into_iter().collect::<Vec<_>>());

    let totals = got.manifest.totals();
    assert_eq!((totals.claims, totals.deltas, totals.bodies), (8, 4, 3));
    assert_eq!(got.manifest.ranges[0].cursor(), sites[0].log[1].header().cursor());
}

#[test]
fn plain_zstd_decoder_shows_exactly_the_records() {
    let [a, b] = two_sites();
    let (bytes, _) = export(&a, &[&a, &b], january(0));
    let mut shown = Vec::new();
    zstd::stream::read::Decoder::new(bytes.as_slice())
        .unwrap()
        .read_to_end(&mut shown)
        .unwrap();
    let mut expected = Vec::new();
    for (_, body) in read(&bytes).unwrap().bodies {
        expected.extend_from_slice(&body);
        expected.push(b'\n');
    }
    assert_eq!(shown, expected);
    assert!(shown.ends_with(b"}\n"));
}

#[test]
fn two_exporters_write_the_same_bytes_after_the_seal() {
    let [a, b] = two_sites();
    let (one, by_a) = export(&a, &[&a, &b], january(0));
    let (other, by_b) = export(&b, &[&b, &a], january(777));
    assert_eq!(by_a.hash, by_b.hash);
    let after_seal = |bytes: &[u8]| {
        let size = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        bytes[8 + size..].to_vec()
    };
    assert_ne!(one, other);
    assert_eq!(after_seal(&one), after_seal(&other));
}

#[test]
fn bundle_without_news_still_carries_heads() {
    let [a, _] = two_sites();
    let writer = BundleWriter::new(Memory::new(Vec::new()), WriterOptions::default()).unwrap();
    let request = SealRequest {
        exporter: &a.chain,
        key: a.key(),
        chains: &[],
        heads: &[a.head()],
        sealed_at: january(0),
        destination: Some(a.chain.site()),
    };
    let mut bytes = Vec::new();
    writer.finish(&request, &mut bytes).unwrap();
    let got = read(&bytes).unwrap();
    assert_eq!(got.seal.heads(), [a.head()]);
    assert_eq!(got.seal.destination(), Some(a.chain.site()));
    assert!(got.deltas.is_empty() && got.bodies.is_empty());
}

#[test]
fn large_exports_are_divided_into_bounded_frames() {
    let mut site = Site::new("site-big", 40);
    let filler = |n: u32, size: usize| {
        let text = format!("{:x}", n * 7_919).repeat(size / 4);
        format!(r#"{{"id":"X-{n}","summary":"{text}"}}"#)
    };
    let bodies: Vec<String> = (1..=30).map(|n| filler(n, 400_000)).collect();
    for (n, body) in bodies.iter().enumerate() {
        site.say(n as u64, &[Say::Set("ghsa", &format!("X-{n}"), body)]);
    }
    let (bytes, summary) = export(&site, &[&site], january(0));
    let got = read(&bytes).unwrap();
    assert_eq!(got.bodies.len(), 30);
    let frames = &summary.manifest.frames;
    assert!(frames.len() >= 3, "{} frames", frames.len());
    for frame in &frames[1..frames.len() - 1] {
        assert!(frame.unpacked_size as usize >= BODIES_FRAME_TARGET_BYTES);
        assert!((frame.unpacked_size as usize) < BODIES_FRAME_TARGET_BYTES + 500_000);
    }
    assert!(frames[0].unpacked_size as usize <= MAX_DELTAS_FRAME_BYTES);

    // Frames that are packed and compressed elsewhere (for example on other threads) make the same file.
    let mut writer = BundleWriter::new(Memory::new(Vec::new()), WriterOptions::default()).unwrap();
    for delta in &site.log {
        writer.push_delta(delta.as_bytes()).unwrap();
    }
    let mut packer = BodiesPacker::default();
    for (hash, body) in site.live_bodies() {
        if let Some(full) = packer.push(hash, &body).unwrap() {
            writer.push_bodies(&full.compress().unwrap()).unwrap();
        }
    }
    let rest = packer.finish().unwrap();
    writer.push_bodies(&rest.compress().unwrap()).unwrap();
    let request = SealRequest {
        exporter: &site.chain,
        key: site.key(),
        chains: &[],
        heads: &[site.head()],
        sealed_at: january(0),
        destination: None,
    };
    let mut again = Vec::new();
    writer.finish(&request, &mut again).unwrap();
    assert!(again == bytes);
}

#[test]
fn bundle_set_is_split_between_deltas() {
    let [a, b] = two_sites();
    let mut sites = [&a, &b];
    sites.sort_by_key(|site| site.chain.site());
    let deltas: Vec<_> = sites.iter().flat_map(|site| &site.log).collect();
    let mut all = RangeBuilder::default();
    for delta in &deltas {
        all.push(delta.header()).unwrap();
    }
    let weight =
        |delta: &starling_protocol::VerifiedDelta| delta.as_bytes().len() as u64 + delta.header().bodies_size;
    let limit = deltas.iter().map(|delta| weight(delta)).max().unwrap() + 400;
    let parts = plan_parts(deltas.iter().map(|delta| weight(delta)), limit).unwrap();
    assert!(parts.len() > 1);
    let count = u32::try_from(parts.len()).unwrap();
    let set = BundleSetId::of(all.ranges(), None, count);
    let mut claims = 0;
    for (index, part) in (1..).zip(&parts) {
        let options = WriterOptions {
            part: Some(BundlePart { set, index, count }),
            ..WriterOptions::default()
        };
        let mut writer = BundleWriter::new(Memory::new(Vec::new()), options).unwrap();
        for delta in &deltas[part.clone()] {
            writer.push_delta(delta.as_bytes()).unwrap();
        }
        let request = SealRequest {
            exporter: &a.chain,
            key: a.key(),
            chains: &[a.chain.clone(), b.chain.clone()],
            heads: &[],
            sealed_at: january(0),
            destination: None,
        };
        let mut bytes = Vec::new();
        writer.finish(&request, &mut bytes).unwrap();
        let got = read(&bytes).unwrap();
        assert_eq!(got.manifest.part, BundlePart { set, index, count });
        claims += got.manifest.totals().claims;
    }
    assert_eq!(claims, 8);
    assert!(plan_parts([limit + 1], limit).is_err());
}

#[test]
fn inspect_shows_invalid_seal_without_reading_frames() {
    let [a, b] = two_sites();
    let (mut bytes, summary) = export(&a, &[&a, &b], january(0));
    let seal_size = 8 + u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    let manifest_size =
        8 + u32::from_le_bytes(bytes[seal_size + 4..seal_size + 8].try_into().unwrap()) as usize;
    let front = &bytes[..seal_size + manifest_size];
    let seen = inspect(front, u64::MAX).unwrap();
    assert_eq!((seen.hash, seen.file_bytes), (summary.hash, summary.file_bytes));
    assert!(seen.seal.exporter().is_ok());

    bytes[seal_size - 1] ^= 1;
    let seen = inspect(bytes.as_slice(), u64::MAX).unwrap();
    assert!(seen.seal.exporter().unwrap_err().to_string().contains("seal"));
}

#[test]
fn writer_refuses_what_reader_would_refuse() {
    let [a, b] = two_sites();
    let new = || BundleWriter::new(Memory::new(Vec::new()), WriterOptions::default()).unwrap();

    let mut writer = new();
    writer.push_delta(a.log[0].as_bytes()).unwrap();
    let twice = writer.push_delta(a.log[0].as_bytes());
    assert!(matches!(twice, Err(BundleWriteError::DeltaOrder { .. })));

    let mut writer = new();
    let (low, high) = if a.chain.site() < b.chain.site() {
        (&a, &b)
    } else {
        (&b, &a)
    };
    writer.push_delta(high.log[0].as_bytes()).unwrap();
    let back = writer.push_delta(low.log[0].as_bytes());
    assert!(matches!(back, Err(BundleWriteError::DeltaOrder { .. })));

    let body = br#"{"id":"X"}"#;
    let mut writer = new();
    let damaged = writer.push_body(ContentHash::of(body), br#"{"id":"Y"}"#);
    assert!(matches!(damaged, Err(BundleWriteError::WrongBody { .. })));
    writer.push_body(ContentHash::of(body), body).unwrap();
    let twice = writer.push_body(ContentHash::of(body), body);
    assert!(matches!(twice, Err(BundleWriteError::BodyOrder { .. })));
    let late = writer.push_delta(a.log[0].as_bytes());
    assert!(matches!(late, Err(BundleWriteError::DeltaAfterBody)));

    let lines = b"{\n}";
    let broken = new().push_body(ContentHash::of(lines), lines);
    assert!(matches!(broken, Err(BundleWriteError::NotALine { .. })));

    let seal = |writer: BundleWriter<_>, chains: &[_], key| {
        let request = SealRequest {
            exporter: &a.chain,
            key,
            chains,
            heads: &[],
            sealed_at: january(0),
            destination: None,
        };
        writer.finish(&request, Vec::new()).map(|_| ())
    };
    let mut writer = new();
    writer.push_delta(b.log[0].as_bytes()).unwrap();
    let unknown = seal(writer, &[], a.key());
    assert!(matches!(unknown, Err(BundleWriteError::MissingChain { site }) if site == b.chain.site()));
    let foreign = seal(new(), &[], b.key());
    assert!(matches!(foreign, Err(BundleWriteError::WrongKey { .. })));
    let twice = seal(new(), &[b.chain.clone(), b.chain.clone()], a.key());
    assert!(matches!(twice, Err(BundleWriteError::Duplicate { .. })));
}

#[test]
fn deltas_of_a_bundle_verify_against_its_chains() {
    let [a, b] = two_sites();
    let (bytes, _) = export(&b, &[&a, &b], january(0));
    let got = read(&bytes).unwrap();
    for bytes in &got.deltas {
        let delta = Delta::decode(bytes).unwrap();
        let chain = got.seal.chain_of(delta.header().site).unwrap();
        delta.verify(chain).unwrap();
    }
}
