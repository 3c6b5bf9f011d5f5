//! The boundary to the Rego interpreter: any policy gives decisions or an error, the same twice.
//!
//! The process in which a daemon runs this bounds memory and stack, not this target: texts stay short.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_policy::{RegoInput, RegoPolicy};

const INPUT: &str = r#"{"format":"starling-rego-input/1","as_of":"2025-01-01T00:00:00.000Z","as_of_ns":1735689600000000000,
"findings":[{"index":0,"vulnerability":"CVE-1","kev":true,"cvss":9.8,"fixed":["1"],"package":{"name":"a"}}]}"#;

fuzz_target!(|text: &str| {
    if text.len() > 512 {
        return;
    }
    let Ok(policy) = RegoPolicy::read(text.as_bytes()) else {
        return;
    };
    let input = RegoInput::from_json(INPUT.to_owned()).expect("it is an input");
    let (first, second) = (policy.evaluate(&input), policy.evaluate(&input));
    assert_eq!(first, second);
    let _ = policy.run_tests(&input);
});
