//! CPE names, their versions, and the configurations of records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_scanner::cpe::{Cpe, CpeSubject, MAX_CPE_BYTES, MAX_NODES, compare_versions, configurations, judge, products};

fuzz_target!(|bytes: &[u8]| {
    let read = configurations(bytes);
    assert!(read.size() <= MAX_NODES);
    for product in products(bytes).0 {
        let name = format!("cpe:2.3:{product}:1.0");
        if name.len() > MAX_CPE_BYTES {
            continue;
        }
        let subject = Cpe::parse(&name).ok().and_then(|cpe| CpeSubject::new(cpe, None));
        let (found, subject) = subject.expect("a product is the beginning of a name");
        assert_eq!(found, product);
        let _ = judge(&read.about(&product), &subject, None);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(cpe) = Cpe::parse(text) {
        let written = cpe.to_string();
        // Escapes make it longer.
        if written.len() <= MAX_CPE_BYTES {
            assert_eq!(Cpe::parse(&written).as_ref(), Ok(&cpe));
        }
    }
    if let Some((a, b)) = text.split_once('\n') {
        let turned = compare_versions(b, a).map(std::cmp::Ordering::reverse);
        assert_eq!(compare_versions(a, b), turned);
    }
});
