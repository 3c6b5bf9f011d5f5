//! OSV documents, JSON and YAML: every resulting record is canonical and has the hash that it states.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_feeds::osv::{Outcome, read};
use starling_protocol::{ContentHash, json};

fuzz_target!(|bytes: &[u8]| {
    let parts = read(bytes);
    assert!(!parts.is_empty());
    for part in parts {
        if let Outcome::Record(record) = part.outcome {
            assert!(json::is_canonical(&record.canonical));
            assert_eq!(ContentHash::of(&record.canonical), record.hash);
        }
    }
});
