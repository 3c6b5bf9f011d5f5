//! Bundles that no honest exporter writes, sealed with a valid key.
//!
//! Built from the layout in `docs/formats/bundle.md`, not with the crate's writer: an attacker who owns an
//! allow-listed key can sign any manifest, and only the reader's own rules stop him.

use starling_protocol::{CertificateChain, ContentHash, SiteId};

/// Appends a LEB128 varint.
pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn derive(context: &str, bytes: &[u8]) -> [u8; 32] {
    blake3::derive_key(context, bytes)
}

/// Returns a skippable frame.
pub(crate) fn skippable(magic: u32, content: &[u8]) -> Vec<u8> {
    let mut frame = magic.to_le_bytes().to_vec();
    frame.extend_from_slice(&(content.len() as u32).to_le_bytes());
    frame.extend_from_slice(content);
    frame
}

/// Returns an ordinary zstd frame of lines.
pub(crate) fn zstd_frame(ndjson: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(ndjson, 3).unwrap()
}

/// A frame, with the manifest entry for it.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: u64,
    pub(crate) stored: u64,
    pub(crate) unpacked: u64,
    pub(crate) items: u64,
}

impl Frame {
    pub(crate) fn deltas(content: &[u8], items: u64) -> Self {
        let bytes = skippable(0x184D_2A53, content);
        Self {
            kind: 0,
            stored: bytes.len() as u64,
            unpacked: content.len() as u64,
            items,
            bytes,
        }
    }

    /// Returns a frame of these lines, as they come.
    pub(crate) fn bodies(lines: &[&[u8]]) -> Self {
        let mut ndjson = lines.join(&b'\n');
        ndjson.push(b'\n');
        Self {
            items: lines.len() as u64,
            ..Self::ndjson(&ndjson)
        }
    }

    pub(crate) fn ndjson(ndjson: &[u8]) -> Self {
        let bytes = zstd_frame(ndjson);
        Self {
            kind: 1,
            stored: bytes.len() as u64,
            unpacked: ndjson.len() as u64,
            items: 1,
            bytes,
        }
    }
}

/// A range of one log, in numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub(crate) site: SiteId,
    pub(crate) after: u64,
    pub(crate) after_header: [u8; 32],
    pub(crate) last: u64,
    pub(crate) last_header: [u8; 32],
    pub(crate) time: u64,
}

/// The parts of a bundle, which a test changes before it builds the file.
#[derive(Debug, Clone)]
pub(crate) struct Forgery {
    pub(crate) manifest_version: u8,
    pub(crate) seal_version: u8,
    pub(crate) part: (u64, u64),
    pub(crate) ranges: Vec<Range>,
    pub(crate) frames: Vec<Frame>,
    /// Appended to the manifest.
    pub(crate) manifest_tail: Vec<u8>,
    pub(crate) heads: Vec<Vec<u8>>,
    pub(crate) chains: Vec<Vec<u8>>,
}

impl Forgery {
    pub(crate) fn new(frames: Vec<Frame>) -> Self {
        Self {
            manifest_version: 1,
            seal_version: 1,
            part: (1, 1),
            ranges: Vec::new(),
            frames,
            manifest_tail: Vec::new(),
            heads: Vec::new(),
            chains: Vec::new(),
        }
    }

    /// Returns the manifest frame's content.
    pub(crate) fn manifest(&self) -> Vec<u8> {
        let mut ranges = Vec::new();
        varint(&mut ranges, self.ranges.len() as u64);
        for range in &self.ranges {
            ranges.extend_from_slice(range.site.as_bytes());
            ranges.push(0);
            varint(&mut ranges, range.after);
            ranges.extend_from_slice(&range.after_header);
            varint(&mut ranges, range.last);
            ranges.extend_from_slice(&range.last_header);
            varint(&mut ranges, range.time);
        }
        let mut set = ranges.clone();
        set.push(0);
        varint(&mut set, self.part.1);

        let mut out = b"STMF".to_vec();
        out.push(self.manifest_version);
        out.extend_from_slice(&derive("starling 2026-11 v1 bundle set", &set));
        varint(&mut out, self.part.0);
        varint(&mut out, self.part.1);
        out.push(0);
        out.extend_from_slice(&ranges);
        varint(&mut out, self.frames.len() as u64);
        for frame in &self.frames {
            varint(&mut out, frame.kind);
            varint(&mut out, frame.stored);
            varint(&mut out, frame.unpacked);
            varint(&mut out, frame.items);
            out.extend_from_slice(&derive("starling 2026-11 v1 bundle frame", &frame.bytes));
        }
        out.extend_from_slice(&self.manifest_tail);
        out
    }

    /// Returns the seal frame's content over a manifest, signed with the key of `seed`.
    pub(crate) fn seal(&self, chain: &CertificateChain, seed: [u8; 32], manifest: &[u8]) -> Vec<u8> {
        let mut body = derive("starling 2026-11 v1 bundle hash", manifest).to_vec();
        let blob = |out: &mut Vec<u8>, bytes: &[u8]| {
            varint(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
        };
        blob(&mut body, &chain.to_bytes());
        varint(&mut body, u64::from(chain.epoch()));
        varint(&mut body, 1_736_937_000_000);
        body.push(0);
        for list in [&self.chains, &self.heads] {
            varint(&mut body, list.len() as u64);
            list.iter().for_each(|bytes| blob(&mut body, bytes));
        }
        let digest = derive("starling 2026-11 v1 bundle seal signature", &body);
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let signature = ed25519_dalek::Signer::sign(&key, &digest);
        let mut out = b"STSL".to_vec();
        out.push(self.seal_version);
        out.extend_from_slice(&(body.len() as u32).to_le_bytes());
        out.extend_from_slice(&body);
        out.extend_from_slice(&signature.to_bytes());
        out
    }

    /// Returns the whole file.
    pub(crate) fn build(&self, chain: &CertificateChain, seed: [u8; 32]) -> Vec<u8> {
        let manifest = self.manifest();
        let mut out = skippable(0x184D_2A51, &self.seal(chain, seed, &manifest));
        out.extend_from_slice(&skippable(0x184D_2A52, &manifest));
        for frame in &self.frames {
            out.extend_from_slice(&frame.bytes);
        }
        out
    }
}

/// Returns some bodies as lines, by rising hash.
pub(crate) fn sorted<'a>(bodies: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut sorted = bodies.to_vec();
    sorted.sort_by_key(|body| ContentHash::of(body));
    sorted
}
