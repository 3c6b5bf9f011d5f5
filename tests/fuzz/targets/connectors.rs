//! Documents of every kind: every resulting record is canonical and has the hash that it states.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_feeds::connectors::Kind;
use starling_feeds::osv::Outcome;
use starling_protocol::{ContentHash, json};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let names = Kind::names();
    let name = names[usize::from(*choice) % names.len()];
    let kind: Kind = name.parse().unwrap();
    let _ = Kind::detect(bytes);
    let mut parts = 0;
    kind.read(bytes, "document", &mut |part| {
        parts += 1;
        if let Outcome::Record(record) = part.outcome {
            assert!(json::is_canonical(&record.canonical));
            assert_eq!(ContentHash::of(&record.canonical), record.hash);
        }
    });
    assert!(parts > 0);
});
