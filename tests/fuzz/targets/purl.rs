//! Package URLs: a parsed URL can be written and parsed again, and is then equal.
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
    // Escaping triples a byte, and a URL has a maximum length: the written form must stay below it.
    if text.len() < 2_500 {
        round_trip(text);
        round_trip(&format!("pkg:{text}"));
    }
});
