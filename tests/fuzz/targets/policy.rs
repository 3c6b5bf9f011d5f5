//! The inputs of a scan: policies, VEX documents, baselines. Decoding is total, and everything decoded can be
//! used.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_policy::{Baseline, PolicyDocument, VexDocument};
use starling_protocol::UnixMillis;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(document) = PolicyDocument::read(bytes) {
        let again = PolicyDocument::read(bytes).expect("it was read before");
        assert_eq!(document.policy.hash(), again.policy.hash());
        for example in &document.examples {
            let _ = example.run(&document.policy, UnixMillis::EPOCH);
        }
    }
    let _ = VexDocument::read(bytes);
    if let Ok(baseline) = Baseline::read(bytes) {
        let again = Baseline::read(bytes).expect("it was read before");
        assert_eq!(baseline.hash(), again.hash());
    }
});
