//! SBOMs of every format: reading is total.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_scanner::sbom;

fuzz_target!(|bytes: &[u8]| {
    let _ = sbom::detect(bytes);
    let _ = sbom::read(bytes);
});
