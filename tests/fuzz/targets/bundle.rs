//! Bundles: raw bytes, and frames of any content under a valid manifest and seal (the most that a hostile
//! exporter can sign).
#![no_main]

// The forge is shared with the tests; each uses a part of it.
#[allow(dead_code)]
#[path = "../../../protocol/tests/suite/forge.rs"]
mod forge;

use std::sync::LazyLock;

use forge::{Forgery, Frame, skippable, zstd_frame};
use libfuzzer_sys::fuzz_target;
use starling_protocol::bundle::{ReaderOptions, SealCheck, inspect, validate};
use starling_protocol::{BundleReader, CertificateChain, SigningKey, UnixMillis};

static CHAIN: LazyLock<Option<CertificateChain>> = LazyLock::new(|| {
    let (root, key) = (SigningKey::from_seed(&[90; 32]), SigningKey::from_seed(&[91; 32]));
    let slug = "site-mallory".parse().ok()?;
    Some(CertificateChain::genesis(slug, &root, &key, UnixMillis::EPOCH))
});

fn read_all(bytes: &[u8]) {
    let options = ReaderOptions {
        seal: SealCheck::Skip,
        ..ReaderOptions::default()
    };
    let _ = inspect(bytes, u64::MAX);
    let _ = validate(bytes, options);
    if let Ok(mut reader) = BundleReader::open(bytes, options) {
        while let Ok(Some(_)) = reader.next_item() {}
    }
}

fuzz_target!(|bytes: &[u8]| {
    read_all(bytes);
    let (Some(chain), Some((&[how, items], content))) = (&*CHAIN, bytes.split_first_chunk::<2>()) else {
        return;
    };
    let (stored, kind) = match how % 4 {
        0 => (skippable(0x184D_2A53, content), 0),
        1 => (zstd_frame(content), 1),
        2 => (content.to_vec(), 0),
        _ => (content.to_vec(), 1),
    };
    let mut forgery = Forgery::new(vec![Frame {
        kind,
        stored: stored.len() as u64,
        unpacked: content.len() as u64,
        items: u64::from(items),
        bytes: stored,
    }]);
    if how & 0x80 != 0 {
        // Any manifest at all: the input follows its magic.
        let mut manifest = b"STMF\x01".to_vec();
        manifest.extend_from_slice(content);
        let mut file = skippable(0x184D_2A51, &forgery.seal(chain, [91; 32], &manifest));
        file.extend_from_slice(&skippable(0x184D_2A52, &manifest));
        read_all(&file);
        return;
    }
    forgery.part = (1, 1);
    read_all(&forgery.build(chain, [91; 32]));
});
