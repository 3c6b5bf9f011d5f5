//! Heads: decoding is total.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_protocol::Head;

fuzz_target!(|bytes: &[u8]| {
    let _ = Head::peek(bytes);
});
