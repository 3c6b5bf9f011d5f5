//! Feed inputs: archives, compressed streams and NDJSON from a pipe, within their limits.
#![no_main]

use std::io::Cursor;
use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use starling_feeds::connectors::Kind;
use starling_feeds::input::{Found, Limits, Source, read};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits {
        max_record_bytes: 1 << 16,
        max_document_bytes: 1 << 18,
        max_total_bytes: 1 << 20,
        max_items: 1_000,
        max_ratio: 100,
        ratio_free_bytes: 1 << 16,
    };
    let (mut items, mut total) = (0_u64, 0_u64);
    let _ = read(
        Source::stream("-", Cursor::new(bytes.to_vec())),
        &limits,
        &mut |found| {
            items += 1;
            if let Found::Document(document) = found {
                let limit = match document.kind == Kind::OSV {
                    true => limits.max_record_bytes,
                    false => limits.max_document_bytes,
                };
                assert!(document.bytes.len() <= limit);
                total += document.bytes.len() as u64;
            }
            ControlFlow::Continue(())
        },
    );
    assert!(items <= limits.max_items && total <= limits.max_total_bytes);
});
