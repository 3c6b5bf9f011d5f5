//! Fork proofs: decoding and checking are total.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use starling_protocol::{CertificateChain, ForkProof, SigningKey, UnixMillis};

/// The accused of `fork.golden`, so that the golden file is a useful seed.
static CHAIN: LazyLock<Option<CertificateChain>> = LazyLock::new(|| {
    let (root, key) = (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]));
    let slug = "site-golden".parse().ok()?;
    let at = UnixMillis::saturating(1_736_937_000_000);
    Some(CertificateChain::genesis(slug, &root, &key, at))
});

fuzz_target!(|bytes: &[u8]| {
    if let Some(chain) = &*CHAIN
        && let Ok(proof) = ForkProof::verify(bytes, chain)
    {
        assert_eq!(proof.to_bytes(), bytes);
    }
});
