//! Claim frames: everything accepted encodes to the same bytes, and can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_protocol::Claim;

fuzz_target!(|frame: &[u8]| {
    if let Ok(claim) = Claim::decode(frame) {
        assert_eq!(claim.encode(), frame);
        let _ = claim.key().to_string();
    }
});
