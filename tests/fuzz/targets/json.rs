//! Canonical JSON: one canonical form, which is a fixed point.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_protocol::json::{canonicalize, is_canonical, parse};

fuzz_target!(|bytes: &[u8]| {
    let canonical = canonicalize(bytes);
    assert_eq!(canonical.is_ok(), parse(bytes).is_ok());
    match canonical {
        Ok(canonical) => {
            assert!(is_canonical(&canonical));
            assert_eq!(is_canonical(bytes), canonical == bytes);
            assert_eq!(canonicalize(&canonical).as_deref(), Ok(canonical.as_slice()));
            assert!(!canonical.contains(&b'\n'));
        }
        Err(_) => assert!(!is_canonical(bytes)),
    }
});
