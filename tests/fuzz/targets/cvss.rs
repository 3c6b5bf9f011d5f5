//! CVSS vectors: scoring is total, a score is within its scale, and blanks around a vector change nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_scanner::severity::score_vector;

fuzz_target!(|text: &str| {
    for vector in [
        text.to_owned(),
        format!("CVSS:3.1/{text}"),
        format!("CVSS:4.0/{text}"),
    ] {
        let scored = score_vector(&vector);
        if let Some((score, _)) = scored {
            assert!(score.tenths() <= 100, "{vector:?}: {score}");
        }
        assert_eq!(score_vector(&format!(" {vector}\n")), scored, "{vector:?}");
    }
});
