//! Package URLs: what was read can be written and read again, and is then the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_scanner::purl::PackageUrl;

fuzz_target!(|text: &str| {
    let _ = PackageUrl::parse_lenient(text);
    if let Ok(purl) = PackageUrl::parse(text) {
        let written = purl.to_string();
        assert_eq!(PackageUrl::parse(&written).as_ref(), Ok(&purl), "{written}");
    }
});
