//! Certificate chains: everything accepted encodes to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_protocol::CertificateChain;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(chain) = CertificateChain::from_bytes(bytes) {
        assert_eq!(chain.to_bytes(), bytes);
    }
});
