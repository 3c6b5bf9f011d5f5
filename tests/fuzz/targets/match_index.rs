//! Match indexes: any bytes open or are refused, and an opened index answers or reports its damage.
#![no_main]

use libfuzzer_sys::fuzz_target;
use starling_scanner::index::{IndexWriter, MatchIndex};
use starling_scanner::knowledge::{Advisory, Knowledge};
use starling_scanner::matching::{Subject, evaluate};
use starling_scanner::osv::Record;

fuzz_target!(|input: (&[u8], &str, usize, u8)| {
    let (bytes, version, at, change) = input;
    let _ = MatchIndex::open(bytes.to_vec());
    // An index over the record in the input: it must not exclude anything that matters.
    let Ok(record) = Record::from_json(bytes) else {
        return;
    };
    let ecosystem = record.affected.iter().find_map(|entry| entry.package.as_ref());
    let ecosystem = ecosystem
        .map_or("npm", |package| package.ecosystem.as_str())
        .to_owned();
    let subject = Subject::new(&ecosystem, version);
    let found = record.affected.iter().map(|entry| evaluate(entry, &subject));
    let matters = found
        .into_iter()
        .any(|found| found.is_affected() || found.is_undecided());
    let advisory = Advisory {
        affected: record.affected,
        ..Advisory::default()
    };
    let mut writer = IndexWriter::new(Vec::new());
    writer
        .add(&ecosystem, "a", std::slice::from_ref(&advisory))
        .expect("memory takes all");
    let mut written = writer.finish(&[0; 32]).expect("memory takes all");
    let index = MatchIndex::open(written.clone()).expect("what was written opens");
    let left = index
        .candidates(&ecosystem, "a", &subject)
        .expect("what was written is read");
    let left = left.unwrap_or_default();
    assert!(!matters || left.len() == 1);
    // Entries left out of its lists do not concern this version.
    let says = |advisory: &Advisory| -> Vec<_> {
        let entries = advisory.affected.iter();
        entries.map(|entry| evaluate(entry, &subject)).collect()
    };
    assert!(left.iter().all(|left| says(left) == says(&advisory)));
    // Changed anywhere, it is refused or reports the damage, and never panics.
    if let Some(byte) = written.get_mut(at % 4096) {
        *byte ^= change;
    }
    if let Ok(index) = MatchIndex::open(written) {
        let _ = index.candidates(&ecosystem, "a", &subject);
        let _ = index.advisories(&ecosystem, "a");
    }
});
