//! The cost of a real day's change on the wire. Prints the bytes; the goals are asserted.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use starling_feeds::osv::{self, Outcome};
use starling_protocol::RecordId;

use crate::net::{Net, Traffic};

/// The files of one day by path, after the change; and the paths that the day changed, in order.
type Tree = BTreeMap<String, Vec<u8>>;

/// The most that the change of 2026-07-13 may cost: 1,494 records of 6.6 MB.
const LARGE_DAY_BYTES: usize = 1_100_000;
/// The most that the change of 2026-07-14 may cost: 10 records of 45 kB.
const SMALL_DAY_BYTES: usize = 14_000;

#[test]
fn daily_change_costs_little_more_than_its_difference() {
    let Some(corpus) = std::env::var_os("STARLING_CORPUS") else {
        println!("skipped: STARLING_CORPUS is not set");
        return;
    };
    let days = read_days(&Path::new(&corpus).join("deltas/pypa.tar.zst"));
    let mut net = Net::new(2, 1);
    net.link(0, 1);
    let before = |day: &str| days.range(..day.to_owned()).map(|(_, tree)| tree);
    let mut base = Tree::new();
    for tree in before("2026-07-13") {
        base.extend(tree.iter().map(|(path, bytes)| (path.clone(), bytes.clone())));
    }
    let first = cost(&mut net, "the whole source before 2026-07-13", &base);
    assert!(first.bytes > LARGE_DAY_BYTES, "the base came over the wire too");
    let large = cost(&mut net, "2026-07-13", &days["2026-07-13"]);
    let small = cost(&mut net, "2026-07-14", &days["2026-07-14"]);
    assert!(large.bytes <= LARGE_DAY_BYTES, "{} bytes", large.bytes);
    assert!(small.bytes <= SMALL_DAY_BYTES, "{} bytes", small.bytes);
}

/// Publishes records at one site and lets the other catch up.
#[allow(clippy::disallowed_methods)] // The time is measured, and nothing depends on it.
fn cost(net: &mut Net, name: &str, tree: &Tree) -> Traffic {
    // By id: a source has one record of a name, even if two files contain it.
    let mut records: BTreeMap<RecordId, Vec<u8>> = BTreeMap::new();
    for bytes in tree.values() {
        for part in osv::read(bytes) {
            if let Outcome::Record(record) = part.outcome {
                records.insert(record.id, record.canonical);
            }
        }
    }
    let records: Vec<(RecordId, Vec<u8>)> = records.into_iter().collect();
    let raw: usize = records.iter().map(|(_, body)| body.len()).sum();
    // Earlier news is delivered first, so that it is not counted here.
    net.run(Duration::from_secs(120));
    net.traffic = Traffic::default();
    let started = Instant::now();
    net.publish(0, &records);
    let authored = started.elapsed();
    net.run(Duration::from_secs(120));
    net.assert_converged();
    let all = started.elapsed();
    println!(
        "{name}: {} records, {raw} bytes of JSON, {} bytes in {} messages; {} ms, of which {} ms to author",
        records.len(),
        net.traffic.bytes,
        net.traffic.messages,
        all.as_millis(),
        authored.as_millis(),
    );
    net.traffic
}

/// Reads a stream: the base under the empty day, then the files of each day.
fn read_days(archive: &Path) -> BTreeMap<String, Tree> {
    #[allow(clippy::disallowed_methods)] // The corpus is a file.
    let file = std::fs::File::open(archive).unwrap();
    let mut days: BTreeMap<String, Tree> = BTreeMap::new();
    let mut tar = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let parts: Vec<&str> = path.split('/').collect();
        let (day, rest) = match parts[..] {
            [_, "base", ..] => ("", &parts[2..]),
            [_, "days", day, "files", ..] => (day, &parts[4..]),
            _ => continue,
        };
        if path.ends_with(".yaml") {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            days.entry(day.to_owned())
                .or_default()
                .insert(rest.join("/"), bytes);
        }
    }
    days
}
