//! Package URLs: what was read can be written and read again, and is then the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_scanner::purl::PackageUrl;

fn round_trip(text: &str) {
    let _ = PackageUrl::parse_lenient(text);
    if let Ok(purl) = PackageUrl::parse(text) {
        let written = purl.to_string();
        assert_eq!(PackageUrl::parse(&written).as_ref(), Ok(&purl), "{written}");
    }
}

fuzz_target!(|text: &str| {
    // Escaping triples a byte, and a URL has a longest length: what is written must stay below it.
    if text.len() < 2_500 {
        round_trip(text);
        round_trip(&format!("pkg:{text}"));
    }
});
